"""Two convolutions that are slow on a CPU, rewritten for speed."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ToFew", "convolve_doubled"]


def convolve_doubled(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Maps (N, I, H, W), weight (O, I, 3, 3) -> (N, O, 2H, 2W): upsampled by 2, then convolved with zero padding.

    Several of the nine taps read the same pixel of x. Summed, they form a 4x4 transposed convolution, with 16 products
    per pixel of x instead of 36.
    """
    sums = 4 * F.avg_pool2d(weight, 2, stride=1, padding=1)  # (O, I, 4, 4)
    return F.conv_transpose2d(x, sums.flip(2, 3).transpose(0, 1), bias, stride=2, padding=1)


class ToFew(nn.Conv2d):
    """A convolution of stride 1 to so few output channels that they do not fill the vector units of a CPU.

    On a CPU the taps of a row are computed as separate channels, then shifted and added (col2im).
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return super().forward(x)
        (height, width), mode = self.padding, "constant" if self.padding_mode == "zeros" else self.padding_mode
        x = F.pad(x, (width, width, height, height), mode)
        taps = self.kernel_size[1]
        columns = self.weight.flip(3).permute(0, 3, 1, 2).flatten(0, 1)[..., None]  # (O taps, I, kernel height, 1)
        parts = F.conv2d(x, columns).to(self.weight.dtype)  # summed in float32, even if the products are bf16
        size = parts.shape[2], x.shape[3] - taps + 1
        y = F.fold(parts.flatten(2), size, (1, taps), padding=(0, taps - 1))
        return y if self.bias is None else y + self.bias.view(1, -1, 1, 1)
