"""The U-Net of pix2pix (Isola et al. 2016, arXiv:1611.07004): halved down to 1x1 and doubled again, with skips."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pretrained.networks.dcgan import NORMS, initialise
from pretrained.system.errors import InputError

__all__ = ["Generator"]

NUM_NOISY = 3  # decoder blocks with dropout, which is the paper's noise


class Generator(nn.Module):
    """Sources (N, inputs, size, size) in [-1, 1] -> pictures (N, channels, size, size) in [-1, 1].

    The paper normalises batches of one picture, at test too. That is instance normalisation, so that is what stands
    here, and a picture comes out the same in any batch. One pixel has no variance, so the 1x1 map is left as it is.
    Dropout acts in training only: at rest one source is one picture.

    Args:
        rectify: whether what skips bring passes a ReLU too, as in the authors' code.
    """

    multiple = None  # it takes `size` alone

    def __init__(
        self,
        size: int = 256,
        inputs: int = 3,
        channels: int = 3,
        width: int = 64,
        dropout: float = 0.5,
        rectify: bool = False,
    ):
        super().__init__()
        self.rectify = rectify
        if size < 32 or size & (size - 1):
            raise InputError(f"size is {size}: a power of two, 32 or more")
        widths = [width * min(2**level, 8) for level in range(size.bit_length() - 1)]  # at size / 2, size / 4, ..., 1
        self.down = nn.ModuleList()
        for level, (before, after) in enumerate(zip([inputs, *widths], widths)):
            norm = "none" if level in (0, len(widths) - 1) else "instance"
            self.down.append(
                nn.Sequential(
                    nn.Conv2d(before, after, 4, stride=2, padding=1, bias=norm == "none"),
                    NORMS[norm](after),
                    nn.LeakyReLU(0.2, inplace=True),
                )
            )
        widths.reverse()
        self.up = nn.ModuleList()
        for level, (before, after) in enumerate(zip(widths, widths[1:])):
            self.up.append(
                nn.Sequential(
                    nn.ConvTranspose2d(2 * before if level else before, after, 4, stride=2, padding=1, bias=False),
                    NORMS["instance"](after),
                    nn.Dropout(dropout if level < NUM_NOISY else 0.0),
                    nn.ReLU(inplace=True),
                )
            )
        self.to_picture = nn.ConvTranspose2d(2 * width, channels, 4, stride=2, padding=1)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        if self.rectify:
            skips = [skip.relu() for skip in skips]
        x = skips.pop()
        for block in self.up:
            x = torch.cat([block(x), skips.pop()], dim=1)
        return self.to_picture(x).tanh()
