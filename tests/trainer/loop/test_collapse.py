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


def test_a_discriminator_that_wins_for_long():
    guard = Guard(LIVELY, 0.01)
    said = [guard.check_losses({"D": 0.1, "G": 6.0}, seen) for seen in range(0, 20_001, 1000)]
    assert said[:-1] == [None] * 20
    for words in ("winning for long", "`penalty` r1", "`augment`", "`learning_rate_d`"):
        assert words in said[-1]
    guard = Guard(LIVELY, 0.01)
    for seen in range(0, 60_000, 1000):
        assert guard.check_losses({"D": 0.1 if seen % 10_000 else 0.5, "G": 6.0}, seen) is None, (
            "it is beaten now and then"
        )
        assert guard.check_losses({"D": 0.1, "G": 1.0}, seen) is None
    critic = Guard(LIVELY, None)
    assert not any(critic.check_losses({"D": -9.0, "G": 9.0}, seen) for seen in range(0, 60_000, 1000))


def test_images_that_are_alike_within_a_class():
    """What StyleGAN drew of flat cartoons: five lively classes, one face in each."""
    labels = np.arange(64) % 5
    faces = np.random.RandomState(2).randint(0, 256, (5, 8, 8, 1))
    noise = np.random.RandomState(3).randint(-9, 10, (64, 8, 8, 1))
    collapsed = np.clip(faces[labels] + noise, 0, 255).astype(np.uint8)
    assert Guard(LIVELY, None).check_images(collapsed) is None, "what is drawn of all classes together is lively"
    guard = Guard(LIVELY, None, (LIVELY, labels))
    assert guard.check_images(collapsed, labels) is None
    assert "within classes" in guard.check_images(collapsed, labels)
    guard = Guard(LIVELY, None, (LIVELY, labels))
    grey = np.full_like(LIVELY, 128)
    assert not any(guard.check_images(images, labels) for images in (grey, grey, LIVELY, collapsed, LIVELY, collapsed))


def test_a_conditional_run_is_measured_by_class():
    trainer = loop.Trainer(shrink("dcgan-mnist"), loop.Settings(device="cpu", threads=1))
    assert trainer.guard.class_diversity.keys() == {0, 1}
    assert loop.Trainer(RECIPE, loop.Settings(device="cpu", threads=1)).guard.class_diversity == {}


def test_d_may_learn_more_slowly():
    recipe = replace(RECIPE, learning_rate=1e-3, learning_rate_d=1e-4)
    trainer = loop.Trainer(recipe, loop.Settings(device="cpu", threads=1))
    trainer.schedule()
    networks = [trainer.method.get_submodule(name) for name in "GD"]
    rates = [float(trainer.optimizers[network].param_groups[0]["lr"]) for network in networks]
    assert rates == pytest.approx([1e-3, 1e-4])


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


RECIPE = shrink("dcgan-plain")  # 8 steps


@pytest.mark.parametrize("log_every", [1, 50])
def test_rollback(tmp_path, breaks_at, capsys, log_every):
    """Whether the log or the next snapshot sees it first, what is broken is never saved."""
    breaks_at(5, 1, log_every)
    train(RECIPE, tmp_path, snapshots=4)
    assert "rolled back to 0.032 kimg with half the learning rate" in capsys.readouterr().err
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
    with pytest.raises(Collapsed, match="`learning_rate`"):
        train(RECIPE, tmp_path, snapshots=4, on_collapse="stop")
    assert checkpoint.load(tmp_path / "model.safetensors")[1].training["kimg"] == 0.032


def test_ignore_goes_on_and_saves(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Guard, "check_images", lambda self, images, labels: "all alike")
    train(RECIPE, tmp_path, snapshots=4, on_collapse="ignore")
    assert "all alike" in capsys.readouterr().err
    assert checkpoint.read_config(tmp_path / "model.safetensors").training["kimg"] == 0.064


def test_a_healthy_run_is_left_alone(tmp_path, capsys):
    train(replace(RECIPE, kimg=0.2), tmp_path)
    assert "collapse" not in capsys.readouterr().err
    assert not any("rollback" in key for line in logged(tmp_path) for key in line)
