"""Adaptive discriminator augmentation (Karras et al. 2020, arXiv:2006.06676): transformations with probability p.

p rises while D overfits and falls otherwise. Pixel blitting, geometric and colour transformations (appendix B) are the
best combination in the paper. Images are sampled bilinearly, without the paper's wavelet filter, so that flips,
rotations by 90 degrees and integer shifts are exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer import distributed

TARGET = 0.6  # of r_t = E[sign D(x)] over real images (section 3)
MOST = 0.8  # a larger p leaks augmentations into the samples (section 2.2)
SCALE, CONTRAST, SATURATION = 0.2 * math.log(2), 0.5 * math.log(2), math.log(2)
SHIFT, BRIGHTNESS = 0.125, 0.2


class Adaptive(nn.Module):
    """Images (N, C, H, W) in [-1, 1] -> the same shape, each image with its own random augmentation.

    All state is buffers, which are updated on the device.

    Args:
        kimg: thousands of images over which p can rise from 0 to 1.
    """

    def __init__(self, kimg: float):
        super().__init__()
        self.kimg = kimg
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("sign", torch.zeros(()))

    @torch.no_grad()
    def observe(self, logits: Tensor) -> dict[str, Tensor]:
        """Adjust p by D's logits of a batch of augmented real images; returns p for the log."""
        sign = logits.detach().float().sign().mean()
        distributed.all_reduce_mean([sign])
        self.sign.lerp_(sign, 0.25)  # the paper averages over four batches
        pace = logits.shape[0] * distributed.count() / (1000 * self.kimg)
        self.p.add_((self.sign - TARGET).sign() * pace).clamp_(0, MOST)
        return {"p": self.p.clone()}

    def forward(self, x: Tensor) -> Tensor:
        return recolour(move(x, self.p), self.p)


def move(x: Tensor, p: Tensor) -> Tensor:
    """Flips, quarter turns, shifts, scalings and rotations, as one resampling per image; reflection padding."""
    n, _, height, width = x.shape
    inverse = torch.eye(3, device=x.device).expand(n, 3, 3)
    for step in _inverse_steps(n, height, width, p):
        inverse = inverse @ step
    theta = inverse[:, :2].clone()  # in coordinates of [-1, 1], not pixels
    theta[:, 0, 1] *= height / width
    theta[:, 1, 0] *= width / height
    theta[:, 0, 2] *= 2 / width
    theta[:, 1, 2] *= 2 / height
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid.to(x.dtype), padding_mode="reflection", align_corners=False)


def _inverse_steps(n: int, height: int, width: int, p: Tensor) -> Iterator[Tensor]:
    """The inverse of each transformation (n, 3, 3), in pixels from the centre, in the order of appendix B."""

    def some(values: Tensor, neutral: float, p: Tensor = p) -> Tensor:
        return torch.where(torch.rand(n, device=p.device) < p, values, neutral)

    def normal() -> Tensor:
        return torch.randn(n, device=p.device)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, device=p.device) * (high - low) + low

    yield scaling(some(1 - 2 * (uniform(0, 2)).floor(), 1), torch.ones(n, device=p.device))
    turns = 4 if height == width else 2  # a rotated image that is not square does not fill its frame
    yield rotation(some(uniform(0, turns).floor() * (2 * math.pi / turns), 0))
    yield translation(*(some((uniform(-SHIFT, SHIFT) * side).round(), 0) for side in (width, height)))
    s = some((SCALE * normal()).exp(), 1)
    yield scaling(1 / s, 1 / s)
    once = 1 - (1 - p).sqrt()  # so that at least one of two rotations happens with probability p
    yield rotation(some(uniform(-math.pi, math.pi), 0, once))
    s = some((SCALE * normal()).exp(), 1)
    yield scaling(1 / s, s)
    yield rotation(some(uniform(-math.pi, math.pi), 0, once))
    yield translation(*(some(SHIFT * normal(), 0) * side for side in (width, height)))


def recolour(x: Tensor, p: Tensor) -> Tensor:
    """Brightness, contrast, luma flips and, for colour images, hue and saturation, as one matrix per image."""
    n, channels = x.shape[:2]

    def some(values: Tensor, neutral: float) -> Tensor:
        return torch.where(torch.rand(n, device=x.device) < p, values, neutral).view(-1, 1, 1)

    offset = some(BRIGHTNESS * torch.randn(n, device=x.device), 0)
    contrast = some((CONTRAST * torch.randn(n, device=x.device)).exp(), 1)
    luma = torch.full((channels, channels), 1 / channels, device=x.device)  # v v^T, v along grey
    chroma = torch.eye(channels, device=x.device) - luma
    flip = some(1 - 2 * torch.randint(2, (n,), device=x.device).float(), 1)
    matrix = contrast * (flip * luma + chroma)
    if channels == 3:
        angle = some((torch.rand(n, device=x.device) * 2 - 1) * math.pi, 0)
        strength = some((SATURATION * torch.randn(n, device=x.device)).exp(), 1)
        cross = torch.eye(3, device=x.device).roll(1, dims=0)
        cross = (cross - cross.T) / math.sqrt(3)  # the cross product with v
        matrix = (luma + strength * (angle.cos() * chroma + angle.sin() * cross)) @ matrix
    shift = matrix.sum(2, keepdim=True) * offset
    return (matrix.to(x.dtype) @ x.flatten(2) + shift.to(x.dtype)).view_as(x)


def rotation(angle: Tensor) -> Tensor:
    """By -angle (n,), since inverses are composed -> (n, 3, 3)."""
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([c, s, zero, -s, c, zero, zero, zero, one], dim=1).view(-1, 3, 3)


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """By factors (n,) along both axes -> (n, 3, 3)."""
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], dim=1))


def translation(x: Tensor, y: Tensor) -> Tensor:
    """By -x and -y (n,) pixels -> (n, 3, 3)."""
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], dim=1).view(-1, 3, 3)
