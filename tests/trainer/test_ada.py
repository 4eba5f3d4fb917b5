"""ADA: transformations by hand, p that follows D, and none of it in what is sampled."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.recipes import logged, make, shrink, train, weights

import pretrained
from pretrained.media.images import to_uint8
from pretrained.system.errors import InputError
from trainer import ada, augment
from trainer.loop import train as loop

P = torch.tensor


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (8, 12)])
def test_at_probability_zero_nothing_changes(channels, size):
    x = torch.rand(16, channels, *size) * 2 - 1
    torch.testing.assert_close(ada.Adaptive(100)(x), x, atol=1e-5, rtol=0)


def moved(x, *steps):
    """`x` after inverse steps that are given instead of drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ada, "_inverse_steps", lambda *_: iter(steps))
        return ada.move(x, P(1.0))


def full(value):
    return torch.full((1,), float(value))


@pytest.mark.parametrize("size", [(6, 6), (6, 10)])
def test_exact_transformations_are_exact(size):
    x = torch.rand(1, 3, *size)
    torch.testing.assert_close(moved(x, ada.scaling(full(-1), full(1))), x.flip(3))
    torch.testing.assert_close(moved(x, ada.rotation(full(math.pi))), x.flip(2, 3), atol=1e-5, rtol=0)
    shifted = moved(x, ada.translation(full(2), full(1)))
    torch.testing.assert_close(shifted[..., 1:, 2:], x[..., :-1, :-2], atol=1e-5, rtol=0)
    if size[0] == size[1]:
        turned = moved(x, ada.rotation(full(math.pi / 2)))
        assert any(torch.allclose(turned, torch.rot90(x, k, (2, 3)), atol=1e-5) for k in (1, 3))


def test_rotation_is_about_the_centre_in_pixels_also_where_images_are_not_square():
    x = torch.zeros(1, 1, 9, 15)
    x[..., 4, 6:9] = 1  # a horizontal bar in the middle
    turned = moved(x, ada.rotation(full(math.pi / 2)))
    expected = torch.zeros_like(x)
    expected[..., 3:6, 7] = 1
    assert (turned - expected).abs().sum() <= 2.01  # the bar is one pixel off the centre
    assert turned[..., 7].sum() > 2


def test_scaling_enlarges():
    x = torch.zeros(1, 1, 16, 16)
    x[..., 6:10, 6:10] = 1
    assert moved(x, ada.scaling(full(1 / 2), full(1 / 2))).sum() == pytest.approx(64, rel=0.1)


def test_colours_by_their_definition():
    torch.manual_seed(0)
    x = torch.rand(4000, 3, 1, 1) * 2 - 1
    y = ada.recolour(x, P(1.0))
    grey = torch.full((4000, 3, 1, 1), 0.3)
    assert (ada.recolour(grey, P(1.0)).std(dim=1) < 1e-5).all(), "grey stays grey in all of them"
    chroma = (x - x.mean(1, keepdim=True)).flatten(1).norm(dim=1)
    after = (y - y.mean(1, keepdim=True)).flatten(1).norm(dim=1)
    logs = (after / chroma).log()  # contrast and saturation, both lognormal
    assert logs.mean().item() == pytest.approx(0, abs=0.05)
    assert logs.std().item() == pytest.approx(math.hypot(ada.CONTRAST, ada.SATURATION), rel=0.1)
    assert torch.equal(ada.recolour(x, P(0.0)), x) or torch.allclose(ada.recolour(x, P(0.0)), x, atol=1e-6)


def test_each_change_has_probability_p():
    torch.manual_seed(0)
    n = 20_000
    for step, share in zip(ada._inverse_steps(n, 32, 32, P(0.5)), (0.25, 0.375, None, 0.5, None, 0.5, None, 0.75)):
        changed = ((step - torch.eye(3)).abs().amax((1, 2)) > 1e-6).float().mean().item()
        if share is not None:
            assert changed == pytest.approx(share, abs=0.03)
    rotations = [step for place, step in enumerate(ada._inverse_steps(n, 32, 32, P(0.5))) if place in (4, 6)]
    turned = [(step - torch.eye(3)).abs().amax((1, 2)) > 1e-6 for step in rotations]
    assert (turned[0] | turned[1]).float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_p_follows_the_sign_of_d():
    adaptive = ada.Adaptive(kimg=1)
    for _ in range(10):
        p = adaptive.observe(torch.ones(16))["p"]
    assert p.item() == pytest.approx(7 * 16 / 1000), "four batches pass before the mean sign is beyond the target"
    for _ in range(200):
        p = adaptive.observe(torch.ones(16))["p"]
    assert p.item() == pytest.approx(ada.MOST)
    for _ in range(200):
        p = adaptive.observe(-torch.ones(16))["p"]
    assert p.item() == 0


def test_gradients_reach_the_image():
    x = torch.rand(8, 3, 16, 16, requires_grad=True)
    adaptive = ada.Adaptive(100)
    adaptive.p.fill_(0.8)
    (gradient,) = torch.autograd.grad(adaptive(x).square().sum(), x)
    assert (gradient.abs().sum((1, 2, 3)) > 0).all()


@pytest.mark.parametrize("name", ["dcgan-mnist", "stylegan-mnist"])
def test_both_networks_learn_from_changed_images_and_samples_are_unchanged(name, monkeypatch, tmp_path):
    method, dataset = make(name, augment="ada")
    seen, given = [], []
    monkeypatch.setattr(method.augment, "forward", lambda x: given.append(x) or torch.zeros_like(x) + 0 * x)
    method.D.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    list(method.updates(dataset.batches(8, 0, torch.device("cpu"))))
    assert len(given) == 3, "real and fake in D's step, fake in G's"
    assert all(not x.any() for x in seen), "D sees nothing that was not changed"


def test_nothing_leaks_into_samples(tmp_path, monkeypatch):
    """With every change certain to happen, the published images are G's own."""
    monkeypatch.setattr(ada, "MOST", 1.0)
    monkeypatch.setattr(ada, "TARGET", -2.0)
    recipe = shrink("dcgan-plain", augment="ada", ada_kimg=1e-6)
    trainer = loop.Trainer(recipe, loop.Settings(device="cpu", threads=1))
    for _ in range(4):
        trainer.step()
    assert trainer.method.augment.p == 1
    train(recipe, tmp_path)
    pipeline = pretrained.load(str(tmp_path), "cpu")
    z = torch.from_numpy(np.stack(pipeline.latents(range(16))).astype(np.float32))
    with torch.inference_mode():
        alone = to_uint8(pipeline.network(z))
    np.testing.assert_array_equal(pipeline.sample(range(16)), alone)
    assert not any("augment" in name for name in weights(tmp_path))


def test_p_is_logged_and_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    recipe = shrink("dcgan-plain", augment="ada", ada_kimg=0.1)
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "halves", stop_after=4)
    train(recipe, tmp_path / "halves", resume=True)
    lines = logged(tmp_path / "whole")
    assert lines == logged(tmp_path / "halves")
    assert all(0 <= line["p"] <= ada.MOST for line in lines)


def test_a_critic_has_no_point_at_which_it_cannot_tell():
    with pytest.raises(InputError, match="`augment` ada"):
        make("dcgan-mnist", loss="wgan-gp", augment="ada")
    with pytest.raises(InputError, match="`augment` ada"):
        make("progan-mnist", augment="ada")
    options = augment.AugmentOptions(augment="ada", ada_kimg=0)
    with pytest.raises(InputError, match="`ada_kimg` must be > 0"):
        augment.choose(options, replace(make("dcgan-mnist")[1]), [])
