"""ProGAN (Karras et al. 2017, arXiv:1710.10196): both networks grow from 4 px, with a smooth fade-in of each new level.

The growth is a buffer, so that a checkpoint from an intermediate stage renders as it was trained.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .equalized import Conv2d, Linear, block_widths, leaky, minibatch_std, pixel_norm
from .sizes import Sizes

__all__ = ["Discriminator", "Generator"]

SIZES = Sizes(4, power_of_two=True)
STEPS = 1000  # of a fade-in; integers are not changed by the EMA and half precision


class Stage(NamedTuple):
    """The current level, 0 for 4 px, and whether it is still fading in."""

    level: int
    fades: bool


def stage(grown: int) -> Stage:
    """That of `Growing.grown`."""
    level, steps = divmod(grown, STEPS)
    return Stage(level + bool(steps), bool(steps))


def fade(before: Tensor, after: Tensor, alpha: Tensor) -> Tensor:
    """Blend with weight `alpha`; tensors of any precision."""
    return before + alpha * (after - before)


def upsample(x: Tensor, times: int = 2) -> Tensor:
    return F.interpolate(x, scale_factor=times, mode="nearest") if times > 1 else x


class Growing(nn.Module):
    """A network with levels at 4, 8, ... px.

    Attributes:
        grown: int64, STEPS times the number of levels above 4 px: 2300 is 16 px, with 32 px faded in by 0.3.
    """

    def __init__(self, num_levels: int):
        super().__init__()
        self.register_buffer("grown", torch.tensor(STEPS * (num_levels - 1)))

    def stage(self) -> Stage:
        return stage(int(self.grown))

    def alpha(self) -> Tensor:
        """The blending weight of a level that is fading in, a scalar in (0, 1)."""
        return self.grown.remainder(STEPS).float() / STEPS


class Generator(Growing):
    """z (N, z_dim) -> images (N, channels, size, size), about [-1, 1]; upsampled while it is growing."""

    def __init__(self, size: int = 64, channels: int = 3, z_dim: int = 128, width: int = 32, widest: int = 0):
        SIZES.check(size)
        widths = block_widths(size, width, widest)
        super().__init__(len(widths))
        self.size = size
        self.project = Linear(z_dim, 16 * widths[0], gain=2**0.5 / 4)  # as in the authors' code
        self.blocks = nn.ModuleList([nn.ModuleList([Conv2d(widths[0], widths[0], 3)])])
        for before, after in pairwise(widths):
            self.blocks.append(nn.ModuleList([Conv2d(before, after, 3), Conv2d(after, after, 3)]))
        self.to_picture = nn.ModuleList([Conv2d(there, channels, 1, gain=1.0) for there in widths])

    def ordered_layers(self) -> list[nn.Module]:
        """From z to the image, for `trainer.finetune`."""
        return [self.project, *(part for pair in zip(self.blocks, self.to_picture) for part in pair)]

    def first_layers(self) -> list[Tensor]:
        """Weights (outputs, z_dim) of the layer that reads z, for closed-form directions (SeFa)."""
        return [self.project.weight]

    def draw(self, z: Tensor, stage: Stage | None = None) -> Tensor:
        """z (N, z_dim) -> images at the resolution of the current level; given `stage`, no GPU waits."""
        level, fades = stage or self.stage()
        x = self.project(pixel_norm(z)).unflatten(1, (4, 4, -1)).permute(0, 3, 1, 2)
        x = before = pixel_norm(leaky(x))
        for place, block in enumerate(self.blocks[: level + 1]):
            before = x
            x = upsample(x) if place else x
            for convolution in block:
                x = pixel_norm(leaky(convolution(x)))
        image = self.to_picture[level](x)
        if fades:
            image = fade(upsample(self.to_picture[level - 1](before)), image, self.alpha())
        return image

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        image = self.draw(z)
        return upsample(image, self.size // image.shape[-1])


class Discriminator(Growing):
    """Images (N, channels, S, S), at the resolution S of the current level -> logits (N,)."""

    def __init__(self, size: int = 64, channels: int = 3, width: int = 32, widest: int = 0):
        SIZES.check(size)
        widths = block_widths(size, width, widest)
        super().__init__(len(widths))
        self.from_picture = nn.ModuleList([Conv2d(channels, there, 1) for there in widths])
        self.blocks = nn.ModuleList(
            [nn.ModuleList([Conv2d(fine, fine, 3), Conv2d(fine, coarse, 3)]) for coarse, fine in pairwise(widths)]
        )
        self.convolution = Conv2d(widths[0] + 1, widths[0], 3)
        self.features = Linear(16 * widths[0], widths[0])
        self.score = Linear(widths[0], 1, gain=1.0)

    def ordered_layers(self) -> list[nn.Module]:
        """From the image to the logit, for `trainer.finetune`."""
        levels = [part for pair in zip(self.blocks, self.from_picture[1:]) for part in pair][::-1]
        return [*levels, self.from_picture[0], self.convolution, self.features, self.score]

    def forward(self, image: Tensor, stage: Stage | None = None) -> Tensor:
        level, fades = stage or self.stage()
        x = leaky(self.from_picture[level](image))
        for place in reversed(range(level)):
            for convolution in self.blocks[place]:
                x = leaky(convolution(x))
            x = F.avg_pool2d(x, 2)
            if place == level - 1 and fades:
                x = fade(leaky(self.from_picture[place](F.avg_pool2d(image, 2))), x, self.alpha())
        x = leaky(self.convolution(minibatch_std(x))).permute(0, 2, 3, 1).flatten(1)
        return self.score(leaky(self.features(x))).squeeze(1)
