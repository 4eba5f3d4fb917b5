"""Context encoders (Pathak et al. 2016, arXiv:1604.07379): what is missing in a picture, drawn from what is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrained import networks
from trainer.data import pairs
from trainer.data.dataset import Batches
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.data.pairs import JITTER, PairOptions, Pairs
from trainer.losses import bce
from trainer.method import Adam, Method, Updates
from trainer.recipe import Recipe


@dataclass(frozen=True)
class Options:
    """Where the holes are, how the networks are made, and what they minimise."""

    strokes: float = 0.5
    """Share of the holes that are strokes of a broad brush; the others are squares in the middle, of half the size."""
    overlap: int = 7
    """Pixels around the hole that G must restore too, so that the seam does not show."""
    overlap_weight: float = 10.0
    """Weight of those pixels."""
    adversarial_weight: float = 1e-3
    """Weight of the adversarial loss; the rest, 0.999, is that of the squared error."""
    width: int = 64
    """Channels of the largest maps; the smaller ones have more."""
    bottleneck: int = 4000
    """Length of the vector that a whole picture goes through."""
    jitter: float = JITTER
    """Pictures are stored larger by this share, and cut to size at random places."""


def restoration_error(output: Tensor, target: Tensor, mask: Tensor, overlap: int, overlap_weight: float) -> Tensor:
    """The squared error in the hole and, `overlap_weight` times, within `overlap` px around it (section 3.2).

    Args:
        output, target: (N, C, H, W).
        mask: (N, 1, H, W), 1 in the hole, 0 elsewhere.

    Returns:
        The sum over the number of those pixels.
    """
    around = F.max_pool2d(mask, 2 * overlap + 1, stride=1, padding=overlap) - mask
    errors = (output - target).square() * (mask + overlap_weight * around)
    return errors.sum() / ((mask + around).sum() * target.shape[1]).clamp(min=1)


class ContextEncoder(Method):
    """A restorer G, and a D that sees the picture with its hole filled."""

    optimizer = Adam(2e-4)

    def __init__(self, options: Options, data: Pairs):
        super().__init__(options, data)
        shape = {"size": data.size, "channels": data.channels, "width": options.width}
        self.spec = {"class": "context.Generator", "inputs": data.inputs, **shape, "bottleneck": options.bottleneck}
        self.G = networks.build(self.spec)
        self.D = networks.build({"class": "dcgan.Discriminator", **shape})
        self.input = data.checkpoint_input()

    @classmethod
    def read(
        cls, options: Options, name: str, size: int, root: Path, channels: int | None, how: Reading = AS_FOUND
    ) -> Pairs:
        made = PairOptions(degradation="mask", jitter=options.jitter)
        return pairs.load_pairs(name, size, root, channels, made, {"strokes": options.strokes}, how)

    def updates(self, batches: Batches) -> Updates:
        source, target = next(batches)
        mask = source[:, -1:]
        output = self.G(source).float()
        filled = torch.where(mask > 0, output, target)
        yield self.D, {"D": bce(self.D(target).float(), 1.0) + bce(self.D(filled.detach()).float(), 0.0)}
        error = restoration_error(output, target, mask, self.options.overlap, self.options.overlap_weight)
        weight = self.options.adversarial_weight
        yield self.G, {"L2": (1 - weight) * error, "G": weight * bce(self.D(filled).float(), 1.0)}

    def checkpoint(self) -> dict[str, Any]:
        return {"pipeline": "translate", "network": self.spec, "input": self.input}


RECIPES = [
    # The paper's 128 px, bottleneck, weights and overlap; its D sees the hole alone, and learns ten times more slowly.
    Recipe(
        name="context-encoder",
        method=ContextEncoder,
        options=Options(),
        summary="context encoder at 128 px: holes in pictures filled, on any folder of pictures",
        data="pictures",
        size=128,
        kimg=500,
        batch_size=64,
        horizontal_flip=True,
    ),
]
