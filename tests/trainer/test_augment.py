"""DiffAugment: differentiable, the same in distribution for real and fake, on where data are few."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from trainer import augment, data
from trainer.methods.recipes import RECIPES


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("change", augment.CHANGES)
def test_each_change_is_differentiable_and_keeps_the_shape(change, channels):
    x = torch.rand(8, channels, 16, 16, requires_grad=True)
    changed = change(x)
    assert changed.shape == x.shape
    (gradient,) = torch.autograd.grad(changed.sum(), x)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("change", augment.CHANGES)
def test_draws_are_fresh_for_each_image_and_repeat_with_the_seed(change):
    x = torch.rand(1, 3, 16, 16).expand(32, -1, -1, -1)
    torch.manual_seed(0)
    first = change(x)
    assert not torch.equal(first, change(x))
    assert len({image.numpy().tobytes() for image in first}) > 8
    torch.manual_seed(0)
    assert torch.equal(first, change(x))


def test_grey_images_keep_their_colour():
    x = torch.rand(4, 1, 8, 8)
    torch.testing.assert_close(augment.saturation(x), x)


def test_translation_moves_by_an_eighth_at_most_and_fills_with_grey():
    x = torch.zeros(256, 1, 32, 32)
    x[:, :, 16, 16] = 1
    moved = augment.translation(x)
    assert torch.equal(moved.sum(dim=(1, 2, 3)), torch.ones(256))
    rows, columns = moved[:, 0].flatten(1).argmax(1) // 32 - 16, moved[:, 0].flatten(1).argmax(1) % 32 - 16
    assert set(rows.tolist()) == set(columns.tolist()) == set(range(-4, 5))
    border = augment.translation(torch.ones(64, 1, 32, 32))
    assert set(border.unique().tolist()) == {0.0, 1.0}


def test_cutout_clears_squares_of_half_a_side():
    cleared = (augment.cutout(torch.ones(512, 1, 16, 16)) == 0)[:, 0]
    rows, columns = cleared.any(2).sum(1), cleared.any(1).sum(1)
    assert torch.equal(cleared.sum(dim=(1, 2)), rows * columns)  # a rectangle
    assert rows.max() == columns.max() == 8
    assert rows.min() == columns.min() == 4


def test_real_and_fake_are_changed_alike():
    """An image has the same distribution of changes whether it comes first, as a real one, or later, as a fake."""
    torch.manual_seed(0)
    x = torch.rand(1, 3, 8, 8).expand(20_000, -1, -1, -1)
    real, fake = augment.augment(x), augment.augment(x.clone())
    torch.testing.assert_close(real.mean(0), fake.mean(0), atol=0.02, rtol=0)
    torch.testing.assert_close(real.std(0), fake.std(0), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("wanted", "count", "changed", "noted"),
    [
        ({}, 4999, True, True),
        ({}, 5000, False, False),
        ({"augment": "diffaugment"}, 5000, True, False),
        ({"augment": "none"}, 10, False, False),
        ({"diffaugment": True}, 5000, True, False),
        ({"diffaugment": False}, 10, False, False),
    ],
)
def test_it_is_on_where_images_are_few(wanted, count, changed, noted):
    notes: list[str] = []
    options = augment.AugmentOptions(**wanted)
    chosen = augment.choose(options, data.Dataset("some", torch.zeros(count, 1, 1, 1)), notes)
    x = torch.rand(4, 1, 8, 8)
    assert torch.equal(chosen(x), x) != changed
    assert bool(notes) == noted


@pytest.mark.parametrize("name", ["dcgan-mnist"])
def test_both_steps_see_changed_images(name, monkeypatch):
    """D is never shown an image that was not augmented: with everything blanked out, all its logits are equal."""
    blobs = data.load("fake", 16, Path())
    options = dataclasses.replace(RECIPES[name].options, width=4, augment="diffaugment", norm="none")
    monkeypatch.setattr(augment, "CHANGES", (torch.zeros_like,))
    method = RECIPES[name].method(options, blobs)
    seen = []
    method.D.register_forward_hook(lambda module, arguments, logits: seen.append(logits.detach()))
    for _ in method.updates(data.Batches(blobs, 8, seed=0, device=torch.device("cpu"))):
        pass
    assert len(seen) == 3
    torch.testing.assert_close(torch.cat(seen), seen[0][:1].expand(24))
