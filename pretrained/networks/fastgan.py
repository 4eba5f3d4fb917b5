"""FastGAN (Liu et al. 2021, arXiv:2101.04775): small networks for few images, of 64 to 1024 px.

G lets its coarse maps excite the channels of fine ones across many layers (skip-layer excitation, section 3.1). D is an
encoder that two small decoders train to describe real images (section 3.2).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from pretrained.networks.dcgan import initialise
from pretrained.networks.sizes import Size, Sizes, base_map

__all__ = ["Discriminator", "Generator"]

MULTIPLES = (16, 8, 4, 2, 2, 1, 0.5, 0.25, 0.125)  # channels at 4, 8, ..., 1024 px, over `width`
EXCITES = 4  # a map excites that which is so many doublings finer


def block_widths(size: Size, width: int) -> list[int]:
    """Channels at 4, 8, ..., `size` px."""
    Sizes(64, halved=True).check(size)
    return [max(int(width * multiple), 3) for multiple in MULTIPLES[: base_map(size)[0] + 1]]


class Noise(nn.Module):
    """Adds noise of a learnt strength: drawn anew in training, a constant image in eval mode."""

    def __init__(self, sides: tuple[int, int]):
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("constant", torch.randn(sides))

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device) if self.training else self.constant
        return x + (self.strength * noise).to(x.dtype)


class Double(nn.Sequential):
    """(N, before, H, W) -> (N, after, 2H, 2W); with noise of the sides `rich` and a second convolution (figure 3)."""

    def __init__(self, before: int, after: int, rich: tuple[int, int] | None = None):
        super().__init__(nn.UpsamplingNearest2d(scale_factor=2))
        for inputs in (before, after) if rich else (before,):
            self.append(nn.Conv2d(inputs, 2 * after, 3, padding=1, bias=False))
            if rich:
                self.append(Noise(rich))
            self.append(nn.BatchNorm2d(2 * after))
            self.append(nn.GLU(dim=1))


class Excitation(nn.Sequential):
    """Coarse maps (N, inputs, H, W) -> a factor for each channel of fine ones, (N, outputs, 1, 1) (eq. 2)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(
            nn.AdaptiveAvgPool2d(4),
            nn.Conv2d(inputs, outputs, 4, bias=False),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(outputs, outputs, 1, bias=False),
            nn.Sigmoid(),
        )


class Generator(nn.Module):
    """z (N, z_dim) -> images (N, channels, *size) in [-1, 1]."""

    def __init__(self, size: Size = 256, channels: int = 3, z_dim: int = 256, width: int = 64):
        super().__init__()
        widths, self.base = block_widths(size, width), base_map(size)[1]
        self.project = nn.Linear(z_dim, math.prod(self.base) * 2 * widths[0], bias=False)
        self.norm = nn.BatchNorm2d(2 * widths[0])
        self.blocks = nn.ModuleList(
            Double(before, after, tuple(side << level for side in self.base) if level % 2 else None)
            for level, (before, after) in enumerate(pairwise(widths), start=1)
        )
        self.excitations = nn.ModuleList(Excitation(coarse, fine) for coarse, fine in zip(widths, widths[EXCITES:]))
        self.to_picture = nn.Conv2d(widths[-1], channels, 3, padding=1)
        self.apply(initialise)

    def first_layers(self) -> list[Tensor]:
        """What meets z first: weights (outputs, z_dim), for `pretrained.directions`."""
        return [self.project.weight]

    def ordered_layers(self) -> list[nn.Module]:
        """From z to the image, for `trainer.finetune`."""
        blocks = [[block] for block in self.blocks]
        for place, excitation in enumerate(self.excitations):
            blocks[place + EXCITES - 1].append(excitation)
        return [self.project, *(layer for block in blocks for layer in block), self.to_picture]

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        x = self.project(z).unflatten(1, (*self.base, -1)).permute(0, 3, 1, 2)
        maps = [F.glu(self.norm(x), dim=1)]
        for place, block in enumerate(self.blocks):
            x = block(maps[-1])
            if place >= EXCITES - 1:
                x = x * self.excitations[place + 1 - EXCITES](maps[place + 1 - EXCITES])
            maps.append(x)
        return self.to_picture(maps[-1]).tanh()


class Halve(nn.Module):
    """(N, before, H, W) -> (N, after, H / 2, W / 2): two convolutions beside a mean (figure 4)."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.main = nn.Sequential(
            convolution(before, after, 4, stride=2, padding=1),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(0.2, inplace=True),
            convolution(after, after, 3, padding=1),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.direct = nn.Sequential(
            nn.AvgPool2d(2), convolution(before, after, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2, inplace=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        return (self.main(x) + self.direct(x)) / 2


def convolution(before: int, after: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Module:
    return spectral_norm(nn.Conv2d(before, after, kernel, stride, padding, bias=False))


class Decoder(nn.Sequential):
    """Maps (N, inputs, h, w) of 8 px or a little more -> images (N, channels, *size / 2) in [-1, 1]."""

    def __init__(self, inputs: int, channels: int, size: Size, width: int):
        before = inputs
        super().__init__()
        for level in range(base_map(size)[0] - 2):
            after = max(2 * width >> level, 4)
            self.append(Double(before, after))
            before = after
        self.append(nn.Conv2d(before, channels, 3, padding=1))
        self.append(nn.Tanh())


class Discriminator(nn.Module):
    """Images (N, channels, *size) -> logits of patches, 5x5 of a square: (N, 25)."""

    def __init__(self, size: Size = 256, channels: int = 3, width: int = 64):
        super().__init__()
        widths = block_widths(size, width)[1:-1][::-1]  # at size / 2, ..., 8 px
        self.first = nn.Sequential(
            convolution(channels, widths[0], 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)
        )
        self.blocks = nn.ModuleList(Halve(before, after) for before, after in pairwise(widths))
        self.judge = nn.Sequential(
            convolution(widths[-1], widths[-1], 1),
            nn.BatchNorm2d(widths[-1]),
            nn.LeakyReLU(0.2, inplace=True),
            convolution(widths[-1], 1, 4),
        )
        self.decode_whole = Decoder(widths[-1], channels, size, width)
        self.decode_part = Decoder(widths[-2], channels, size, width)
        self.apply(initialise)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Its maps of 16 and of 8 px, (N, C, 16, 16) and (N, C', 8, 8)."""
        x = self.first(x)
        for block in self.blocks:
            before, x = x, block(x)
        return before, x

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.features(x)[1]).flatten(1)

    def describe(self, x: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits as `forward` gives them, the whole image redrawn at half its size, and a quarter of it at full size.

        Args:
            places: which quarter, int64 (N,), 0 to 3, row by row.
        """
        fine, coarse = self.features(x)
        return self.judge(coarse).flatten(1), self.decode_whole(coarse), self.decode_part(quarter(fine, places))


def quarter(x: Tensor, places: Tensor) -> Tensor:
    """(N, C, H, W) -> for each image one of its quarters, (N, C, H / 2, W / 2)."""
    parts = x.unflatten(3, (2, -1)).unflatten(2, (2, -1))  # (N, C, 2, H / 2, 2, W / 2)
    return parts[torch.arange(len(x), device=x.device), :, places // 2, :, places % 2]
