"""The guard notices what goes wrong, and a run goes back, stops or goes on as it was told."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.recipes import logged, shrink, train

from pretrained import checkpoint
from trainer.loop import train as loop
from trainer.loop.collapse import PATIENCE, Collapsed, Guard, diversity

LIVELY = np.random.RandomState(0).randint(0, 256, (64, 8, 8, 1), np.uint8)
ALIKE = np.clip(LIVELY[:1].astype(int) + np.random.RandomState(1).randint(-9, 9, (64, 8, 8, 1)), 0, 255).astype(
    np.uint8
)


def test_diversity_by_hand():
    images = np.zeros((3, 2, 2, 1), np.uint8)
    assert diversity(images) == 0
    images[1:] = 10
    assert diversity(images) == pytest.approx((10 + 10 + 0) / 3)


def test_images_that_become_alike():
    guard = Guard(LIVELY, None)
    assert guard.check_images(ALIKE) is None, "grey at the start is no collapse"
    assert guard.check_images(LIVELY) is None
    assert "collapsed" in guard.check_images(ALIKE)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite(value):
    assert "'G'" in Guard(LIVELY, None).check_losses({"D": 1.0, "G": value})


def test_a_discriminator_that_has_won():
    guard = Guard(LIVELY, 0.01)
    assert not any(guard.check_losses({"D": 0.001}) for _ in range(PATIENCE - 1))
    assert guard.check_losses({"D": 0.5}) is None, "it was beaten once"
    said = [guard.check_losses({"D": 0.001}) for _ in range(PATIENCE)]
    assert said[:-1] == [None] * (PATIENCE - 1)
    assert "won" in said[-1]
    assert not any(Guard(LIVELY, None).check_losses({"D": -50.0}) for _ in range(100)), "a critic's loss has no floor"


@pytest.fixture
def breaks_at(monkeypatch):
    """Make the weights of G NaN at the n-th step, the first `times` times that it comes."""

    def arrange(step_number, times, log_every=1):
        monkeypatch.setattr(loop, "LOG_EVERY", log_every)
        step, left = loop.Trainer.step, iter(range(times))

        def broken(self):
            if self.batches.num_batches == step_number and next(left, None) is not None:
                self.method.G.project.weight.data.fill_(float("nan"))
            return step(self)

        monkeypatch.setattr(loop.Trainer, "step", broken)

    return arrange


RECIPE = shrink("dcgan-mnist")  # 8 steps


@pytest.mark.parametrize("log_every", [1, 50])
def test_rollback(tmp_path, breaks_at, capsys, log_every):
    """Whether the log or the next snapshot sees it first, what is broken is never saved."""
    breaks_at(5, 1, log_every)
    train(RECIPE, tmp_path, snapshots=4)
    assert "back to 0.032 kimg with half the learning rate" in capsys.readouterr().err
    _, config = checkpoint.load(tmp_path / "model.safetensors")
    assert config.training["kimg"] == 0.064
    state = torch.load(tmp_path / "resume.pt", weights_only=True)["trainer"]
    assert state["num_rollbacks"] == 1
    assert [group["lr"] for saved in state["optimizers"] for group in saved["param_groups"]] == [1e-4, 1e-4]


def test_a_run_that_breaks_again_and_again_stops(tmp_path, breaks_at):
    breaks_at(5, times=99)
    with pytest.raises(Collapsed, match="last good snapshot"):
        train(RECIPE, tmp_path, snapshots=4)
    assert checkpoint.load(tmp_path / "model.safetensors")[1].training["kimg"] == 0.032


def test_stop(tmp_path, breaks_at):
    breaks_at(5, times=1)
    with pytest.raises(Collapsed, match="learning-rate"):
        train(RECIPE, tmp_path, snapshots=4, on_collapse="stop")
    assert checkpoint.load(tmp_path / "model.safetensors")[1].training["kimg"] == 0.032


def test_ignore_goes_on_and_saves(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Guard, "check_images", lambda self, images: "all alike")
    train(RECIPE, tmp_path, snapshots=4, on_collapse="ignore")
    assert "all alike" in capsys.readouterr().err
    assert checkpoint.read_config(tmp_path / "model.safetensors").training["kimg"] == 0.064


def test_a_healthy_run_is_left_alone(tmp_path, capsys):
    train(replace(RECIPE, kimg=0.2), tmp_path)
    assert "collapse" not in capsys.readouterr().err
    assert not any("rollback" in key for line in logged(tmp_path) for key in line)
