"""Comparing losses: ordinary runs, resumed and skipped, in one table and one image."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
from helpers.small import save_squeezenet
from PIL import Image

import pretrained
from pretrained.system.errors import InputError
from trainer.__main__ import main
from trainer.cli import compare
from trainer.cli.compare import Command, Outcome
from trainer.loop import train as loop
from trainer.losses import LOSSES
from trainer.metrics import best
from trainer.metrics.features import KINDS

FLAGS = (
    "--data fake --size 16 --kimg 0.032 --batch-size 8 --width 4 --z-dim 8 --snapshots 1 --device cpu --threads 1"
).split()


def compare_losses(folder, losses, *flags, seeds=1):
    main(["compare", "dcgan-plain", "--losses", losses, "--seeds", str(seeds), "--out", str(folder), *FLAGS, *flags])


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/model.safetensors")}


def test_runs_table_and_image(tmp_path, capsys):
    compare_losses(tmp_path, "non-saturating,lsgan", "--seed", "5", seeds=2)
    shown = capsys.readouterr().out
    assert shown.strip() == (tmp_path / "compare.md").read_text().strip()
    assert "| lsgan | 2 of 2 |" in shown
    report = json.loads((tmp_path / "compare.json").read_text())
    runs = {(run["loss"], run["seed"]): run for run in report["runs"]}
    assert list(runs) == [("non-saturating", 5), ("non-saturating", 6), ("lsgan", 5), ("lsgan", 6)]
    for (loss, seed), run in runs.items():
        config = pretrained.load(run["folder"], "cpu").config
        assert run["folder"] == str(tmp_path / f"{loss}-{seed}")
        assert (config.training["options"]["loss"], config.training["seed"]) == (loss, seed)
        assert config.training["kimg"] == run["kimg"] == 0.032
        assert config.training["command"].endswith(f"--loss {loss} --seed {seed}")
        assert run["problem"] is None
    with Image.open(tmp_path / "compare.png") as image:
        pixels = np.asarray(image)
    left, top = pixels.shape[1] - 8 * 64, pixels.shape[0] - 2 * 64
    for row, loss in enumerate(("non-saturating", "lsgan")):
        sample = pretrained.load(str(tmp_path / f"{loss}-5"), "cpu").sample([3])[0]
        cell = pixels[top + row * 64 : top + (row + 1) * 64, left + 3 * 64 : left + 4 * 64]
        np.testing.assert_array_equal(cell, np.broadcast_to(sample.repeat(4, 0).repeat(4, 1), (64, 64, 3)))
        assert pixels[top + row * 64 : top + (row + 1) * 64, :left].min() < 128  # its name is written there


def test_finished_runs_are_skipped_and_others_resumed(tmp_path):
    compare_losses(tmp_path, "lsgan")
    before = times(tmp_path)
    compare_losses(tmp_path, "lsgan,hinge")
    assert before.items() < times(tmp_path).items()
    compare_losses(tmp_path, "lsgan,hinge", "--kimg", "0.064")  # longer: both go on
    assert not times(tmp_path).items() & before.items()
    report = json.loads((tmp_path / "compare.json").read_text())
    assert [run["kimg"] for run in report["runs"]] == [0.064, 0.064]
    with pytest.raises(SystemExit):
        compare_losses(tmp_path, "lsgan,hinge", "--width", "8")


def test_a_stopped_comparison_goes_on(tmp_path, capsys):
    compare_losses(tmp_path / "whole", "lsgan,hinge")
    step, count = loop.Trainer.step, iter(range(1, 1000))

    def counted(self):
        terms = step(self)
        if next(count) == 6:  # each run has four steps
            os.kill(os.getpid(), signal.SIGTERM)
        return terms

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Trainer, "step", counted)
        with pytest.raises(SystemExit) as ended:
            compare_losses(tmp_path / "halves", "lsgan,hinge")
    assert ended.value.code == 128 + signal.SIGTERM
    assert "repeat the command to continue" in capsys.readouterr().err
    compare_losses(tmp_path / "halves", "lsgan,hinge")
    whole, halves = (
        safetensors.torch.load_file(tmp_path / name / "hinge-0/model.safetensors") for name in ("whole", "halves")
    )
    assert all(whole[name].equal(halves[name]) for name in whole)


def test_runs_are_scored_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(KINDS, "squeezenet", replace(KINDS["squeezenet"], size=32))
    monkeypatch.setattr(best, "QUICK_SAMPLES", 50)
    flags = ["--samples", "50", "--feature-weights", str(save_squeezenet(tmp_path / "squeezenet.npz"))]
    compare_losses(tmp_path / "all", "lsgan", *flags)
    (run,) = json.loads((tmp_path / "all/compare.json").read_text())["runs"]
    names = {f"{name} (SqueezeNet)" for name in ("FID", "KID", "Precision", "Recall", "Density", "Coverage")}
    assert run["scores"].keys() == names | {"KID (SqueezeNet) of the best snapshot"}
    config = pretrained.load(run["folder"], "cpu").config
    written = {row["name"]: row["value"] for row in config.training["metrics"]}
    assert written == {name: run["scores"][name] for name in names}
    assert "FID (SqueezeNet)" in (tmp_path / "all/compare.md").read_text()
    before = times(tmp_path / "all")
    compare_losses(tmp_path / "all", "lsgan", *flags)
    assert times(tmp_path / "all") == before
    assert json.loads((tmp_path / "all/compare.json").read_text())["runs"] == [run]


def test_a_loss_that_fails_is_a_row(tmp_path, monkeypatch, capsys):
    broken = replace(LOSSES["lsgan"], generator=lambda fake, real, targets: fake.mean() * float("nan"))
    monkeypatch.setitem(LOSSES, "lsgan", broken)
    compare_losses(tmp_path, "lsgan,hinge", "--on-collapse", "stop")
    shown = capsys.readouterr().out
    assert "| lsgan | 0 of 1 |" in shown
    assert "| hinge | 1 of 1 |" in shown
    assert "- lsgan, seed 0: " in shown
    problems = [run["problem"] for run in json.loads((tmp_path / "compare.json").read_text())["runs"]]
    assert "finite" in problems[0] or "nan" in problems[0]
    assert problems[1] is None


def test_means_are_over_what_finished():
    outcomes = [
        Outcome("hinge", 0, "", None, 1, 2.0, {"FID": 10.0}),
        Outcome("hinge", 1, "", None, 1, 4.0, {"FID": 14.0}),
        Outcome("hinge", 2, "", "collapsed", 1, 9.0, {}),
        Outcome("wgan", 0, "", "collapsed", 1, 9.0, {}),
    ]
    lines = compare.table("tiny", outcomes).splitlines()
    assert lines[4:6] == ["| hinge | 2 of 3 | 12 ± 2.8 | 3 ± 1.4 |", "| wgan | 0 of 1 | - | - |"]
    assert lines[-2:] == ["- hinge, seed 2: collapsed", "- wgan, seed 0: collapsed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dcgan-mnist", "--losses", "lsgan,magic"], "got 'magic'"),
        (["dcgan-mnist", "--losses", "lsgan", "--seeds", "0"], "--seeds must be >= 1, got 0"),
        (["dcgan-mnist"], "--losses"),
        (["dcgan-mnist", "--losses", "lsgan", "--wdith", "8"], "wdith"),
        (["vae-mnist", "--losses", "lsgan", "--data", "fake"], "--loss"),
        (["dcgan-mnist", "--losses", "lsgan", "--data", "nowhere"], "--data nowhere does not exist"),
        (["dcgan-mnist", "--losses", "lsgan", "--push-to-hub"], "--push-to-hub"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["compare", *arguments])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not list(tmp_path.iterdir())


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "lsgan-0").mkdir()
    (tmp_path / "lsgan-0/thesis.txt").write_text("precious")
    command = Command("lsgan", out=tmp_path, seeds=1)
    with pytest.raises(InputError, match="holds other files"):
        compare.run(command, ["dcgan-plain", *FLAGS])
    assert [path.name for path in tmp_path.rglob("*")] == ["lsgan-0", "thesis.txt"]


def test_runs_that_nobody_looked_at_are_scored_afterwards(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(KINDS, "squeezenet", replace(KINDS["squeezenet"], size=32))
    compare_losses(tmp_path / "all", "lsgan")
    weights = save_squeezenet(tmp_path / "squeezenet.npz")
    compare_losses(tmp_path / "all", "lsgan", "--samples", "50", "--reference", "60", "--feature-weights", str(weights))
    (run,) = json.loads((tmp_path / "all/compare.json").read_text())["runs"]
    assert {"FID (SqueezeNet)", "KID (SqueezeNet)"} <= run["scores"].keys()
    assert not any("best" in name for name in run["scores"])
