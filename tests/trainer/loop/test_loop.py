"""A run: what it writes, how it stops, and that resuming is as if it had never stopped."""

import contextlib
import json
import os
import resource
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.recipes import TRANSLATORS, extractor, logged, same, shrink, train, weights
from PIL import Image

import pretrained
from pretrained import checkpoint
from pretrained.media.images import grid
from pretrained.system.errors import InputError
from pretrained.system.files import write_atomic
from trainer.loop import run_folder
from trainer.loop import train as loop
from trainer.loop.run_folder import Run, without_paths
from trainer.methods.recipes import RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_resuming_is_exact(tmp_path, name):
    options = {}
    if hasattr(RECIPES[name].options, "generator"):  # encoders are learnt on a generator that is trained already
        train(shrink("dcgan-mnist"), tmp_path / "generator")
        options["generator"] = str(tmp_path / "generator")
    if name in TRANSLATORS:
        options |= extractor(tmp_path, RECIPES[name])
    recipe = shrink(name, **options)
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "halves", stop_after=4)
    assert not same(weights(tmp_path / "whole"), weights(tmp_path / "halves"))
    train(recipe, tmp_path / "halves", resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "halves"))
    whole, halves = (Run(tmp_path / name, recipe, "").load_state() for name in ("whole", "halves"))
    assert same(whole["method"], halves["method"])
    assert whole["random"].equal(halves["random"])
    for a, b in zip(whole["optimizers"], halves["optimizers"], strict=True):
        for key, state in a["state"].items():
            assert all(
                torch.equal(torch.as_tensor(state[part]), torch.as_tensor(b["state"][key][part])) for part in state
            )


def test_a_longer_run_goes_on_where_a_finished_one_ended(tmp_path):
    train(shrink("dcgan-plain", kimg=0.128), tmp_path / "long")
    train(shrink("dcgan-plain", kimg=0.064), tmp_path / "short")
    train(shrink("dcgan-plain", kimg=0.128), tmp_path / "short", resume=True)
    assert same(weights(tmp_path / "long"), weights(tmp_path / "short"))


def test_a_run_may_be_given_a_decay_before_it_begins(tmp_path):
    decayed = replace(shrink("dcgan-plain", kimg=0.128), decay=0.5)
    train(decayed, tmp_path / "whole")
    train(shrink("dcgan-plain"), tmp_path / "half")
    train(decayed, tmp_path / "half", resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "half"))
    with pytest.raises(InputError, match="`kimg` must be .* got 0.2"):
        train(replace(decayed, kimg=0.2), tmp_path / "half", resume=True)


def test_decay_by_hand():
    recipe = replace(RECIPES["dcgan-plain"], kimg=100, decay=0.4)
    assert [recipe.lr_scale(seen) for seen in (0, 60_000, 80_000, 100_000, 110_000)] == pytest.approx([1, 1, 0.5, 0, 0])
    assert replace(recipe, decay=0.0).lr_scale(99_999) == 1


def test_a_run_that_lost_its_log_tail_writes_it_again(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    recipe = shrink("dcgan-plain")
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "cut", stop_after=3)
    with (tmp_path / "cut/log.jsonl").open("a") as file:
        file.write('{"kimg": 0.032, "D": 99}\n{"kimg": 0.0')  # written after the last snapshot, the last line half
    train(recipe, tmp_path / "cut", resume=True)
    assert logged(tmp_path / "cut") == logged(tmp_path / "whole")
    assert [line["kimg"] for line in logged(tmp_path / "whole")] == [0.008 * i for i in range(1, 9)]


def test_what_a_run_writes(tmp_path):
    train(shrink("dcgan-plain"), tmp_path / "run", snapshots=4)
    folder = tmp_path / "run"
    assert {path.name for path in folder.iterdir()} >= {
        "model.safetensors",
        "config.json",
        "README.md",
        "samples.png",
        "timelapse.gif",
        "log.jsonl",
        "resume.pt",
    }
    pipeline = pretrained.load(str(folder), "cpu")
    with Image.open(folder / "samples.png") as samples:
        np.testing.assert_array_equal(np.asarray(samples), grid(pipeline.sample(range(64)))[..., 0])
        assert json.loads(samples.text["ganvas"])["seeds"] == list(range(64))
    assert [path.stem for path in sorted((folder / "snapshots").iterdir())] == [f"{16 * i:010d}" for i in range(5)]
    with Image.open(folder / "timelapse.gif") as timelapse:
        assert timelapse.n_frames > 1
    training = pipeline.config.training
    assert training["kimg"] == 0.064
    assert training["command"] == "python -m trainer tiny"
    assert training["data"] == "fake"
    assert training["data_licence"] == "CC0"
    assert {"seed", "versions", "hardware", "minutes"} <= training.keys()
    card = (folder / "README.md").read_text()
    for words in ("python -m trainer tiny", "samples.png", "CC0", "0.064"):
        assert words in card
    assert not [path for path in folder.rglob("*") if path.name.startswith(".") and path.name != ".lock"]


