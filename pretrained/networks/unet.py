"""The U-Net of pix2pix (Isola et al. 2016, arXiv:1611.07004): an encoder to 1x1 px and a decoder, with skips."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pretrained.networks.dcgan import NORMS, initialise
from pretrained.networks.sizes import Sizes

__all__ = ["Generator"]

NUM_NOISY = 3  # decoder blocks with dropout, the noise of the paper


class Generator(nn.Module):
    """Sources (N, inputs, size, size) in [-1, 1] -> images (N, channels, size, size) in [-1, 1].

    The paper uses batch normalisation with a batch size of 1, in testing too, which is instance normalisation. So
    the output does not depend on the batch. The 1x1 map is not normalised, since it has no variance. Dropout is active
    in training only, so that a source always gives the same output.

    Args:
        rectify: whether skip connections pass a ReLU, as in the authors' code.
        resize: upsample by convolving and interpolating instead of transposed convolutions, whose uneven overlap leaves
            a grain of 2 px (Odena et al. 2016, distill.pub/2016/deconv-checkerboard); the last layers see the source
            itself, so that its lines stay.
    """

    multiple = None  # only `size`

    def __init__(
        self,
        size: int = 256,
        inputs: int = 3,
        channels: int = 3,
        width: int = 64,
        dropout: float = 0.5,
        rectify: bool = False,
        resize: bool = False,
    ):
        super().__init__()
        self.rectify = rectify
        Sizes(32, power_of_two=True).check(size)
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
