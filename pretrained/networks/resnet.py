"""The transformation network of Johnson et al. (2016, arXiv:1603.08155) and CycleGAN (Zhu 2017, arXiv:1703.10593).

Two downsampling layers, residual blocks and two upsampling layers, with instance normalisation and reflection padding.
Upsampling is nearest-neighbour and a convolution instead of the papers' transposed convolution, which avoids
checkerboard artifacts (Odena et al. 2016).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pretrained.networks.convolutions import ToFew, convolve_doubled
from pretrained.networks.dcgan import initialise
from pretrained.networks.sizes import Size, Sizes

__all__ = ["Generator"]

PLAIN = 1e-3  # an image with a smaller range has a single colour; an eighth of a grey level, for rounding


class InstanceNorm(nn.InstanceNorm2d):
    """Instance normalisation, with scale and shift linear in a strength s (N,) if `strength` (arXiv:1811.08560)."""

    def __init__(self, channels: int, strength: bool):
        super().__init__(channels, affine=True)
        self.slope = nn.Parameter(torch.zeros(2, channels)) if strength else None

    def forward(self, x: Tensor, s: Tensor | None = None) -> Tensor:
        if self.slope is None:
            return super().forward(x)
        x = nn.functional.instance_norm(x, eps=self.eps)
        scale, shift = (torch.stack([self.weight, self.bias]) + s.view(-1, 1, 1) * self.slope).unbind(1)  # (N, C) each
        return x * scale[..., None, None] + shift[..., None, None]


class Layer(nn.Module):
    """(N, before, H, W) -> (N, after, H', W'): optional upsampling, convolution, normalisation and optional ReLU.

    With `transposed`, upsampling is a transposed convolution, and padding is with zeros.
    """

    def __init__(
        self,
        before: int,
        after: int,
        kernel_size: int = 3,
        stride: int = 1,
        double: bool = False,
        linear: bool = False,
        strength: bool = False,
        transposed: bool = False,
    ):
        super().__init__()
        self.double, self.linear = double and not transposed, linear
        if double and transposed:
            self.convolution = nn.ConvTranspose2d(before, after, kernel_size, 2, 1, output_padding=1, bias=False)
        else:
            how = {"padding": kernel_size // 2, "padding_mode": "zeros" if transposed else "reflect", "bias": False}
            self.convolution = nn.Conv2d(before, after, kernel_size, stride, **how)
        self.norm = InstanceNorm(after, strength)

    def forward(self, x: Tensor, s: Tensor | None) -> Tensor:
        if self.double:
            # The norm removes the mean of a map. Subtracting it first keeps rounding errors from being amplified to a
            # pattern in an image of a single colour. Replicate padding is the reflection of repeated pixels.
            x = nn.functional.pad(x - x.mean((2, 3), keepdim=True), (1, 1, 1, 1), mode="replicate")
            x = convolve_doubled(x, self.convolution.weight)[..., 2:-2, 2:-2]
        else:
            x = self.convolution(x)
        x = self.norm(x, s)
        return x if self.linear else x.relu_()


class Block(nn.Module):
    """x + two layers of x, the second without its ReLU."""

    def __init__(self, width: int, strength: bool):
        super().__init__()
        self.first = Layer(width, width, strength=strength)
        self.last = Layer(width, width, linear=True, strength=strength)

    def forward(self, x: Tensor, s: Tensor | None) -> Tensor:
        return x + self.last(self.first(x, s), s)


class Generator(nn.Module):
    """Sources (N, inputs, H, W) in [-1, 1] -> images (N, channels, H, W) in [-1, 1]; H and W are multiples of four.

    Args:
        size: image size of the training in px. The network takes any size from 8 px.
        blocks: 9 at 256 px and 6 at 128 px in CycleGAN, 5 in Johnson's.
        strength: whether `forward` takes a style strength s (N,), 0 to 1.
        transposed: zero padding and transposed convolutions as in the code of CycleGAN's authors.
    """

    multiple = 4  # of which height and width must be multiples
    sizes = Sizes(8, multiple=4)

    def __init__(
        self,
        size: Size = 256,
        inputs: int = 3,
        channels: int = 3,
        width: int = 64,
        blocks: int = 9,
        strength: bool = False,
        transposed: bool = False,
    ):
        super().__init__()
        self.strength = strength
        resize = {"strength": strength, "transposed": transposed}
        self.layers = nn.ModuleList(
            [
                Layer(inputs, width, 7, strength=strength),
                Layer(width, 2 * width, stride=2, **resize),
                Layer(2 * width, 4 * width, stride=2, **resize),
                *(Block(4 * width, strength) for _ in range(blocks)),
                Layer(4 * width, 2 * width, double=True, **resize),
                Layer(2 * width, width, double=True, **resize),
            ]
        )
        self.to_picture = ToFew(width, channels, 7, padding=3, padding_mode="reflect")
        self.apply(initialise)

    def features(self, x: Tensor, places: Sequence[int]) -> list[Tensor]:
        """What layers give, up to the last of `places`, which ascend; 0 is the source itself, 1 the first layer."""
        found = [x] if 0 in places else []
        for place, layer in enumerate(self.layers[: places[-1]], start=1):
            x = layer(x, None)
            if place in places:
                found.append(x)
        return found

    def forward(self, x: Tensor, s: Tensor | None = None) -> Tensor:
        """s (N,) in [0, 1] is for a network with strength; None is 1."""
        if self.strength and s is None:
            s = x.new_ones(len(x))
        y = x
        for layer in self.layers:
            y = layer(y, s)
        y = self.to_picture(y).tanh()
        if self.training:
            # An image of a single colour stays one in every layer, and each normalisation multiplies gradients by
            # 1 / sqrt(eps), which overflows after twenty layers. Such images are excluded from the gradient.
            varied = (x.amax((2, 3)) - x.amin((2, 3)) > PLAIN).any(1)
            y = torch.where(varied.view(-1, 1, 1, 1), y, y.detach())
        return y
