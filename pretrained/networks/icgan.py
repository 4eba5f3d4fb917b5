"""IcGAN (Perarnau et al. 2016, arXiv:1611.06355): a conditional generator with encoders for z and y."""

from __future__ import annotations

from torch import Tensor, nn

from .dcgan import Generator
from .sizes import Size
from .vae import Encoder

__all__ = ["IcGAN"]


class IcGAN(nn.Module):
    """z (N, z_dim) and labels y (N,) -> images (N, channels, *size) in [-1, 1], and back by `encode`.

    G is a `dcgan.Generator` with these arguments; E_z and E_y are independent (IND in the paper), with
    `encoder_width` as base number of channels.
    """

    def __init__(
        self,
        size: Size = 32,
        channels: int = 1,
        z_dim: int = 64,
        width: int = 32,
        num_classes: int = 10,
        encoder_width: int = 32,
    ):
        super().__init__()
        self.G = Generator(size, channels, z_dim, width, num_classes)
        self.E_z = Encoder(size, channels, encoder_width, z_dim)
        self.E_y = Encoder(size, channels, encoder_width, num_classes)

    def train(self, mode: bool = True) -> IcGAN:
        """As for any module, but G stays in eval mode: its batch statistics are fixed."""
        super().train(mode)
        self.G.eval()
        return self

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images -> z (N, z_dim) and logits of the label (N, num_classes)."""
        return self.E_z(x), self.E_y(x)

    def first_layers(self) -> list[Tensor]:
        """Weights (outputs, z_dim) of the layer that reads z, for closed-form directions (SeFa)."""
        return self.G.first_layers()

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.G(z, y)
