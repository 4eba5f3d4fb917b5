"""DiffAugment (Zhao et al. 2020, arXiv:2006.10738): real and generated pictures pass the same random, differentiable
changes before D sees them, in D's step and in G's, so that D cannot learn a small data set by heart.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.data.dataset import Dataset

SMALL = 5000  # pictures; below this the paper's gain is large
TRANSLATION, CUTOUT = 1 / 8, 1 / 2  # shares of a side (paper, section 3.3)


def _uniform(x: Tensor, low: float, high: float) -> Tensor:
    return torch.rand(len(x), 1, 1, 1, device=x.device) * (high - low) + low


def brightness(x: Tensor) -> Tensor:
    """Add up to a quarter of the range."""
    return x + _uniform(x, -0.5, 0.5)


def saturation(x: Tensor) -> Tensor:
    """Scale the distance from grey by 0 to 2; grey pictures stay as they are."""
    grey = x.mean(dim=1, keepdim=True)
    return grey + (x - grey) * _uniform(x, 0.0, 2.0)


def contrast(x: Tensor) -> Tensor:
    """Scale the distance from the picture's mean by 0.5 to 1.5."""
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (x - mean) * _uniform(x, 0.5, 1.5)


def translation(x: Tensor) -> Tensor:
    """Shift by up to an eighth of a side both ways; what comes in is 0, mid-grey."""
    size = x.shape[-1]
    most = int(size * TRANSLATION + 0.5)
    shift = torch.randint(-most, most + 1, (2, len(x), 1), device=x.device)
    rows, columns = (torch.arange(size, device=x.device) + shift).clamp(-1, size) + 1  # (N, size) each, in the padding
    padded = F.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    images = torch.arange(len(x), device=x.device).view(-1, 1, 1)
    return padded[images, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cutout(x: Tensor) -> Tensor:
    """Set a square of half a side to 0; its centre is anywhere, so that part of it may lie outside."""
    size = x.shape[-1]
    side = int(size * CUTOUT + 0.5)
    corner = torch.randint(0, size + 1 - side % 2, (2, len(x), 1), device=x.device) - side // 2
    place = torch.arange(size, device=x.device)
    rows, columns = (place >= corner) & (place < corner + side)  # (N, size) each
    return x.masked_fill((rows[:, :, None] & columns[:, None, :]).unsqueeze(1), 0.0)


CHANGES = (brightness, saturation, contrast, translation, cutout)


def augment(x: Tensor) -> Tensor:
    """Pictures (N, C, H, W) in [-1, 1] -> the same shape, changed by fresh draws for each picture."""
    for change in CHANGES:
        x = change(x)
    return x


def choose(wanted: bool | None, data: Dataset, notes: list[str]) -> Callable[[Tensor], Tensor]:
    """`augment` or the identity: as `wanted`, and by default `augment` for a small data set, with a note about it."""
    if wanted is None and len(data.images) < SMALL:
        notes.append(f"DiffAugment is on, with fewer than {SMALL:,} pictures; --diffaugment False turns it off")
    on = len(data.images) < SMALL if wanted is None else wanted
    return augment if on else lambda x: x
