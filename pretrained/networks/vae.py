"""A convolutional variational autoencoder (Kingma & Welling 2013, arXiv:1312.6114)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from .dcgan import block_widths
from .sizes import Size, base_map

__all__ = ["VAE"]


class Encoder(nn.Sequential):
    """Images (N, channels, *size) -> (N, num_features), by strided convolutions down to `base_map`."""

    def __init__(self, size: Size, channels: int, width: int, num_features: int, widest: int = 0):
        super().__init__()
        widths = block_widths(size, width, widest)[::-1]
        for before, after in zip([channels, *widths], widths):
            self.append(nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False))
            self.append(nn.BatchNorm2d(after))
            self.append(nn.LeakyReLU(0.2, inplace=True))
        self.append(nn.Flatten())
        self.append(nn.Linear(math.prod(base_map(size)[1]) * widths[-1], num_features))


class Decoder(nn.Sequential):
    """z (N, z_dim) -> logits of pixels (N, channels, *size), by transposed convolutions from `base_map`."""

    def __init__(self, size: Size, channels: int, width: int, z_dim: int, widest: int = 0):
        super().__init__()
        widths = block_widths(size, width, widest)
        base = base_map(size)[1]
        self.append(nn.Linear(z_dim, math.prod(base) * widths[0]))
        self.append(nn.Unflatten(1, (widths[0], *base)))
        for before, after in zip(widths, [*widths[1:], channels]):
            self.append(nn.BatchNorm2d(before))
            self.append(nn.ReLU(inplace=True))
            self.append(nn.ConvTranspose2d(before, after, 4, stride=2, padding=1))


class VAE(nn.Module):
    """z (N, z_dim) -> images (N, channels, *size) in [-1, 1], and back by `encode`."""

    def __init__(self, size: Size = 32, channels: int = 1, z_dim: int = 32, width: int = 32, widest: int = 0):
        super().__init__()
        self.encoder = Encoder(size, channels, width, 2 * z_dim, widest)
        self.decoder = Decoder(size, channels, width, z_dim, widest)

    def first_layers(self) -> list[Tensor]:
        """Weights (outputs, z_dim) of the layer that reads z, for closed-form directions (SeFa)."""
        return [self.decoder[0].weight]

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images -> mean and logarithm of the variance of q(z|x), each (N, z_dim)."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance

    def logits(self, z: Tensor) -> Tensor:
        """z -> logits of the pixel values in [0, 1]."""
        return self.decoder(z)

    def decode(self, z: Tensor) -> Tensor:
        """z -> images in [-1, 1]; tanh(a / 2) is 2 sigmoid(a) - 1."""
        return self.logits(z).mul(0.5).tanh()

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.decode(z)
