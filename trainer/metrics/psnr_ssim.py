"""Similarity of an image to its target: PSNR and SSIM."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW, DEVIATION = 11, 1.5  # px, of SSIM's Gaussian
K1, K2 = 0.01, 0.03


@cache
def per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """A constant (1, C, 1, 1), made once: a copy from the host at each step would make a GPU wait."""
    return torch.tensor(values, device=device).view(1, -1, 1, 1)


def luma(x: Tensor, border: int = 0) -> Tensor:
    """(N, C, H, W) in [-1, 1] -> (N, 1, H', W'): Y of ITU-R BT.601 in [16, 235] / 255, without `border` px all around.

    The usual channel for scores of super-resolution, since Dong et al. 2014. Grey images are scaled the same way.
    """
    levels = x.float().clamp(-1, 1).add(1) / 2
    weights = per_channel((65.481, 128.553, 24.966) if x.shape[1] == 3 else (219.0,), x.device)
    y = (16 + (levels * weights).sum(dim=1, keepdim=True)) / 255
    return y[..., border : y.shape[2] - border, border : y.shape[3] - border]


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal to noise ratio of images (N, C, H, W) in [0, 1] -> (N,), in dB; 100 at most."""
    return -10 * (x - y).square().flatten(1).mean(dim=1).clamp(min=1e-10).log10()


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004, eq. 13) of images (N, C, H, W) in [0, 1], mean over places -> (N,).

    Without padding, so both sides must be at least WINDOW.
    """
    taps = torch.arange(WINDOW, device=x.device, dtype=x.dtype) - WINDOW // 2
    taps = (-0.5 * (taps / DEVIATION).square()).exp()
    taps = taps / taps.sum()
    channels = x.shape[1]
    window = torch.outer(taps, taps).expand(channels, 1, -1, -1)

    def blur(image: Tensor) -> Tensor:
        return F.conv2d(image, window, groups=channels)

    mean_x, mean_y = blur(x), blur(y)
    variance_x, variance_y = blur(x * x) - mean_x.square(), blur(y * y) - mean_y.square()
    covariance = blur(x * y) - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + K1**2) * (2 * covariance + K2**2)
    size = (mean_x.square() + mean_y.square() + K1**2) * (variance_x + variance_y + K2**2)
    return (likeness / size).flatten(1).mean(dim=1)
