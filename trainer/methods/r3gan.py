"""R3GAN (Huang et al. 2024, arXiv:2501.05441): each fake against a real image, R1 and R2, and a plain network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pretrained import networks
from pretrained.system.errors import InputError
from trainer.augment import AugmentOptions, choose
from trainer.data.batches import Batches
from trainer.data.dataset import Dataset
from trainer.losses import LOSSES, PENALTIES, Targets
from trainer.method import Adam, Method, Updates
from trainer.recipe import Recipe

LOSS, PENALTY = LOSSES["r3gan"], PENALTIES["r1+r2"]


@dataclass(frozen=True)
class Options(AugmentOptions):
    """How the networks are made, and how D is kept smooth."""

    gamma: float = 1.0
    """Weight of R1 and R2, gamma / 2 (||dD/dx||^2 on real images + the same on fakes)."""
    penalty_every: int = 1
    """Compute both at each n-th step only, n times as strong; 1 in the paper."""
    z_dim: int = 64
    """Length of the latent vector."""
    width: int = 32
    """Channels at full size, doubled with each halving, 8 times at most."""
    widest: int = 0
    """Channels at 4 px, where they are more than 8 times the width: so a model grows into a higher resolution."""
    blocks: int = 2
    """Residual blocks at each resolution."""
    conditional: bool = False
    """Learn the classes too: labels of a named set, or sub-folders."""


class R3GAN(Method):
    """A residual G against a residual D of the same shape, with a loss that has a proof of convergence."""

    any_shape = True
    optimizer = Adam(2e-4, LOSS.betas)
    won_below = LOSS.won_below

    def __init__(self, options: Options, data: Dataset):
        super().__init__(options, data)
        if options.conditional and not data.classes:
            raise InputError(
                "`conditional` needs labels, got none: use a named dataset or sub-folders, or `no_conditional`"
            )
        self.classes = data.classes if options.conditional else []
        shape = {"size": data.size, "channels": data.channels, "width": options.width, "num_classes": len(self.classes)}
        shape |= {"blocks": options.blocks, **({"widest": options.widest} if options.widest else {})}
        self.spec = {"class": "r3gan.Generator", "z_dim": options.z_dim, **shape}
        self.G = networks.build(self.spec)
        self.D = networks.build({"class": "r3gan.Discriminator", **shape})
        self.augment = choose(options, data, self.notes, LOSS.midpoint is not None)

    def noise(self, like: Tensor) -> Tensor:
        """z ~ N(0, 1), one for each image of `like`."""
        return torch.randn(len(like), self.options.z_dim, device=like.device)

    def phase(self, batches: Batches) -> bool:
        """Whether the next round has the penalties."""
        return (batches.num_batches + 1) % self.options.penalty_every == 0

    def updates(self, batches: Batches) -> Updates:
        has_penalty = self.phase(batches)
        x, y = next(batches)
        y = y if self.classes else None
        with torch.no_grad():
            fake = self.augment(self.G(self.noise(x), y))
        real = self.augment(x)
        terms = {"D": LOSS.discriminator(self.D(real, y).float(), self.D(fake, y).float(), Targets())}
        if has_penalty:
            strength = self.options.gamma * self.options.penalty_every
            terms["penalty"] = strength * PENALTY.function(lambda x: self.D(x, y), real, fake.float())
        yield self.D, terms
        fake, real = self.augment(self.G(self.noise(x), y)), self.augment(x)
        yield self.G, {"G": LOSS.generator(self.D(fake, y).float(), self.D(real, y).float(), Targets())}

    def checkpoint(self) -> dict[str, Any]:
        condition = {"classes": self.classes} if self.classes else None
        return {"pipeline": "generate", "network": self.spec, "input": {"noise": "normal"}, "condition": condition}


RECIPES = [
    Recipe(
        name="r3gan-mnist",
        method=R3GAN,
        options=Options(width=16, blocks=1),
        summary="R3GAN at 32 px on handwritten digits, small enough for a processor",
        data="mnist",
        size=32,
        kimg=600,
        batch_size=64,
    ),
    Recipe(
        name="r3gan-64",
        method=R3GAN,
        options=Options(width=48),
        summary="R3GAN at 64 px, on a folder of images",
        data="cifar10",
        size=64,
        kimg=2000,
        batch_size=64,
    ),
]
