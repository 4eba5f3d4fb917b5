"""StyleGAN (Karras et al. 2018, arXiv:1812.04948) with the convolution of StyleGAN2 (2019, arXiv:1912.04958).

A mapping network turns z into a style w, which scales the input of every convolution of the synthesis network;
images are summed from all resolutions (skip connections, 2019, section 4.1). Instance normalisation (2018) causes
droplet artifacts, so feature maps are normalised in expectation (demodulation, 2019, section 2). For speed on a CPU, a
block convolves before it upsamples, at a quarter of the cost.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .equalized import Conv2d, Linear, block_widths, leaky, minibatch_std, pixel_norm
from .labels import rows
from .sizes import Size, base_map

__all__ = ["Discriminator", "Generator"]


class ModulatedConv2d(nn.Module):
    """x (N, inputs, H, W) and w (N, w_dim) -> (N, outputs, H, W).

    The paper scales the weight for each image (2019, eq. 1 and 3), which needs a grouped convolution, slow on a CPU.
    Scaling the input before and the output after the convolution is equivalent.
    """

    def __init__(self, inputs: int, outputs: int, w_dim: int, kernel: int = 3, demodulate: bool = True):
        super().__init__()
        self.style = Linear(w_dim, inputs, gain=1.0, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.scale, self.demodulate = 1 / math.sqrt(inputs * kernel**2), demodulate

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style, weight = self.style(w), self.weight * self.scale
        x = F.conv2d(x * style[:, :, None, None].to(x.dtype), weight, padding=weight.shape[-1] // 2)
        if self.demodulate:
            squares = style.float().square() @ weight.square().sum(dim=(2, 3)).T  # (N, outputs)
            x = x * (squares.float() + 1e-8).rsqrt()[:, :, None, None].to(x.dtype)
        return x


class Layer(nn.Module):
    """Modulated convolution [, upsampling to `sides`], noise, bias, leaky ReLU.

    Noise is random in training; in eval mode it is a constant buffer, so that a seed always gives the same image.
    """

    def __init__(self, inputs: int, outputs: int, w_dim: int, sides: tuple[int, int], upsample: bool = False):
        super().__init__()
        self.convolution = ModulatedConv2d(inputs, outputs, w_dim)
        self.sides, self.upsample = sides, upsample
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise", torch.randn(sides))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = self.convolution(x, w)
        if self.upsample:
            x = upsample(x)
        noise = torch.randn(len(x), 1, *self.sides, device=x.device) if self.training else self.noise
        offset = self.noise_strength * noise + self.bias[:, None, None]
        return leaky(x + offset.to(x.dtype)) * math.sqrt(2)


def upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Generator(nn.Module):
    """z (N, z_dim) and, if conditional, labels y (N,) -> images (N, channels, *size), about [-1, 1].

    Attributes:
        num_styles: number of w that the synthesis takes, from coarse to fine: one per layer; a to-picture layer shares
            that of the next layer.
        w_mean: the mean style of each class (max(num_classes, 1), w_dim): truncation moves towards it.
    """

    additive = ("to_picture",)  # their outputs are summed, so new ones start at 0

    def __init__(
        self,
        size: Size = 64,
        channels: int = 3,
        z_dim: int = 128,
        w_dim: int = 128,
        width: int = 32,
        mapping_layers: int = 8,
        num_classes: int = 0,
        widest: int = 0,
    ):
        super().__init__()
        widths, base = block_widths(size, width, widest), base_map(size)[1]
        self.embed = nn.Embedding(num_classes, z_dim) if num_classes else None
        inputs = [2 * z_dim if num_classes else z_dim] + [w_dim] * (mapping_layers - 1)
        self.mapping_layers = nn.ModuleList([Linear(before, w_dim, rate=0.01) for before in inputs])
        self.constant = nn.Parameter(torch.randn(1, widths[0], *base))
        self.layers = nn.ModuleList([Layer(widths[0], widths[0], w_dim, base)])
        self.to_picture = nn.ModuleList()
        for level, (before, after) in enumerate(pairwise(widths), start=1):
            sides = base[0] << level, base[1] << level
            self.layers.append(Layer(before, after, w_dim, sides, upsample=True))
            self.layers.append(Layer(after, after, w_dim, sides))
        for width_there in widths:
            self.to_picture.append(ModulatedConv2d(width_there, channels, w_dim, kernel=1, demodulate=False))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))
        self.num_styles = len(self.layers) + 1
        self.register_buffer("w_mean", torch.zeros(max(num_classes, 1), w_dim))

    def ordered_layers(self) -> list[nn.Module]:
        """From z to the image, for `trainer.finetune`."""
        blocks = [[self.to_picture[0]]]
        for level in range(1, len(self.to_picture)):
            blocks.append([*self.layers[2 * level - 1 : 2 * level + 1], self.to_picture[level]])
        return [*self.mapping_layers, self.layers[0], *(layer for block in blocks for layer in block)]

    def first_layers(self) -> list[Tensor]:
        """Weights (outputs, w_dim) of all layers that read w, for closed-form directions (SeFa)."""
        convolutions = [*(layer.convolution for layer in self.layers), *self.to_picture]
        return [convolution.style.weight for convolution in convolutions]

    def mapping(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """z (N, z_dim) [, y (N,)] -> w (N, w_dim)."""
        w = pixel_norm(z)
        if self.embed is not None:
            w = torch.cat([w, pixel_norm(rows(self.embed.weight, y))], dim=1)
        for layer in self.mapping_layers:
            w = leaky(layer(w))
        return w.float()

    def truncate(self, w: Tensor, y: Tensor | None, psi: float) -> Tensor:
        """Truncation: interpolate between the mean style of the class (psi 0) and w (N, w_dim) (psi 1)."""
        mean = rows(self.w_mean, y) if self.embed is not None else self.w_mean
        return mean + psi * (w - mean)

    def synthesis(self, ws: Tensor) -> Tensor:
        """ws (N, num_styles, w_dim) -> images (N, channels, *size)."""
        w = ws.unbind(1)
        x = self.constant.expand(len(ws), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        x = self.layers[0](x, w[0])
        image = self.to_picture[0](x, w[1])
        for level in range(1, len(self.to_picture)):
            x = self.layers[2 * level - 1](x, w[2 * level - 1])
            x = self.layers[2 * level](x, w[2 * level])
            image = upsample(image) + self.to_picture[level](x, w[2 * level + 1])
        return image + self.bias

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.synthesis(self.mapping(z, y)[:, None].expand(-1, self.num_styles, -1))


class Block(nn.Module):
    """Residual downsampling block: two convolutions and a shortcut (2019, section 4.1)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first, self.second = Conv2d(inputs, inputs, 3), Conv2d(inputs, outputs, 3)
        self.shortcut = Conv2d(inputs, outputs, 1, gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        halved = F.avg_pool2d(x, 2)
        x = leaky(self.second(F.avg_pool2d(leaky(self.first(x)), 2)))
        return (x + self.shortcut(halved)) / math.sqrt(2)


class Discriminator(nn.Module):
    """Images (N, channels, *size) and, if conditional, labels y (N,) -> logits (N,); labels as a projection."""

    def __init__(self, size: Size = 64, channels: int = 3, width: int = 32, num_classes: int = 0, widest: int = 0):
        super().__init__()
        widths = block_widths(size, width, widest)[::-1]
        self.from_picture = Conv2d(channels, widths[0], 1)
        self.blocks = nn.Sequential(*(Block(before, after) for before, after in pairwise(widths)))
        self.convolution = Conv2d(widths[-1] + 1, widths[-1], 3)
        self.features = Linear(math.prod(base_map(size)[1]) * widths[-1], widths[-1])
        self.score = Linear(widths[-1], 1, gain=1.0)
        self.embed = nn.Embedding(num_classes, widths[-1]) if num_classes else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        x = minibatch_std(self.blocks(leaky(self.from_picture(x))))
        x = leaky(self.convolution(x)).permute(0, 2, 3, 1).flatten(1)
        phi = leaky(self.features(x))
        logits = self.score(phi).squeeze(1)
        if self.embed is not None:
            logits = logits + (self.embed(y) * phi).sum(dim=1) / math.sqrt(phi.shape[1])
        return logits
