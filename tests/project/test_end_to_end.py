"""From pictures to the browser: train, push, type the Hub id into the app, and see what the command line draws."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest
from helpers.browser import DESKTOP, IMAGES, pixels, serve, visit
from helpers.chromium import launch
from PIL import Image
from playwright.sync_api import expect, sync_playwright

TRAIN = "--data fake --size 16 --width 4 --z-dim 8 --batch-size 8 --kimg 0.4 --learning-rate 0.01 --device cpu"


@pytest.mark.parametrize("xet", [False, True], ids=["lfs", "xet"])
def test_train_push_pull_play(hub, tmp_path, monkeypatch, xet):
    monkeypatch.chdir(tmp_path)
    command = ["-m", "trainer", *TRAIN.split(), "--push-to-hub", "--repo-id", "alice/blobs"]
    trained = hub.run(*command, xet=xet)
    assert trained.returncode == 0, trained.stderr
    link = f"{hub.url}/alice/blobs"
    assert link in trained.stdout

    drawn = hub.run("-m", "pretrained", "sample", "alice/blobs", "--seeds", "3-18", "--out", "grid.png", xet=xet)
    assert drawn.returncode == 0, drawn.stderr
    with Image.open("grid.png") as grid:
        recipe = json.loads(grid.text["ganvas"])
        expected = np.asarray(grid.convert("RGB"))
    assert expected.std() > 1, "a grid of one grey proves nothing"
    assert recipe["seeds"] == list(range(3, 19))

    (tmp_path / "elsewhere").mkdir()
    environment = {**hub.env, "HF_HUB_DISABLE_XET": str(int(not xet))}
    with (
        serve(tmp_path / "elsewhere", environment) as url,
        sync_playwright() as playwright,
        launch(playwright) as browser,
        visit(browser, f"{url}/samples?seed=3&count=16&columns=4", **DESKTOP) as page,
    ):
        page.locator(IMAGES).first.wait_for()  # a page that is still being laid out forgets what is typed
        page.get_by_role("combobox", name="Model").fill("alice/blobs")
        page.keyboard.press("Enter")
        expect(page.locator(IMAGES).first).to_have_attribute("width", "16", timeout=90_000)
        page.wait_for_url("**model=alice**")
        shown = pixels(page)
    tiles = expected.reshape(4, 16, 4, 16, 3).swapaxes(1, 2).reshape(16, 16, 16, 3)
    assert len(shown) == 16
    for image, tile in zip(shown, tiles, strict=True):
        np.testing.assert_array_equal(image, tile)
    assert hub.token not in trained.stdout + trained.stderr + drawn.stdout + drawn.stderr
    assert shlex.join(["python", *command]) in hub.hub.content("alice/blobs", "README.md").decode()
