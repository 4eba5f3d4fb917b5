"""FastGAN (Liu et al. 2021, arXiv:2101.04775): from a hundred images on; D learns to redraw real images too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrained import networks
from pretrained.networks.fastgan import quarter
from trainer.augment import AugmentOptions, choose
from trainer.data.batches import Batches
from trainer.data.dataset import Dataset
from trainer.losses import LOSSES, Targets
from trainer.method import Method, Updates
from trainer.metrics import perceptual
from trainer.recipe import Recipe

LOSS = LOSSES["hinge"]


@dataclass(frozen=True)
class Options(AugmentOptions):
    """How the networks are made, and what D learns beside telling real from fake."""

    reconstruction_weight: float = 1.0
    """Weight of what D's decoders miss of real images (eq. 3)."""
    perceptual: str = "none"
    """Compare them by features, as the paper does, not by pixels: vgg16, squeezenet (both downloaded), or a file of
    their weights (.pth, .npz)."""
    z_dim: int = 256
    """Length of the latent vector."""
    width: int = 64
    """Channels at 128 px; coarser maps have more."""


class FastGAN(Method):
    """A generator with skip-layer excitation against a D that describes what it sees."""

    any_shape = True
    won_below = LOSS.won_below

    def __init__(self, options: Options, data: Dataset):
        super().__init__(options, data)
        shape = {"size": data.size, "channels": data.channels, "width": options.width}
        self.spec = {"class": "fastgan.Generator", "z_dim": options.z_dim, **shape}
        self.G = networks.build(self.spec)
        self.D = networks.build({"class": "fastgan.Discriminator", **shape})
        self.perceptual_loss = perceptual.choose(options.perceptual)
        self.augment = choose(options, data, self.notes)

    def noise(self, like: Tensor) -> Tensor:
        """z ~ N(0, 1), one for each image of `like`."""
        return torch.randn(len(like), self.options.z_dim, device=like.device)

    def difference(self, drawn: Tensor, image: Tensor) -> Tensor:
        """Between what a decoder draws and what was there -> scalar."""
        if self.perceptual_loss:
            return self.perceptual_loss.difference(drawn, image)
        return F.l1_loss(drawn.float(), image)

    def updates(self, batches: Batches) -> Updates:
        x, _ = next(batches)
        real = self.augment(x)
        with torch.no_grad():
            fake = self.augment(self.G(self.noise(x)))
        places = torch.randint(4, (len(x),), device=x.device)
        logits, whole, part = self.D.describe(real, places)
        missed = self.difference(whole, F.avg_pool2d(real, 2)) + self.difference(part, quarter(real, places))
        self.measures = self.augment.observe(logits)
        yield (
            self.D,
            {
                "D": LOSS.discriminator(logits.float(), self.D(fake).float(), Targets()),
                "reconstruction": self.options.reconstruction_weight * missed,
            },
        )
        fake = self.augment(self.G(self.noise(x)))
        yield self.G, {"G": LOSS.generator(self.D(fake).float(), None, Targets())}

    def checkpoint(self) -> dict[str, Any]:
        return {"pipeline": "generate", "network": self.spec, "input": {"noise": "normal"}, "condition": None}


RECIPES = [
    # The paper's networks, batch, Adam and average; 50,000 steps of 8, a third of the paper's largest.
    Recipe(
        name="fastgan-256",
        method=FastGAN,
        options=Options(),
        summary="FastGAN at 256 px, on a folder of 50 to 1,000 images",
        data="pictures",
        size=256,
        kimg=400,
        batch_size=8,
        ema_kimg=5.5,
        horizontal_flip=True,
    ),
    Recipe(
        name="fastgan-64",
        method=FastGAN,
        options=Options(width=16, z_dim=128),
        summary="FastGAN at 64 px, narrow enough for a processor, on a folder of 50 to 1,000 images",
        data="pictures",
        size=64,
        kimg=60,
        batch_size=8,
        ema_kimg=2,
        horizontal_flip=True,
    ),
]
