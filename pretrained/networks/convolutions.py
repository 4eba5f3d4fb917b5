"""Two convolutions that processors are slow at, put together from ones that they are good at."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ToFew", "convolve_doubled"]


def convolve_doubled(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Maps (N, I, H, W), weight (O, I, 3, 3) -> (N, O, 2H, 2W): pixels repeated, then a convolution padded with zeros.

    Some of the nine taps see the same pixel of x. Added up, they are those of a transposed convolution of 4x4, which
    takes 16 products a pixel of x in place of 36.
    """
    sums = 4 * F.avg_pool2d(weight, 2, stride=1, padding=1)  # (O, I, 4, 4)
    return F.conv_transpose2d(x, sums.flip(2, 3).transpose(0, 1), bias, stride=2, padding=1)


class ToFew(nn.Conv2d):
    """A convolution of stride 1 to so few channels that they would leave most lanes of a processor idle.

    On a processor the taps of a row are channels of their own at first, each added then where it belongs.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return super().forward(x)
        (height, width), mode = self.padding, "constant" if self.padding_mode == "zeros" else self.padding_mode
        x = F.pad(x, (width, width, height, height), mode)
        taps = self.kernel_size[1]
        columns = self.weight.flip(3).permute(0, 3, 1, 2).flatten(0, 1)[..., None]  # (O taps, I, kernel height, 1)
        parts = F.conv2d(x, columns).to(self.weight.dtype)  # added in float32, also where products are bf16
        size = parts.shape[2], x.shape[3] - taps + 1
        y = F.fold(parts.flatten(2), size, (1, taps), padding=(0, taps - 1))
        return y if self.bias is None else y + self.bias.view(1, -1, 1, 1)
