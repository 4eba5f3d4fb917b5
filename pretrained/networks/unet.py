"""The U-Net of pix2pix (Isola et al. 2016, arXiv:1611.07004): an encoder and a decoder, with skips."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pretrained.networks.dcgan import NORMS, initialise
from pretrained.networks.sizes import Size, Sizes, sides

__all__ = ["Generator"]

NUM_NOISY = 3  # decoder blocks with dropout, the noise of the paper


class Generator(nn.Module):
    """Sources (N, inputs, *size) in [-1, 1] -> images (N, channels, *size) in [-1, 1].

    Both sides are halved as often as both are even: to 1x1 px, where they are the same power of two. The paper uses
    batch normalisation with a batch size of 1, in testing too, which is instance normalisation. So the output does not
    depend on the batch. The last map is not normalised, since of 1x1 px it has no variance. Dropout is active in
    training only, so that a source always gives the same output.

    Args:
        rectify: whether skip connections pass a ReLU, as in the authors' code.
        resize: upsample by convolving and interpolating instead of transposed convolutions, whose uneven overlap leaves
            a grain of 2 px (Odena et al. 2016, distill.pub/2016/deconv-checkerboard); the last layers see the source
            itself, so that its lines stay.
    """

    multiple = None  # only `size`

    def __init__(
        self,
        size: Size = 256,
        inputs: int = 3,
        channels: int = 3,
        width: int = 64,
        dropout: float = 0.5,
        rectify: bool = False,
        resize: bool = False,
    ):
        super().__init__()
        self.rectify = rectify
        Sizes(32, multiple=16).check(size)
        common = math.gcd(*sides(size))
        halvings = (common & -common).bit_length() - 1
        widths = [width * min(2**level, 8) for level in range(halvings)]  # at size / 2, size / 4, ...
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
                    nn.Conv2d(2 * before if level else before, after, 3, padding=1, bias=False)
                    if resize
                    else nn.ConvTranspose2d(2 * before if level else before, after, 4, stride=2, padding=1, bias=False),
                    nn.Identity() if resize and not level else NORMS["instance"](after),
                    nn.Dropout(dropout if level < NUM_NOISY else 0.0),
                    nn.ReLU(inplace=True),
                    *([nn.Upsample(scale_factor=2, mode="bilinear")] if resize else ()),
                )
            )
        self.resize = resize
        if resize:
            self.up.append(
                nn.Sequential(
                    nn.Conv2d(2 * width, width // 2, 3, padding=1, bias=False),
                    NORMS["instance"](width // 2),
                    nn.ReLU(inplace=True),
                    nn.Upsample(scale_factor=2, mode="bilinear"),
                )
            )
            self.to_picture = nn.Sequential(
                nn.Conv2d(width // 2 + inputs, width // 2, 3, padding=1),
                nn.LeakyReLU(0.2, inplace=True),
                nn.Conv2d(width // 2, channels, 3, padding=1),
            )
        else:
            self.to_picture = nn.ConvTranspose2d(2 * width, channels, 4, stride=2, padding=1)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        skips = [x] if self.resize else []
        for block in self.down:
            x = block(x)
            skips.append(x)
        if self.rectify:
            skips = [skip.relu() for skip in skips]
        x = skips.pop()
        for block in self.up:
            x = torch.cat([block(x), skips.pop()], dim=1)
        return self.to_picture(x).tanh()
