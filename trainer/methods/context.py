"""Context encoders (Pathak et al. 2016, arXiv:1604.07379): inpainting with a reconstruction and an adversarial loss."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrained import networks
from pretrained.networks.sizes import Size
from trainer import distributed
from trainer.data import pairs
from trainer.data.batches import Batches
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.data.pairs import JITTER, PairOptions, Pairs
from trainer.losses import bce
from trainer.method import Adam, Method, Updates
from trainer.recipe import Recipe


@dataclass(frozen=True)
class Options:
    """Holes, networks and losses."""

    strokes: float = 0.5
    """Fraction of holes that are brush strokes; the others are squares in the centre, of half the image size."""
    overlap: int = 7
    """Pixels around the hole that are part of the reconstruction loss, for a seamless border."""
    overlap_weight: float = 10.0
    """Weight of these pixels."""
    adversarial_weight: float = 1e-3
    """Weight of the adversarial loss; the squared error has the weight 1 minus this."""
    width: int = 64
    """Base number of channels, at the largest feature map; smaller maps have more."""
    bottleneck: int = 4000
    """Dimension of the bottleneck of G."""
    jitter: float = JITTER
    """Random crops: images are stored larger by this fraction, and cropped to `size`."""


def restoration_error(output: Tensor, target: Tensor, mask: Tensor, overlap: int, overlap_weight: float) -> Tensor:
    """The squared error in the hole and, `overlap_weight` times, within `overlap` px around it (section 3.2).

    Args:
        output, target: (N, C, H, W).
        mask: (N, 1, H, W), 1 in the hole, 0 elsewhere.

    Returns:
        The sum over the number of those pixels, which is the mean number of several processes.
    """
    around = F.max_pool2d(mask, 2 * overlap + 1, stride=1, padding=overlap) - mask
    errors = (output - target).square() * (mask + overlap_weight * around)
    return errors.sum() / distributed.mean((mask + around).sum() * target.shape[1]).clamp(min=1)


class ContextEncoder(Method):
    """An inpainting network G against a D of completed images."""

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
        cls, options: Options, name: str, size: Size, root: Path, channels: int | None, how: Reading = AS_FOUND
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
        summary="context encoder: inpainting at 128 px, on any folder of images",
        data="pictures",
        size=128,
        kimg=500,
        batch_size=64,
        horizontal_flip=True,
    ),
]
