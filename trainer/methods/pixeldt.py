"""PixelDTGAN (Yoo et al. 2016, arXiv:1603.07442): translation between domains through a bottleneck.

D is trained on images, A on pairs: is the image real, and does it belong to the source?
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pretrained import networks
from pretrained.networks.sizes import Size
from pretrained.system.errors import InputError
from trainer import distributed
from trainer.data import pairs
from trainer.data.batches import Batches
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.data.pairs import PairOptions, Pairs
from trainer.losses import bce
from trainer.method import Adam, Method, Updates
from trainer.recipe import Recipe


@dataclass(frozen=True)
class Options(PairOptions):
    """Pairs and networks."""

    width: int = 64
    """Base number of channels, at the largest feature map; smaller maps have more."""
    bottleneck: int = 64
    """Dimension of the bottleneck of G."""


def three_way(logits: tuple[Tensor, Tensor, Tensor], targets: tuple[float, float, float]) -> Tensor:
    """The mean of three cross-entropies (eq. 2 and 4): the target, another image's target, a generated one."""
    return sum(bce(logit.float(), target) for logit, target in zip(logits, targets, strict=True)) / 3


class PixelDT(Method):
    """A translator G, a discriminator D of images and a discriminator A of pairs."""

    optimizer = Adam(2e-4)

    def __init__(self, options: Options, data: Pairs):
        super().__init__(options, data)
        shape = {"size": data.size, "width": options.width}
        network = {"inputs": data.inputs, "channels": data.channels, "bottleneck": options.bottleneck}
        self.spec = {"class": "context.Generator", **shape, **network}
        self.G = networks.build(self.spec)
        self.D = networks.build({"class": "dcgan.Discriminator", "channels": data.channels, **shape})
        self.A = networks.build({"class": "dcgan.Discriminator", "channels": data.inputs + data.channels, **shape})
        self.input = data.checkpoint_input()

    @classmethod
    def read(
        cls, options: Options, name: str, size: Size, root: Path, channels: int | None, how: Reading = AS_FOUND
    ) -> Pairs:
        return pairs.load_pairs(name, size, root, channels, options, how=how)

    def updates(self, batches: Batches) -> Updates:
        source, target = next(batches)
        if batches.batch_size < 2:
            raise InputError(f"`batch_size` must be >= 2 for pairs of different images, got {batches.batch_size}")
        other = distributed.roll(target)
        output = self.G(source)
        fake = output.detach()
        yield self.D, {"D": three_way((self.D(target), self.D(other), self.D(fake)), (1.0, 1.0, 0.0))}
        associated = tuple(self.A(torch.cat([source, image], dim=1)) for image in (target, other, fake))
        yield self.A, {"A": three_way(associated, (1.0, 0.0, 0.0))}
        belongs = self.A(torch.cat([source, output], dim=1)).float()
        yield self.G, {"real": 0.5 * bce(self.D(output).float(), 1.0), "belongs": 0.5 * bce(belongs, 1.0)}

    def checkpoint(self) -> dict[str, Any]:
        return {"pipeline": "translate", "network": self.spec, "input": self.input}


RECIPES = [
    # The paper's 64 px, code and rate, on the folder of cyclegan-emoji, whose images of the same name are pairs.
    Recipe(
        name="pixeldt-emoji",
        method=PixelDT,
        options=Options(),
        summary="PixelDTGAN at 64 px: old emoji to new emoji, through a bottleneck of 64 values",
        data="blob2noto",
        size=64,
        kimg=500,
        batch_size=64,
        horizontal_flip=True,
    ),
]
