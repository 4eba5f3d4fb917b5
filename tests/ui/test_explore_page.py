"""The pages Explore and Edit in a real browser: what a drag, a key and an upload make are the pipeline's own pixels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.browser import PHONE, ROOT, visit
from helpers.small import CLASSES, noise_image, save_able, save_small
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

import pretrained
from pretrained import loading
from pretrained.__main__ import main
from pretrained.pipelines import directions
from pretrained.pipelines.directions import move

DESKTOP = {"viewport": {"width": 1280, "height": 1000}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("explore")
    save_small(folder / "runs" / "plain", classes=CLASSES, size=16)
    save_able(folder / "runs" / "reader", "text")
    return folder


PIXELS = """async (image) => {
  for (let tries = 0; tries < 100; tries++) {  // it fails where the picture is replaced meanwhile
    if (await image.decode().then(() => true, () => false)) break;
    await new Promise((done) => setTimeout(done, 100));
  }
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  return [canvas.height, canvas.width, ...pen.getImageData(0, 0, canvas.width, canvas.height).data];
}"""


def image(page: Page) -> np.ndarray:
    """The pixels of the first picture on the page, uint8 (H, W, 3)."""
    height, width, *levels = page.locator(".stImage img").first.evaluate(PIXELS)
    return np.array(levels, np.uint8).reshape(height, width, 4)[..., :3]


def await_image(page: Page, expected: np.ndarray) -> None:
    """Wait until the page shows these pixels; a picture on the way there may be an older one."""
    for _ in range(600):
        if np.array_equal(image(page), np.broadcast_to(expected, (*expected.shape[:2], 3))):
            return
        page.wait_for_timeout(100)
    raise AssertionError("the page never shows the picture")


def fits(page: Page) -> bool:
    needed, there = page.locator(".stMain").evaluate("e => [e.scrollWidth, e.clientWidth]")
    return needed <= there


@pytest.mark.parametrize(
    ("model", "window"), [("runs/plain", DESKTOP), ("stylegan-fashion", PHONE)], ids=["desktop", "phone"]
)
def test_the_pad_moves_the_image(browser, url, folder, monkeypatch, model, window):
    torch.set_num_threads(1)  # as the app
    monkeypatch.chdir(folder)
    pipeline = pretrained.load(model, "cpu")

    def expected(**moves: float) -> np.ndarray:
        offset = move(pipeline, {name.replace("_", "-"): strength for name, strength in moves.items()})
        return pipeline.sample([3], move=offset)[0]

    with visit(browser, f"{url}/explore?model={model}&seed=3&move-sefa-4=-1", **window) as page:
        plane = page.get_by_role("slider", name=re.compile("Two directions"))
        plane.wait_for()
        await_image(page, expected(sefa_4=-1))
        plane.scroll_into_view_if_needed()
        box = plane.bounding_box()
        at = lambda x, y: (box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.mouse.move(*at(0.5, 0.5))
        page.mouse.down()
        page.mouse.move(*at(0.9, 0.2), steps=8)
        page.mouse.move(*at(0.75, 0.4), steps=4)
        page.mouse.up()
        expect(plane).to_have_attribute("aria-valuetext", "sefa-1 2.5, sefa-2 1.0")
        await_image(page, expected(sefa_1=2.5, sefa_2=1, sefa_4=-1))
        first = page.get_by_role("slider", name=re.compile("^sefa-1"))
        expect(first).to_have_value("2.5")
        page.wait_for_url(re.compile("move-sefa-1=2.5"))
        assert fits(page)

        plane.press("ArrowLeft")
        plane.press("Shift+ArrowUp")
        await_image(page, expected(sefa_1=2.4, sefa_2=1.5, sefa_4=-1))
        first.press("ArrowLeft")
        await_image(page, expected(sefa_1=2.3, sefa_2=1.5, sefa_4=-1))
        expect(plane).to_have_attribute("aria-valuetext", "sefa-1 2.3, sefa-2 1.5")
        page.get_by_role("button", name="Back to the start").click()
        await_image(page, expected())
        page.get_by_role("button", name="sefa-3 at 2", exact=True).click()
        await_image(page, expected(sefa_3=2))

        # Nobody types within the moment between the picture and the end of the page, which makes the form anew.
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        page.get_by_text("Keep this as a direction").click()
        page.get_by_role("textbox", name="Name").fill("slant")
        page.get_by_role("button", name=re.compile(r"\bKeep$")).click()
        page.get_by_role("slider", name=re.compile("^slant")).wait_for()
        page.get_by_text("The same from a shell").click()
        expect(page.locator("code")).to_contain_text("--seeds 3 --truncation 1.0 --move sefa-3=2 --out")
    if model == "stylegan-fashion":  # not ours to write to
        assert "slant" not in directions.read(loading.BUNDLED / model / directions.FILE, pipeline.config)
        return
    kept = directions.read(folder / model / directions.FILE, pipeline.config)["slant"]
    assert kept.moves == {"sefa-3": 2.0}
    np.testing.assert_allclose(kept.vector, 2 * directions.find(pipeline, "sefa")[2])


@pytest.mark.parametrize("page", ["views/explore.py", "views/photos/edit.py"])
def test_a_network_that_reads_is_moved_and_bad_directions_are_a_sentence(folder, monkeypatch, page):
    monkeypatch.chdir(folder)
    reader = folder / "runs" / "reader"
    (reader / directions.FILE).write_bytes(b"broken")
    app = AppTest.from_file(ROOT / "ui" / "main.py", default_timeout=120)
    app.query_params.update({"model": "runs/reader", "way": "Example", "steps": "50", "move-sefa-2": "1.5"})
    app.run()
    app.switch_page(page).run()
    assert not app.exception
    assert not app.error
    assert "is refused" in app.warning[0].value
    assert "--move sefa-2=1.5" in app.code[0].value
    assert (reader / directions.FILE).read_bytes() == b"broken"


def test_a_name_for_what_is_not_ours_to_write_to_lasts_for_the_visit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bundled = loading.BUNDLED / "icgan-mnist" / directions.FILE
    before = bundled.read_bytes()
    app = AppTest.from_file(ROOT / "ui" / "main.py", default_timeout=120)
    app.query_params.update({"model": "icgan-mnist", "move-sefa-2": "1.5"})
    app.run()
    app.switch_page("views/explore.py").run()
    (name,) = (box for box in app.text_input if box.label == "Name")
    name.set_value("tilt")
    next(button for button in app.button if button.label == "Keep").click().run()
    assert not app.exception
    assert not app.error
    app.slider(key="move-tilt").set_value(-0.5).run()
    file = "--directions icgan-mnist-directions.safetensors"
    assert f"--move tilt=-0.5 sefa-2=1.5 {file}" in app.code[0].value
    assert bundled.read_bytes() == before


def test_an_upload_is_redrawn_as_by_the_command_line_and_can_be_cancelled(browser, url, folder, tmp_path, monkeypatch):
    torch.set_num_threads(1)  # as the app
    monkeypatch.chdir(folder)
    photo, out = tmp_path / "photo.png", tmp_path / "out.png"
    noise_image(5).save(photo)
    with visit(browser, f"{url}/edit?model=dcgan-signs&steps=800", **DESKTOP) as page:  # 800 of runs/plain take 1 s
        uploads = page.locator("input[type=file]")
        cancel = page.get_by_role("button", name="Cancel", exact=True)
        uploads.wait_for(state="attached")
        cancel.click()  # of the example that is being looked for
        expect(page.get_by_text("Cancelled.")).to_be_visible()
        uploads.set_input_files(photo)
        cancel.click()
        expect(page.get_by_text("Cancelled.")).to_be_visible()
        expect(page.get_by_label("Example, picture of seed")).to_have_count(0)
        assert page.locator(".pad").count() == 0
    with visit(browser, f"{url}/edit?model=runs/plain&steps=50&move-sefa-1=2&save=As drawn", **PHONE) as page:
        uploads = page.locator("input[type=file]")
        uploads.wait_for(state="attached")
        page.get_by_role("button", name="Copy link").wait_for()  # of the example, which a link can tell of
        uploads.set_input_files(photo)
        page.get_by_text("Yours", exact=True).wait_for()
        expect(page.get_by_role("button", name="Copy link")).to_have_count(0)
        assert fits(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download PNG").click()
        command = ["project", "runs/plain", "--input", str(photo), "--steps", "50", "--move", "sefa-1=2"]
        main([*command, "--out", str(out)])
        assert download.value.path().read_bytes() == out.read_bytes()
