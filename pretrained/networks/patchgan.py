"""PatchGAN (Isola et al. 2016, arXiv:1611.07004): a discriminator of image patches."""

from __future__ import annotations

from torch import Tensor, nn

from pretrained.networks.dcgan import NORMS, Norm, initialise
from pretrained.system.errors import InputError

__all__ = ["Discriminator"]


class Discriminator(nn.Module):
    """Images (N, inputs, H, W) -> logits (N, 1, h, w), one per patch; 30x30 at 256 px with three layers.

    Args:
        inputs: channels of the image, plus those of the source in a conditional GAN.
        layers: strided convolutions; the patches of 1, 2, 3, 4, 5 layers have 16, 34, 70, 142, 286 px.
    """

    def __init__(self, inputs: int = 6, width: int = 64, layers: int = 3, norm: Norm = "instance"):
        super().__init__()
        if layers < 1:
            raise InputError(f"layers must be >= 1, got {layers}")
        widths = [width * min(2**level, 8) for level in range(layers + 1)]
        self.layers = nn.Sequential(nn.Conv2d(inputs, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True))
        for level, (before, after) in enumerate(zip(widths, widths[1:]), start=1):
            stride = 2 if level < layers else 1
            self.layers.append(nn.Conv2d(before, after, 4, stride, padding=1, bias=norm == "none"))
            self.layers.append(NORMS[norm](after))
            self.layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.layers.append(nn.Conv2d(widths[-1], 1, 4, padding=1))
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
