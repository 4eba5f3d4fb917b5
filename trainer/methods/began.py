"""BEGAN (Berthelot et al. 2017, arXiv:1703.10717): D is an autoencoder, balanced with G by k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pretrained import networks
from trainer.data.batches import Batches
from trainer.data.dataset import Dataset
from trainer.method import Adam, Method, Updates
from trainer.recipe import Recipe


@dataclass(frozen=True)
class Options:
    """Networks and their balance."""

    gamma: float = 0.5
    """Diversity ratio, of the errors of fake and real images: smaller is sharper, larger more diverse."""
    lambda_k: float = 1e-3
    """Step size of k."""
    z_dim: int = 64
    """Dimension of the latent z and of D's code."""
    width: int = 128
    """Base number of channels of G and D: n in the paper."""


class BEGAN(Method):
    """A generator G against an autoencoder D, whose reconstruction error separates real from fake."""

    optimizer = Adam(1e-4)

    def __init__(self, options: Options, data: Dataset):
        super().__init__(options, data)
        shape = {"size": data.size, "channels": data.channels, "z_dim": options.z_dim, "width": options.width}
        self.spec = {"class": "began.Generator", **shape}
        self.G = networks.build(self.spec)
        self.D = networks.build({"class": "began.Discriminator", **shape})
        self.register_buffer("k", torch.zeros(()))

    def noise(self, like: Tensor) -> Tensor:
        """z ~ U(-1, 1), one for each image of `like`."""
        return torch.rand(len(like), self.options.z_dim, device=like.device) * 2 - 1

    def reconstruction_error(self, x: Tensor) -> Tensor:
        """L(x) = |x - D(x)|, mean over pixels and images (section 3.1)."""
        return (x - self.D(x)).float().abs().mean()

    def updates(self, batches: Batches) -> Updates:
        x, _ = next(batches)
        with torch.no_grad():
            fake = self.G(self.noise(x))
        real_error = self.reconstruction_error(x)
        yield self.D, {"real": real_error, "fake": -self.k * self.reconstruction_error(fake)}
        fake_error = self.reconstruction_error(self.G(self.noise(x)))
        yield self.G, {"G": fake_error}
        balance = (self.options.gamma * real_error - fake_error).detach()
        self.k.add_(self.options.lambda_k * balance).clamp_(0, 1)
        self.measures = {"M": real_error.detach() + balance.abs(), "k": self.k.clone()}

    def checkpoint(self) -> dict[str, Any]:
        return {"pipeline": "generate", "network": self.spec, "input": {"noise": "uniform"}}


RECIPES = [
    # The paper's n, z, batch and rate at the start; the paper halves the rate whenever M stalls, here it stays.
    Recipe(
        name="began-64",
        method=BEGAN,
        options=Options(),
        summary="BEGAN at 64 px, on a folder of images",
        result="on 2,059 hand signs at 32 px after 80 kimg: FID 83 with features of SqueezeNet; 65 min on one thread",
        data="cifar10",
        size=64,
        kimg=2000,
        batch_size=16,
    ),
]
