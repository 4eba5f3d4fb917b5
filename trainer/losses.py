"""The table of adversarial losses and gradient penalties: a new GAN loss is one row.

D gives logits; losses are minimised. x is real, G(z) is fake.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer import distributed


@dataclass(frozen=True)
class Targets:
    """Target labels of D: 0.9 for real is one-sided label smoothing (Salimans et al. 2016, arXiv:1606.03498)."""

    real: float = 1.0
    fake: float = 0.0
    generator: float = 1.0


def bce(logits: Tensor, target: float) -> Tensor:
    """Binary cross-entropy from logits; softplus(-logits) where the target is 1."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def bce_discriminator(real: Tensor, fake: Tensor, t: Targets) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))) (Goodfellow et al. 2014, arXiv:1406.2661, eq. 1)."""
    return bce(real, t.real) + bce(fake, t.fake)


def lsgan_discriminator(real: Tensor, fake: Tensor, t: Targets) -> Tensor:
    """Mao et al. 2016, arXiv:1611.04076, eq. 2, with b = t.real and a = t.fake."""
    return 0.5 * (real - t.real).square().mean() + 0.5 * (fake - t.fake).square().mean()


def hinge_discriminator(real: Tensor, fake: Tensor, t: Targets) -> Tensor:
    """Lim & Ye 2017, arXiv:1705.02894."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


@dataclass(frozen=True)
class AdversarialLoss:
    """One row of the table: the losses of D and G, and the training settings of the paper.

    Attributes:
        discriminator: (real logits (N,), fake logits (N,), targets) -> scalar.
        generator: (fake logits, real logits, targets) -> scalar; `real` is None unless `relativistic`.
        penalty: a key of PENALTIES, or "none".
        critic_steps: updates of D for each one of G.
        clip: weights of D are clipped to [-clip, clip] after each of its updates.
        relativistic: G's loss compares fake with real logits.
        midpoint: what D says where it cannot tell real from fake; None for one whose logits have no such point.
        won_below: D's loss below which G gets no useful gradient; None for a critic, whose loss has no lower bound.
        smoothing: whether the loss uses `Targets`.
        optimizer, learning_rate, betas: those of the loss's paper where they differ from DCGAN's.
        summary: one line for the README.
    """

    discriminator: Callable[[Tensor, Tensor, Targets], Tensor]
    generator: Callable[[Tensor, Tensor | None, Targets], Tensor]
    summary: str
    penalty: str = "none"
    critic_steps: int = 1
    clip: float | None = None
    relativistic: bool = False
    midpoint: float | None = 0.0
    won_below: float | None = 0.01
    smoothing: bool = False
    optimizer: str = "adam"
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)


def _critic(real: Tensor, fake: Tensor, t: Targets) -> Tensor:
    return fake.mean() - real.mean()


def _minus_mean(fake: Tensor, real: Tensor | None, t: Targets) -> Tensor:
    return -fake.mean()


def _bce_generator(fake: Tensor, real: Tensor | None, t: Targets) -> Tensor:
    return bce(fake, t.generator)


LOSSES: dict[str, AdversarialLoss] = {
    "non-saturating": AdversarialLoss(
        discriminator=bce_discriminator,
        generator=_bce_generator,
        smoothing=True,
        summary="cross-entropy; G maximises log D(G(z)) (Goodfellow 2014)",
    ),
    "minimax": AdversarialLoss(
        discriminator=bce_discriminator,
        generator=lambda fake, real, t: -bce(fake, 0.0),
        smoothing=True,
        summary="cross-entropy; G minimises log(1 - D(G(z))) (Goodfellow 2014)",
    ),
    "lsgan": AdversarialLoss(
        discriminator=lsgan_discriminator,
        generator=lambda fake, real, t: 0.5 * (fake - t.generator).square().mean(),
        midpoint=0.5,
        smoothing=True,
        summary="least squares towards the labels a, b, c (Mao 2016)",
    ),
    "hinge": AdversarialLoss(
        discriminator=hinge_discriminator,
        generator=_minus_mean,
        summary="D stops at a margin of 1 (Lim & Ye 2017)",
    ),
    "wgan": AdversarialLoss(
        discriminator=_critic,
        generator=_minus_mean,
        critic_steps=5,
        clip=0.01,
        midpoint=None,
        won_below=None,
        optimizer="rmsprop",
        learning_rate=5e-5,
        summary="Wasserstein distance, weights clipped to 0.01, 5 critic steps (Arjovsky 2017)",
    ),
    "wgan-gp": AdversarialLoss(
        discriminator=_critic,
        generator=_minus_mean,
        penalty="wgan-gp",
        critic_steps=5,
        midpoint=None,
        won_below=None,
        learning_rate=1e-4,
        betas=(0.0, 0.9),
        summary="Wasserstein distance, gradient norm 1 between real and fake, 5 critic steps (Gulrajani 2017)",
    ),
    "dragan": AdversarialLoss(
        discriminator=bce_discriminator,
        generator=_bce_generator,
        penalty="dragan",
        smoothing=True,
        summary="cross-entropy, gradient norm 1 around real images (Kodali 2017)",
    ),
    "r3gan": AdversarialLoss(
        discriminator=lambda real, fake, t: F.softplus(fake - real).mean(),
        generator=lambda fake, real, t: F.softplus(real - fake).mean(),
        penalty="r1+r2",
        relativistic=True,
        midpoint=None,
        betas=(0.0, 0.99),
        summary="each fake against a real image, R1 and R2 penalties (Huang 2024)",
    ),
}


Critic = Callable[[Tensor], Tensor]


def squared_gradient_norm(D: Critic, x: Tensor) -> Tensor:
    """||dD/dx||^2 of each image, over all of C, H and W -> (N,), differentiable in D's weights; in full precision."""
    x = x.detach().float().requires_grad_()
    with torch.autocast(x.device.type, enabled=False):
        (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return gradient.flatten(1).square().sum(dim=1)


def one_centred(D: Critic, x: Tensor) -> Tensor:
    """E (||dD/dx|| - 1)^2."""
    return (squared_gradient_norm(D, x).add(1e-12).sqrt() - 1).square().mean()


def between(real: Tensor, fake: Tensor) -> Tensor:
    """Points on the lines between pairs, one random weight per image (Gulrajani et al. 2017, Algorithm 1)."""
    weight = torch.rand(len(real), 1, 1, 1, device=real.device)
    return weight * real + (1 - weight) * fake


def around(real: Tensor) -> Tensor:
    """x + delta, delta = 0.5 std(x) U(0, 1) (Kodali et al. 2017, arXiv:1705.07215, Algorithm 1)."""
    variance = distributed.mean((real - distributed.mean(real.mean())).square().sum())
    size = real.numel() - 1 / distributed.count()  # that of the whole batch, less one, over the processes
    return real + 0.5 * (variance / size).sqrt() * torch.rand_like(real)


@dataclass(frozen=True)
class Penalty:
    """A term on D's gradients: `function(D, real, fake)` -> scalar, times `weight`."""

    function: Callable[[Critic, Tensor, Tensor], Tensor]
    weight: float
    summary: str


PENALTIES: dict[str, Penalty] = {
    "none": Penalty(lambda D, real, fake: real.new_zeros(()), 0.0, "no penalty"),
    "wgan-gp": Penalty(
        lambda D, real, fake: one_centred(D, between(real, fake)),
        10.0,
        "gradient norm 1 between real and fake (Gulrajani 2017, arXiv:1704.00028)",
    ),
    "dragan": Penalty(
        lambda D, real, fake: one_centred(D, around(real)),
        10.0,
        "gradient norm 1 around real images (Kodali 2017, arXiv:1705.07215)",
    ),
    "r1": Penalty(
        lambda D, real, fake: 0.5 * squared_gradient_norm(D, real).mean(),
        1.0,
        "zero gradient on real images (Mescheder 2018, arXiv:1801.04406)",
    ),
    "r1+r2": Penalty(
        lambda D, real, fake: 0.5 * (squared_gradient_norm(D, real) + squared_gradient_norm(D, fake)).mean(),
        1.0,
        "zero gradient on real and on fake images (Huang 2024, arXiv:2501.05441)",
    ),
}
