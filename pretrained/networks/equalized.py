"""Layers with an equalised learning rate (Karras et al. 2017, arXiv:1710.10196, section 4.1), for ProGAN and StyleGAN.

Weights are initialised from N(0, 1) and multiplied by He's constant at run time, so that Adam's updates have the same
relative size in all layers.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from pretrained.networks.sizes import Size, Sizes, base_map

HE = math.sqrt(2)  # gain before a leaky ReLU; 1 without activation


def block_widths(size: Size, width: int, widest: int = 0) -> list[int]:
    """Channels at 4, 8, ..., `size` px: `width` at the largest, doubling towards 4 px, up to `widest` or 8 times it."""
    Sizes(4, halved=True).check(size)
    return [min(width * 2**level, widest or 8 * width) for level in reversed(range(base_map(size)[0] + 1))]


def leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2, inplace=True)


def pixel_norm(x: Tensor) -> Tensor:
    """Normalise the feature vector (dim 1) at each pixel to unit mean square (section 4.2)."""
    return x * (x.float().square().mean(dim=1, keepdim=True) + 1e-8).rsqrt().to(x.dtype)


def minibatch_std(x: Tensor, group_size: int = 4) -> Tensor:
    """Append a map of the standard deviation over a group of images (section 3): (N, C, H, W) -> (N, C + 1, H, W).

    It is averaged over C, H and W; groups have `group_size` images, or its greatest common divisor with N.
    """
    whole = _of_all_processes(x.float())
    num_groups = len(whole) // math.gcd(len(whole), group_size)
    groups = whole.unflatten(0, (-1, num_groups))  # (G, N / G, C, H, W), image i in group i % num_groups
    variance = groups.var(dim=0, correction=0)
    statistic = (variance + 1e-8).sqrt().mean(dim=(1, 2, 3)).repeat(len(groups))
    statistic = statistic.unflatten(0, (-1, len(x)))[dist.get_rank() if len(whole) > len(x) else 0]
    maps = statistic.view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])
    return torch.cat([x, maps.to(x.dtype)], dim=1)


def _of_all_processes(x: Tensor) -> Tensor:
    """(N, ...) -> (N * processes, ...) of all processes of a training, in their order, with its gradients."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return x
    before, after = dist.get_rank() * len(x), (dist.get_world_size() - 1 - dist.get_rank()) * len(x)
    return SumOfProcesses.apply(torch.cat([x.new_zeros(before, *x.shape[1:]), x, x.new_zeros(after, *x.shape[1:])]))


class SumOfProcesses(torch.autograd.Function):
    """The sum over all processes of a training, in each of them; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return SumOfProcesses.apply(gradient)


class Linear(nn.Module):
    """x (N, inputs) -> (N, outputs); with a learning rate multiplier `rate`."""

    def __init__(self, inputs: int, outputs: int, gain: float = HE, rate: float = 1.0, bias: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(nn.init.normal_(torch.empty(outputs, inputs), std=1 / rate))
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate = gain * rate / math.sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.rate)


class Conv2d(nn.Module):
    """x (N, inputs, H, W) -> (N, outputs, H, W), with an odd `kernel` and zero padding."""

    def __init__(self, inputs: int, outputs: int, kernel: int, gain: float = HE):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / math.sqrt(inputs * kernel**2)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.weight.shape[-1] // 2)
