"""From images to a page on the Hub in the browser alone, and what the trainings of the app survive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.browser import DESKTOP, IMAGES, serve, visit
from helpers.chromium import launch
from helpers.hub_client import HubClient
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from pretrained.system import server
from pretrained.system.errors import InputError
from ui.train import goals, intake, jobs, publish

TINY = "dcgan-mnist --data fake --size 16 --width 4 --z-dim 8 --batch-size 8 --device cpu --threads 1".split()
PATIENCE = 120  # seconds


def make_images(folder: Path, count: int) -> list[str]:
    folder.mkdir()
    for number in range(count):
        levels = np.random.RandomState(number).randint(0, 255, (5, 5, 3), np.uint8)
        Image.fromarray(levels).resize((40, 40)).save(folder / f"{number}.png")
    return [str(path) for path in sorted(folder.iterdir())]


def await_status(root: Path, name: str, *wanted: str) -> jobs.Job:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        job = jobs.look(root, name)
        if job and job.status in wanted:
            return job
        time.sleep(0.1)
    raise AssertionError(f"{name} is {job}, not {wanted}: {jobs.message(root, name)}")


def await_file(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert path.exists()


def test_from_images_to_a_page_on_the_hub(hub: HubClient, tmp_path: Path):
    images = make_images(tmp_path / "mine", 60)
    home = tmp_path / "home"
    home.mkdir()
    env = {name: value for name, value in hub.env.items() if name != "HF_TOKEN"} | {"OMP_NUM_THREADS": "1"}
    runs = home / "runs"
    with sync_playwright() as playwright, launch(playwright) as browser:
        with serve(home, env) as url, visit(browser, f"{url}/train", **DESKTOP) as page:
            page.locator("input[type=file]").set_input_files(images)
            expect(page.get_by_text("Found 60 images")).to_be_visible()
            expect(page.get_by_text("As training will see them")).to_be_visible()
            page.get_by_role("textbox", name="Name", exact=True).fill("my blobs")
            page.keyboard.press("Enter")
            page.get_by_role("button", name="Start training").click()
            expect(page.get_by_text("Training", exact=True)).to_be_visible()
            await_file(runs / "my-blobs" / "samples.png")
            page.get_by_role("button", name="Pause").click()
            expect(page.get_by_text("Paused", exact=True)).to_be_visible()
        # The server is another one, the training is found again.
        with serve(home, env) as url, visit(browser, f"{url}/train", **DESKTOP) as page:
            expect(page.get_by_text("Paused", exact=True)).to_be_visible()
            page.get_by_role("button", name="Resume").click()
            expect(page.get_by_text("Training", exact=True)).to_be_visible()
        await_status(runs, "my-blobs", "running")  # and goes on without any server
        with serve(home, env) as url, visit(browser, f"{url}/train", **DESKTOP) as page:
            page.get_by_role("button", name="Stop").click()
            expect(page.get_by_text("Stopped", exact=True)).to_be_visible()
            page.get_by_role("button", name="Publish …").click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_role("textbox", name="Token with write access").fill(hub.token)
            dialog.get_by_role("textbox", name="Name on the Hub").fill("alice/blobs")
            dialog.get_by_role("button", name="Publish").click()
            expect(dialog.get_by_text("Published")).to_be_visible()
            page.goto(f"{url}/?model=runs%2Fmy-blobs&count=4")
            page.locator(IMAGES).first.wait_for()
    assert hub.hub.content("alice/blobs", "model.safetensors") == (runs / "my-blobs/model.safetensors").read_bytes()
    for path in home.rglob("*"):
        assert path.is_dir() or hub.token.encode() not in path.read_bytes(), path


def test_a_queue_of_one(tmp_path: Path):
    first, second, third = (
        jobs.Job(name, [*TINY, "--kimg", kimg], "") for name, kimg in (("a", "40"), ("b", "0.02"), ("c", "1"))
    )
    jobs.start(tmp_path, first)
    jobs.start(tmp_path, second)
    with pytest.raises(InputError, match="a and b are running or waiting"):
        jobs.start(tmp_path, third)
    with pytest.raises(InputError, match="a is (queued|running) already"):
        jobs.start(tmp_path, first)
    await_file(tmp_path / "a" / "samples.png")
    assert jobs.look(tmp_path, "b").status == "queued"
    jobs.end(tmp_path, jobs.look(tmp_path, "a"), "stopped")
    await_status(tmp_path, "a", "stopped")
    await_status(tmp_path, "b", "finished")
    assert "finished" in jobs.message(tmp_path, "b")
    away = jobs.put_away(tmp_path, jobs.look(tmp_path, "b"))
    assert [job.name for job in jobs.all_jobs(tmp_path)] == ["a"]
    jobs.put_back(tmp_path, away, "b")
    assert jobs.look(tmp_path, "b").status == "finished"


def test_a_training_that_fails_says_why(tmp_path: Path):
    jobs.start(tmp_path, jobs.Job("bad", ["dcgan-64", "--data", str(tmp_path / "nowhere")], ""))
    await_status(tmp_path, "bad", "failed")
    assert "nowhere" in jobs.message(tmp_path, "bad")


def test_a_training_that_was_killed_is_paused(tmp_path: Path):
    state = tmp_path / "run" / "resume.pt"
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    job = jobs.Job("run", [], "", "running", pid=process.pid, born=jobs.born(process.pid))
    jobs.save(tmp_path, job)
    assert jobs.look(tmp_path, "run").status == "running"
    state.parent.mkdir()
    state.touch()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert jobs.look(tmp_path, "run").status == "paused"


@pytest.mark.parametrize("name", ["../x.png", "/etc/x.png", "a/../../x.png", "..\\x.png"])
def test_an_upload_stays_in_its_folder(tmp_path: Path, name: str):
    with pytest.raises(InputError, match="leads out of the folder"), open(os.devnull, "rb") as file:
        intake.save(tmp_path, "upload", [(name, file)])


def test_two_files_of_one_name_are_two_images(tmp_path: Path):
    path = tmp_path / "x"
    path.write_bytes(b"1")
    with path.open("rb") as first, path.open("rb") as second:
        folder = intake.save(tmp_path, "upload", [("a.png", first), ("a.png", second)])
    assert sorted(file.name for file in folder.iterdir()) == ["a (2).png", "a.png"]


@pytest.mark.parametrize("name", goals.GOALS)
def test_a_goal_is_a_command_of_the_trainer(name: str, tmp_path: Path):
    from trainer.cli.parse import parse

    goal = goals.GOALS[name]
    words = goals.command(goal, str(tmp_path), goal.sizes[0] if goal.sizes else goal.size, goal.kimg[0], None, "my own")
    command = parse(words)
    assert command.recipe.kimg == goal.kimg[0]
    assert command.recipe.size == (goal.sizes[0] if goal.sizes else goal.size)


@pytest.mark.parametrize("place", ["space", "everywhere", "network"])
def test_a_server_trains_only_if_its_owner_says_so(monkeypatch: pytest.MonkeyPatch, place: str):
    monkeypatch.setenv("HF_TOKEN", "hf_owner")
    assert publish.refusal() == ""
    assert publish.login()
    if place == "space":
        monkeypatch.setenv("SPACE_ID", "alice/demo")
    else:
        monkeypatch.setattr(server, "_address", None if place == "everywhere" else "192.168.0.7")
    assert not publish.login()
    assert "GANVAS_TRAIN=1" in publish.refusal()
    monkeypatch.setenv("GANVAS_TRAIN", "1")
    assert publish.refusal() == ""
