"""Losses and penalties against numbers worked out by hand."""

import math

import pytest
import torch
from torch import nn

from trainer.losses import LOSSES, PENALTIES, Targets, around, between, squared_gradient_norm

REAL, FAKE = torch.tensor([1.0, 3.0]), torch.tensor([-1.0, 0.5])


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


BCE_D = (softplus(-1) + softplus(-3)) / 2 + (softplus(-1) + softplus(0.5)) / 2
BY_HAND = {  # name: (D's loss, G's loss) on REAL and FAKE
    "non-saturating": (BCE_D, (softplus(1) + softplus(-0.5)) / 2),
    "minimax": (BCE_D, -(softplus(-1) + softplus(0.5)) / 2),
    "lsgan": (0.5 * (0 + 4) / 2 + 0.5 * (1 + 0.25) / 2, 0.5 * (4 + 0.25) / 2),
    "hinge": (0.0 + (0 + 1.5) / 2, 0.25),
    "wgan": (-0.25 - 2.0, 0.25),
    "wgan-gp": (-0.25 - 2.0, 0.25),
    "dragan": (BCE_D, (softplus(1) + softplus(-0.5)) / 2),
    "r3gan": ((softplus(-2) + softplus(-2.5)) / 2, (softplus(2) + softplus(2.5)) / 2),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_is_the_papers(name):
    loss = LOSSES[name]
    d, g = BY_HAND[name]
    assert loss.discriminator(REAL, FAKE, Targets()).item() == pytest.approx(d, abs=1e-6)
    assert loss.generator(FAKE, REAL if loss.relativistic else None, Targets()).item() == pytest.approx(g, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_generator_and_discriminator_pull_apart(name):
    """D wants fakes lower, G wants them higher."""
    fake = torch.tensor([0.2, 0.5], requires_grad=True)
    (d,) = torch.autograd.grad(LOSSES[name].discriminator(REAL, fake, Targets()), fake)
    (g,) = torch.autograd.grad(LOSSES[name].generator(fake, REAL, Targets()), fake)
    assert d.sum() > 0 > g.sum()


def test_label_smoothing_is_one_sided():
    smoothed = LOSSES["non-saturating"].discriminator(REAL, FAKE, Targets(real=0.9))
    real = 0.9 * (softplus(-1) + softplus(-3)) / 2 + 0.1 * (softplus(1) + softplus(3)) / 2
    assert smoothed.item() == pytest.approx(real + (softplus(-1) + softplus(0.5)) / 2, abs=1e-6)


def test_lsgan_takes_its_labels():
    loss = LOSSES["lsgan"].discriminator(REAL, FAKE, Targets(real=3.0, fake=-1.0))
    assert loss.item() == pytest.approx(0.5 * (4 + 0) / 2 + 0.5 * (0 + 2.25) / 2)
    assert LOSSES["lsgan"].generator(FAKE, None, Targets(generator=0.0)).item() == pytest.approx(0.5 * (1 + 0.25) / 2)


class Linear(nn.Module):
    """D(x) = <w, x>: its gradient is w everywhere, so every penalty is known."""

    def __init__(self, norm: float):
        super().__init__()
        w = torch.arange(1.0, 1 + 2 * 3 * 3).view(2, 3, 3)
        self.w = nn.Parameter(w / w.norm() * norm)

    def forward(self, x):
        return (self.w * x).sum(dim=(1, 2, 3))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("none", 0.0), ("wgan-gp", (2.5 - 1) ** 2), ("dragan", (2.5 - 1) ** 2), ("r1", 0.5 * 2.5**2), ("r1+r2", 2.5**2)],
)
def test_penalty_of_a_linear_critic(name, expected):
    """The norm is taken over all of C, H and W: over the channels alone it would be smaller."""
    D = Linear(2.5)
    real, fake = torch.randn(4, 2, 3, 3), torch.randn(4, 2, 3, 3)
    penalty = PENALTIES[name].function(D, real, fake)
    assert penalty.item() == pytest.approx(expected, rel=1e-5)
    if name != "none":
        penalty.backward()
        assert D.w.grad.norm() > 0.1, "the penalty must reach the weights"


def test_every_penalty_has_an_analytic_check():
    assert set(PENALTIES) == {"none", "wgan-gp", "dragan", "r1", "r1+r2"}


def test_gradient_norms_are_in_full_precision_also_under_bf16():
    """What is squared and summed over thousands of pixels has no digits to spare."""
    torch.manual_seed(0)
    D, x = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.Tanh(), nn.Linear(8, 1)), torch.randn(4, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert D(x).dtype == torch.bfloat16
        norms = squared_gradient_norm(D, x.bfloat16())
    assert norms.dtype == torch.float32
    assert norms.equal(squared_gradient_norm(D, x.bfloat16().float()))


def test_gradient_norm_is_per_image():
    """A critic that squares: the gradient at x is 2x, so each image has its own norm."""
    x = torch.randn(5, 3, 4, 4)
    norms = squared_gradient_norm(lambda x: x.square().flatten(1).sum(1), x)
    torch.testing.assert_close(norms, 4 * x.square().flatten(1).sum(1))


def test_interpolation_weight_is_per_image():
    torch.manual_seed(0)
    x = between(torch.ones(64, 3, 4, 4), torch.zeros(64, 3, 4, 4))
    assert (x == x[:, :1, :1, :1]).all(), "one weight for all of an image"
    assert len(x[:, 0, 0, 0].unique()) == 64, "another for each"


def test_dragan_stays_around_real_images():
    real = torch.randn(8, 3, 4, 4)
    delta = around(real) - real
    assert delta.min() >= 0
    assert delta.max() <= 0.5 * real.std()


@pytest.mark.parametrize(("name", "where"), [("r1", "real"), ("r1+r2", "both")])
def test_penalties_look_where_they_say(name, where):
    seen = []
    PENALTIES[name].function(
        lambda x: (seen.append(x.mean().item()), x.square().flatten(1).sum(1))[1],
        torch.ones(2, 1, 2, 2),
        -torch.ones(2, 1, 2, 2),
    )
    assert seen == {"real": [1.0], "both": [1.0, -1.0]}[where]
