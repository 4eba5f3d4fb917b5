"""The first GAN (Goodfellow et al. 2014, arXiv:1406.2661): multilayer perceptrons, rectifiers in G and maxout in D.

At width 1200 these are the networks of the paper's experiment on digits.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from pretrained.networks.labels import rows
from pretrained.networks.sizes import Size, sides

__all__ = ["Discriminator", "Generator"]

PIECES = 5  # linear pieces of a maxout unit


class Generator(nn.Module):
    """z (N, z_dim) and, if conditional, labels y (N,) -> images (N, channels, *size) in [-1, 1]."""

    def __init__(self, size: Size = 32, channels: int = 1, z_dim: int = 100, width: int = 1200, num_classes: int = 0):
        super().__init__()
        self.shape = (channels, *sides(size))
        self.embed = nn.Embedding(num_classes, z_dim) if num_classes else None
        self.layers = nn.Sequential(
            nn.Linear(2 * z_dim if num_classes else z_dim, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, math.prod(self.shape)),
            nn.Tanh(),  # the paper's sigmoid, rescaled to [-1, 1]
        )

    def first_layers(self) -> list[Tensor]:
        """Weights (outputs, z_dim) of the layer that reads z, for closed-form directions (SeFa)."""
        return [self.layers[0].weight if self.embed is None else self.layers[0].weight.chunk(2, dim=1)[0]]

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.embed is not None:
            z = torch.cat([z, rows(self.embed.weight, y)], dim=1)
        return self.layers(z).unflatten(1, self.shape)


class Maxout(nn.Module):
    """Each of `units` outputs is the largest of PIECES linear functions (Goodfellow et al. 2013, arXiv:1302.4389)."""

    def __init__(self, inputs: int, units: int):
        super().__init__()
        self.pieces = nn.Linear(inputs, units * PIECES)

    def forward(self, x: Tensor) -> Tensor:
        return self.pieces(x).unflatten(1, (-1, PIECES)).amax(dim=2)


class Discriminator(nn.Module):
    """Images (N, channels, *size) and, if conditional, labels y (N,) -> logits (N,).

    `width` counts linear pieces: 1200 is 240 maxout units of 5. Dropout takes 0.2 of the pixels and 0.5 of the units.
    """

    def __init__(
        self,
        size: Size = 32,
        channels: int = 1,
        width: int = 1200,
        num_classes: int = 0,
        norm: Literal["none"] = "none",
    ):
        super().__init__()
        pixels, units = channels * math.prod(sides(size)), max(width // PIECES, 1)
        self.embed = nn.Embedding(num_classes, pixels) if num_classes else None
        self.layers = nn.Sequential(
            nn.Dropout(0.2),
            Maxout(2 * pixels if num_classes else pixels, units),
            nn.Dropout(0.5),
            Maxout(units, units),
            nn.Dropout(0.5),
            nn.Linear(units, 1),
        )

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        x = x.flatten(1)
        if self.embed is not None:
            x = torch.cat([x, self.embed(y)], dim=1)
        return self.layers(x).squeeze(1)