@pytest.mark.parametrize(
    ("typed", "published"),
    [
        ("python -m trainer --kimg 5", "python -m trainer --kimg 5"),
        ("python -m trainer --out /home/me/x --kimg 5 --data-root=/mnt/d", "python -m trainer --kimg 5"),
        ("python -m trainer --data '/home/me/my cats/' --flag", "python -m trainer --data 'my cats' --flag"),
        ("python -m trainer --data=mnist", "python -m trainer --data mnist"),
        ("python -m trainer --style /home/me/wave.jpg", "python -m trainer --style wave.jpg"),
        ("python -m trainer --perceptual ~/eyes.npz", "python -m trainer --perceptual eyes.npz"),
        ("python -m trainer --perceptual vgg16", "python -m trainer --perceptual vgg16"),
    ],
)
def test_paths_are_not_published(typed, published):
    assert without_paths(typed) == published


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tmp_path):
    recipe = shrink("dcgan-plain")
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(replace(recipe, seed=seed), tmp_path / name)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_how_often_snapshots_are_taken_changes_nothing(tmp_path):
    recipe = shrink("dcgan-plain")
    train(recipe, tmp_path / "few", snapshots=1)
    train(recipe, tmp_path / "many", snapshots=8)
    assert same(weights(tmp_path / "few"), weights(tmp_path / "many"))


def test_finished_work_is_not_overwritten(tmp_path):
    recipe = shrink("dcgan-plain")
    train(recipe, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="`resume`"):
        train(recipe, tmp_path)
    with pytest.raises(InputError, match="`seed` must be 0 as in the run in .*, got 1"):
        train(replace(recipe, seed=1), tmp_path, resume=True)
    with pytest.raises(InputError, match="`width` must be .*, got 8"):
        train(replace(recipe, options=replace(recipe.options, width=8)), tmp_path, resume=True)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="holds other files"):
        train(shrink("dcgan-plain"), tmp_path, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(InputError, match="must be a folder, got the file"):
        train(shrink("dcgan-plain"), tmp_path / "out")


def test_a_folder_below_a_file_is_a_sentence(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(InputError, match="cannot write .* choose another `out`"):
        train(shrink("dcgan-plain"), tmp_path / "out" / "run")


@contextlib.contextmanager
def as_nobody():
    """Permissions mean nothing to root, so be somebody else for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_no_permission_is_a_sentence(tmp_path, inside):
    (tmp_path / "closed").mkdir(mode=0o500)
    with as_nobody(), pytest.raises(InputError, match="cannot write .* choose another `out`"):
        train(shrink("dcgan-plain"), tmp_path / "closed" / inside)


def test_a_full_disk_keeps_the_last_snapshot_whole(tmp_path):
    """A limit on the size of files stands in for the disk: log and images still fit, weights do not."""
    train(shrink("dcgan-plain"), tmp_path)
    before = weights(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(InputError, match="cannot write .*free some space"):
            train(shrink("dcgan-plain", kimg=0.128), tmp_path, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert same(weights(tmp_path), before)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".") and path.name != ".lock"]
    train(shrink("dcgan-plain", kimg=0.128), tmp_path, resume=True)


@pytest.mark.parametrize("write", range(1, 13))
def test_an_end_at_any_write_loses_nothing(tmp_path, write):
    """Two snapshots are six writes each; the run ends before one of them, and goes on."""
    recipe = shrink("dcgan-plain", kimg=0.016)
    train(recipe, tmp_path / "whole", snapshots=1)
    count = iter(range(1, 100))

    def dying(path, data):
        if next(count) == write:
            raise SystemExit("killed")
        write_atomic(path, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_folder, "write_atomic", dying)
        patch.setattr(checkpoint, "write_atomic", dying)
        with pytest.raises(SystemExit):
            train(recipe, tmp_path / "cut", snapshots=1)
    train(recipe, tmp_path / "cut", snapshots=1, resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    for name in ("samples.png", "snapshots/0000000016.png", "snapshots/0000000000.png"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert "0.016" in (tmp_path / "cut/README.md").read_text()


def test_a_log_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(InputError, match="No space left"):
        Run(tmp_path, shrink("dcgan-plain"), "").log(8, {"D": 1.0})


def test_a_broken_state_is_a_sentence(tmp_path):
    train(shrink("dcgan-plain"), tmp_path)
    for state in tmp_path.glob("resume*.pt"):
        state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(InputError, match=r"resume\.pt cannot be read"):
        train(shrink("dcgan-plain"), tmp_path, resume=True)


def test_two_processes_in_one_folder(tmp_path):
    recipe = shrink("dcgan-plain")
    with Run(tmp_path, recipe, "").lock():
        failed = []

        def second():
            try:
                train(recipe, tmp_path)
            except InputError as error:
                failed.append(str(error))

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert "another process" in failed[0]
