"""R3GAN's networks (Huang et al. 2024, arXiv:2501.05441): ResNeXt blocks without normalisation, and bilinear resizing.

Inverted bottlenecks with grouped convolutions (config E), started at zero by fix-up initialisation (Zhang et al. 2019,
arXiv:1901.09321); a learnt map of 4x4 takes the place of StyleGAN's mapping and constant.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .equalized import block_widths
from .labels import rows
from .sizes import Size, base_map

__all__ = ["Discriminator", "Generator"]

GROUP = 16  # channels of a group
EXPANSION = 2  # of the channels within a block
SLOPE = 0.2


def initialise(weight: Tensor, gain: float = 1.0) -> None:
    """N(0, gain^2 / inputs), times what keeps the variance through a leaky ReLU."""
    nn.init.normal_(weight, 0.0, gain * math.sqrt(2 / (1 + SLOPE**2) / weight[0].numel()))


def leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE, inplace=True)


class Block(nn.Module):
    """x + three convolutions of x, 1x1 to more channels, 3x3 in groups, 1x1 back; at first x itself."""

    def __init__(self, width: int, num_blocks: int):
        super().__init__()
        inner = EXPANSION * width
        groups = inner // GROUP if inner % GROUP == 0 else 1
        self.widen = nn.Conv2d(width, inner, 1)
        self.grouped = nn.Conv2d(inner, inner, 3, padding=1, groups=groups, bias=False)
        self.narrow = nn.Conv2d(inner, width, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(inner))
        gain = num_blocks**-0.25  # fix-up: L^(-1 / (2m - 2)), with m = 3 convolutions in a block
        initialise(self.widen.weight, gain)
        initialise(self.grouped.weight, gain)
        nn.init.zeros_(self.widen.bias)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = self.grouped(leaky(self.widen(x)))
        return x + self.narrow(leaky(y + self.bias[:, None, None].to(y.dtype)))


class Transition(nn.Module):
    """Doubles the sides (`scale` 2) or halves them (0.5), and changes the channels."""

    def __init__(self, before: int, after: int, scale: float):
        super().__init__()
        self.scale = scale
        self.convolution = nn.Conv2d(before, after, 1, bias=False) if before != after else nn.Identity()
        if before != after:
            nn.init.normal_(self.convolution.weight, 0.0, 1 / math.sqrt(before))

    def forward(self, x: Tensor) -> Tensor:
        if self.scale > 1:
            return F.interpolate(self.convolution(x), scale_factor=2, mode="bilinear", align_corners=False)
        return self.convolution(F.avg_pool2d(x, 2))


class Generator(nn.Module):
    """z (N, z_dim) and, if conditional, labels y (N,) -> images (N, channels, *size), about [-1, 1].

    Args:
        blocks: residual blocks at each resolution.
    """

    def __init__(
        self,
        size: Size = 64,
        channels: int = 3,
        z_dim: int = 64,
        width: int = 32,
        num_classes: int = 0,
        blocks: int = 2,
        widest: int = 0,
    ):
        super().__init__()
        widths = block_widths(size, width, widest)
        self.embed = nn.Embedding(num_classes, z_dim) if num_classes else None
        inputs = 2 * z_dim if num_classes else z_dim
        self.basis = nn.Parameter(torch.randn(widths[0], *base_map(size)[1]))
        self.project = nn.Linear(inputs, widths[0], bias=False)
        nn.init.normal_(self.project.weight, 0.0, 1 / math.sqrt(inputs))
        self.layers = nn.ModuleList()
        for before, after in zip([0, *widths], widths):
            parts = [Transition(before, after, 2)] if before else []
            self.layers.append(nn.Sequential(*parts, *(Block(after, blocks * len(widths)) for _ in range(blocks))))
        self.to_picture = nn.Conv2d(widths[-1], channels, 1, bias=False)
        nn.init.normal_(self.to_picture.weight, 0.0, 1 / math.sqrt(widths[-1]))

    def first_layers(self) -> list[Tensor]:
        """What meets z first: weights (outputs, z_dim), for `pretrained.directions`."""
        return [self.project.weight if self.embed is None else self.project.weight.chunk(2, dim=1)[0]]

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.embed is not None:
            z = torch.cat([z, rows(self.embed.weight, y)], dim=1)
        x = self.project(z)[:, :, None, None] * self.basis.to(z.dtype)
        for layer in self.layers:
            x = layer(x)
        return self.to_picture(x)


class Discriminator(nn.Module):
    """Images (N, channels, *size) and, if conditional, labels y (N,) -> logits (N,); labels as a projection."""

    def __init__(
        self,
        size: Size = 64,
        channels: int = 3,
        width: int = 32,
        num_classes: int = 0,
        blocks: int = 2,
        widest: int = 0,
    ):
        super().__init__()
        widths = block_widths(size, width, widest)[::-1]
        self.from_picture = nn.Conv2d(channels, widths[0], 1, bias=False)
        nn.init.normal_(self.from_picture.weight, 0.0, 1 / math.sqrt(channels))
        self.layers = nn.ModuleList()
        for before, after in pairwise([*widths, 0]):
            parts = [Transition(before, after, 0.5)] if after else []
            self.layers.append(nn.Sequential(*(Block(before, blocks * len(widths)) for _ in range(blocks)), *parts))
        base = base_map(size)[1]
        self.basis = nn.Conv2d(widths[-1], widths[-1], base, groups=widths[-1], bias=False)
        nn.init.normal_(self.basis.weight, 0.0, 1 / math.sqrt(math.prod(base)))
        self.score = nn.Linear(widths[-1], 1, bias=False)
        self.embed = nn.Embedding(num_classes, widths[-1]) if num_classes else None
        nn.init.normal_(self.score.weight, 0.0, 1 / math.sqrt(widths[-1]))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        x = self.from_picture(x)
        for layer in self.layers:
            x = layer(x)
        phi = self.basis(x).flatten(1)
        logits = self.score(phi).squeeze(1)
        if self.embed is not None:
            logits = logits + (self.embed(y) * phi).sum(dim=1) / math.sqrt(phi.shape[1])
        return logits
