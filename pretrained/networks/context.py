"""The context encoder (Pathak et al. 2016, arXiv:1604.07379): an autoencoder for inpainting, with a bottleneck.

The generator of PixelDTGAN (Yoo et al. 2016, arXiv:1603.07442) has the same architecture, with 64 units at 64 px.
"""

from __future__ import annotations

from torch import Tensor, nn

from pretrained.networks.dcgan import initialise
from pretrained.networks.vae import Decoder, Encoder

__all__ = ["Generator"]


class Generator(nn.Module):
    """Sources (N, inputs, size, size) in [-1, 1] -> images (N, channels, size, size) in [-1, 1]; no skip connections.

    Args:
        bottleneck: units of the bottleneck; 4000 in the paper, at 128 px.
    """

    multiple = None  # only `size`

    def __init__(self, size: int = 128, inputs: int = 4, channels: int = 3, width: int = 64, bottleneck: int = 4000):
        super().__init__()
        self.encoder = Encoder(size, inputs, width, bottleneck)
        self.norm = nn.Sequential(nn.BatchNorm1d(bottleneck), nn.LeakyReLU(0.2, inplace=True))
        self.decoder = Decoder(size, channels, width, bottleneck)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.norm(self.encoder(x))).tanh()
