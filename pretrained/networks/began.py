"""BEGAN (Berthelot et al. 2017, arXiv:1703.10717): a generator, and a discriminator that is an autoencoder.

3x3 convolutions with ELU, without normalisation; G has the architecture of D's decoder.
"""

from __future__ import annotations

from torch import Tensor, nn

from pretrained.networks.sizes import Sizes

__all__ = ["Discriminator", "Generator"]


def num_levels(size: int) -> int:
    """Number of resolutions 8, 16, ..., `size` px."""
    Sizes(16, power_of_two=True).check(size)
    return size.bit_length() - 3


def convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, padding=1), nn.ELU(inplace=True))


class Generator(nn.Module):
    """z (N, z_dim) -> images (N, channels, size, size), near [-1, 1]: the output is linear, as in the paper."""

    def __init__(self, size: int = 64, channels: int = 3, z_dim: int = 64, width: int = 128):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(z_dim, 64 * width), nn.Unflatten(1, (width, 8, 8)))
        for level in range(num_levels(size)):
            if level:
                self.layers.append(nn.UpsamplingNearest2d(scale_factor=2))
            self.layers.append(convolution(width, width))
            self.layers.append(convolution(width, width))
        self.layers.append(nn.Conv2d(width, channels, 3, padding=1))

    def first_layers(self) -> list[Tensor]:
        """Weights (outputs, z_dim) of the layer that reads z, for closed-form directions (SeFa)."""
        return [self.layers[0].weight]

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(z)


class Discriminator(nn.Module):
    """Images (N, channels, size, size) -> their reconstruction, of the same shape.

    The channels of the encoder grow by `width` at each downsampling; the decoder has the architecture of G.
    """

    def __init__(self, size: int = 64, channels: int = 3, z_dim: int = 64, width: int = 128):
        super().__init__()
        levels = num_levels(size)
        self.encoder = nn.Sequential(convolution(channels, width))
        for level in range(1, levels):
            self.encoder.append(convolution(level * width, level * width))
            self.encoder.append(convolution(level * width, (level + 1) * width, stride=2))
        self.encoder.append(convolution(levels * width, levels * width))
        self.encoder.append(nn.Flatten())
        self.encoder.append(nn.Linear(64 * levels * width, z_dim))
        self.decoder = Generator(size, channels, z_dim, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))
