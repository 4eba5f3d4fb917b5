"""SRResNet and the discriminator of SRGAN (Ledig et al. 2016, arXiv:1609.04802): super-resolution.

The generator has no batch normalisation, for sharper images and no dependence on running statistics (EDSR, Lim et al.
2017, arXiv:1707.02921). It learns the residual to bicubic interpolation, as in VDSR (Kim et al. 2015,
arXiv:1511.04587).
"""

from __future__ import annotations

from torch import Tensor, nn

from pretrained.networks.convolutions import ToFew
from pretrained.networks.sizes import Sizes
from pretrained.system.errors import InputError

__all__ = ["Discriminator", "Generator"]


def convolution(before: int, after: int, kernel_size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel_size, padding=kernel_size // 2)


class Block(nn.Module):
    """x + convolution, PReLU, convolution of x; initialised near the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(convolution(width, width), nn.PReLU(width), convolution(width, width))
        self.layers[-1].weight.data.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Generator(nn.Module):
    """Sources (N, inputs, H, W) in [-1, 1] -> images (N, channels, scale * H, scale * W), near [-1, 1], not clamped.

    Args:
        inputs: 1 or `channels`.
        scale: a power of two: 1, 2, 4, 8.
    """

    multiple = 1  # any height and width

    def __init__(self, inputs: int = 3, channels: int = 3, width: int = 64, blocks: int = 16, scale: int = 4):
        super().__init__()
        if scale < 1 or scale & (scale - 1):
            raise InputError(f"scale must be a power of two, got {scale}")
        if inputs not in (1, channels):
            raise InputError(f"inputs must be 1 or {channels}, got {inputs}")
        self.scale = scale
        self.first = nn.Sequential(convolution(inputs, width, 9), nn.PReLU(width))
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)), convolution(width, width))
        self.enlarge = nn.Sequential()
        for _ in range(scale.bit_length() - 1):
            self.enlarge.append(convolution(width, 4 * width))
            self.enlarge.append(nn.PixelShuffle(2))
            self.enlarge.append(nn.PReLU(width))
        self.to_picture = ToFew(width, channels, 9, padding=4)
        self.to_picture.weight.data.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.first(x)
        details = self.to_picture(self.enlarge(features + self.blocks(features)))
        return nn.functional.interpolate(x, scale_factor=float(self.scale), mode="bicubic") + details


class Discriminator(nn.Module):
    """Images (N, channels, size, size) -> logits (N,); size is a multiple of 16."""

    def __init__(self, size: int = 96, channels: int = 3, width: int = 64):
        super().__init__()
        Sizes(16, multiple=16).check(size)
        self.layers = nn.Sequential(convolution(channels, width), nn.LeakyReLU(0.2, inplace=True))
        widths = [width, width, 2 * width, 2 * width, 4 * width, 4 * width, 8 * width, 8 * width]
        for level, (before, after) in enumerate(zip(widths, widths[1:])):
            self.layers.append(nn.Conv2d(before, after, 3, stride=1 + (level + 1) % 2, padding=1, bias=False))
            self.layers.append(nn.BatchNorm2d(after))
            self.layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.score = nn.Sequential(
            nn.Flatten(),
            nn.Linear(8 * width * (size // 16) ** 2, 16 * width),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(16 * width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.score(self.layers(x)).squeeze(1)
