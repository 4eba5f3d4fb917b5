"""A run knows its data by what is in it, whatever it is called and wherever it lies."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.folders import named, write_folder
from helpers.recipes import shrink, train

from pretrained import checkpoint
from pretrained.run_files import STATE
from pretrained.system.errors import InputError
from trainer.__main__ import main
from trainer.loop.run_folder import Run


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def recipe(data: Path, kimg: float = 0.016, conditional: bool = True):
    return replace(shrink("dcgan-plain", kimg, conditional=conditional), data=str(data), ema_kimg=0.0)


CLASSES = named("cat", 6) | named("dog", 6, 20)


def test_moved_data_goes_on_and_changed_data_is_a_sentence(tmp_path):
    data, out = write_folder(tmp_path / "set", CLASSES), tmp_path / "set" / "runs" / "one"
    train(recipe(data), out)  # its own pictures lie below the data from now on
    moved = shutil.move(data, tmp_path / "elsewhere")
    out = Path(moved) / "runs" / "one"
    train(recipe(moved, 0.024), out, resume=True)
    write_folder(Path(moved), named("bird", 3, 40))
    with pytest.raises(InputError, match="12 files became 15; classes came in: bird.*`data_changed`"):
        train(recipe(moved, 0.032), out, resume=True)
    train(recipe(moved, 0.032), out, resume=True, data_changed=True)
    assert checkpoint.read_config(out / checkpoint.MODEL).classes == ["cat", "dog"]
    assert Run(out, recipe(moved), "").load_contents()["labels"] == ["cat", "dog"]
    train(recipe(moved, 0.040), out, resume=True, data_changed=True)


def test_a_class_that_is_renamed_is_a_change(tmp_path):
    data = write_folder(tmp_path / "set", CLASSES)
    train(recipe(data), tmp_path / "run")
    (data / "dog").rename(data / "wolf")
    with pytest.raises(InputError, match="classes came in: wolf; classes are gone: dog"):
        train(recipe(data, 0.024), tmp_path / "run", resume=True)


def test_one_more_image_is_a_change_and_a_run_without_classes_takes_it(tmp_path):
    data, out = write_folder(tmp_path / "set", CLASSES), tmp_path / "run"
    train(recipe(data, conditional=False), out)
    write_folder(data, named("bird", 3, 40))
    with pytest.raises(InputError, match="has changed"):
        train(recipe(data, 0.024, conditional=False), out, resume=True)
    train(recipe(data, 0.024, conditional=False), out, resume=True, data_changed=True)
    assert Run(out, recipe(data), "").load_contents()["num_files"] == 15


def test_a_run_of_before_goes_on(tmp_path):
    data, out = write_folder(tmp_path / "set", CLASSES), tmp_path / "run"
    train(recipe(data), out)
    state = torch.load(out / STATE, weights_only=True)
    del state["data"]
    for name in ("layout", "resize", "levels"):
        del state["recipe"][name]
    torch.save(state, out / STATE)
    train(recipe(data, 0.024), out, resume=True)


def test_litter_in_the_folder_of_a_run_is_no_run(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".DS_Store").write_bytes(b"x")
    train(recipe(write_folder(tmp_path / "set", CLASSES)), tmp_path / "run")


def test_a_dry_run_says_what_was_found_and_draws_it(tmp_path, capsys):
    files = named("train/cat", 3) | named("train/dog", 3, 20) | named("test/cat", 2, 40) | named("test/dog", 2, 50)
    data, sheet = write_folder(tmp_path / "set", files), tmp_path / "data.png"
    main(["dcgan-plain", "--width", "4", "--data", str(data), "--conditional", "--dry-run", "--preview", str(sheet)])
    said = capsys.readouterr()
    planned = json.loads(said.out)
    assert (planned["data"]["pictures"], planned["data"]["held_out"]) == (6, 4)
    assert planned["checkpoint"]["condition"] == {"classes": ["cat", "dog"]}
    assert "set: 6 images in 2 classes (cat, dog), from train/; 4 in test/ are held out" in said.err
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "data.png", "set"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("cyclegan-emoji --size 50", "a multiple of 4 >= 8, got 50: choose 48 or 52"),
        ("cyclegan-emoji --size 99", "choose 96 or 100"),
        ("pix2pix-colourise --size 50", "choose 48 or 52"),
        ("pix2pix-emoji --network resnet --size 90", "choose 88 or 92"),
        ("pix2pix-emoji --size 90", "a multiple of 16 >= 32, got 90: choose 80 or 96"),
        ("stackgan-emoji --size 28", "got 28: choose 16 or 32"),
        ("dcgan-64 --size 50x64", "got 50x64: choose 48x64 or 56x64"),
        ("srgan-x4 --size 50", "a multiple of 16 >= 16, got 50: choose 48 or 64"),
        ("context-encoder --size 50", "choose 48 or 56"),
    ],
)
def test_a_size_that_no_network_takes_is_refused_before_anything_is_written(tmp_path, capsys, command, words):
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--data", "fake", "--out", str(tmp_path / "run")])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1
    assert "--size" in said
    assert words in said
    assert not (tmp_path / "run").exists()
