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
from helpers.browser import DESKTOP, canvas_pixels, pixels, serve, serve_files, visit
from helpers.chromium import launch
from helpers.hub_client import HubClient
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from pretrained import deploy
from pretrained.system import server
from pretrained.system.errors import InputError
from ui.train import goals, intake, jobs, limits, publish

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
            expect(page.get_by_text("reading images")).to_have_count(0)  # a bar is no sentence
            page.get_by_role("textbox", name="Name", exact=True).fill("my blobs")  # and no Enter
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
            expect(page.get_by_text("It ended before shapes show")).to_be_visible()
            link = page.get_by_role("link", name="Name directions")
            expect(link).to_have_attribute("href", "./explore?model=runs%2Fmy-blobs")
            expect(page.get_by_role("link", name="Compare with the base")).to_have_count(0)
            page.get_by_role("button", name="Publish …").click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_role("textbox", name="Token with write access").fill(hub.token)
            dialog.get_by_role("textbox", name="Name on the Hub").fill("alice/blobs")
            dialog.get_by_role("button", name="Publish").click()
            expect(dialog.get_by_text("Published")).to_be_visible()
            page.goto(f"{url}/?model=runs%2Fmy-blobs&count=4")
            shown = pixels(page)[0]
        site = tmp_path / "site"
        names = hub.hub.head("spaces/alice/blobs")["files"]
        deploy.write({name: hub.hub.content("alice/blobs", name, "spaces") for name in names}, site)
        with serve_files(site) as url, visit(browser, url, **DESKTOP) as page:
            page.get_by_label("Seed", exact=True).fill("0")
            expect(page.locator("#picture")).to_have_attribute("data-seed", "0")
            drawn = canvas_pixels(page, "#picture")[..., :3]
    # After so few steps an image is nearly grey; what little there is must be the same.
    assert np.abs(drawn.astype(int) - shown).mean() < 0.2 * shown.std()
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
    assert [jobs.free_name(tmp_path, name) for name in "abx"] == ["a-2", "b-2", "x"]
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
        intake.save(tmp_path, "upload", [(name, file)], 10**6)


def test_two_files_of_one_name_are_two_images(tmp_path: Path):
    path = tmp_path / "x"
    path.write_bytes(b"1")
    with path.open("rb") as first, path.open("rb") as second:
        folder = intake.save(tmp_path, "upload", [("a.png", first), ("a.png", second)], 10**6)
    assert sorted(file.name for file in folder.iterdir()) == ["a (2).png", "a.png"]


@pytest.mark.parametrize("name", goals.GOALS)
def test_a_goal_is_a_command_of_the_trainer(name: str, tmp_path: Path):
    from trainer.cli.parse import parse

    goal = goals.GOALS[name]
    size, second = goal.sizes[0] if goal.sizes else goal.size, "x.jpg" if goal.second else ""
    words = goals.command(goal, str(tmp_path), size, goal.kimg[0], None, "my own", second)
    command = parse(words)
    assert command.recipe.kimg == goal.kimg[0]
    assert command.recipe.size == size


@pytest.mark.parametrize("place", ["space", "everywhere", "network"])
def test_a_server_trains_only_if_its_owner_says_so(monkeypatch: pytest.MonkeyPatch, place: str):
    monkeypatch.setenv("HF_TOKEN", "hf_owner")
    assert limits.refusal() == ""
    assert publish.login()
    if place == "space":
        monkeypatch.setenv("SPACE_ID", "alice/demo")
    else:
        monkeypatch.setattr(server, "_address", None if place == "everywhere" else "192.168.0.7")
    assert not publish.login()
    assert "GANVAS_TRAIN=1" in limits.refusal()
    monkeypatch.setenv("GANVAS_TRAIN", "1")
    assert limits.refusal() == ""
    monkeypatch.setattr(limits, "ROOT", Path("nowhere"))
    assert "The trainer is not here" in limits.refusal()


def test_what_a_server_gives_to_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert limits.max_hours() is None
    monkeypatch.setenv("SPACE_ID", "alice/demo")
    assert (limits.max_hours(), limits.max_upload()) == (2.0, 200 * 10**6)
    for name, value in {"HOURS": "0.5", "UPLOAD": "1KB", "DISK": "2KB"}.items():
        monkeypatch.setenv(f"GANVAS_TRAIN_{name}", value)
    assert (limits.max_hours(), limits.max_upload()) == (0.5, 1000)
    large = tmp_path / "large"
    large.write_bytes(bytes(1500))
    with pytest.raises(InputError, match="at most 0 MB here"), large.open("rb") as file:
        intake.save(tmp_path / "runs", "upload", [("a.png", file)], limits.max_upload())
    assert not any((tmp_path / "runs" / intake.DATA).iterdir())
    limits.check_disk(tmp_path)
    (tmp_path / "more").write_bytes(bytes(1500))
    with pytest.raises(InputError, match="take 0.0 GB of this server, which gives them 0.0 GB"):
        limits.check_disk(tmp_path)
    monkeypatch.setenv("GANVAS_TRAIN_HOURS", "ever")
    with pytest.raises(InputError, match="GANVAS_TRAIN_HOURS is 'ever'"):
        limits.max_hours()


def test_a_training_ends_with_its_hours(tmp_path: Path):
    jobs.start(tmp_path, jobs.Job("long", [*TINY, "--kimg", "1000"], "", hours=1e-6))
    job = await_status(tmp_path, "long", "stopped")
    with pytest.raises(InputError, match="long has trained for the 1e-06 hours that this server allows"):
        jobs.start(tmp_path, job)
