"""DiffAugment (Zhao et al. 2020, arXiv:2006.10738): differentiable augmentation of everything D sees, real and fake,
in the updates of D and of G, which keeps D from overfitting a small dataset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrained.system.errors import InputError
from trainer.ada import Adaptive
from trainer.data.dataset import Dataset

SMALL = 5000  # images; below this the paper's gain is large
TRANSLATION, CUTOUT = 1 / 8, 1 / 2  # shares of a side (paper, section 3.3)


def _uniform(x: Tensor, low: float, high: float) -> Tensor:
    return torch.rand(len(x), 1, 1, 1, device=x.device) * (high - low) + low


def brightness(x: Tensor) -> Tensor:
    """Add up to a quarter of the range."""
    return x + _uniform(x, -0.5, 0.5)


def saturation(x: Tensor) -> Tensor:
    """Scale the distance from grey by 0 to 2; grey images stay as they are."""
    grey = x.mean(dim=1, keepdim=True)
    return grey + (x - grey) * _uniform(x, 0.0, 2.0)


def contrast(x: Tensor) -> Tensor:
    """Scale the distance from the image's mean by 0.5 to 1.5."""
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (x - mean) * _uniform(x, 0.5, 1.5)


def translation(x: Tensor) -> Tensor:
    """Shift by up to an eighth of a side both ways; what comes in is 0, mid-grey."""
    rows, columns = (_shifted(len(x), side, x.device) for side in x.shape[2:])
    padded = F.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    images = torch.arange(len(x), device=x.device).view(-1, 1, 1)
    return padded[images, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _shifted(n: int, side: int, device: torch.device) -> Tensor:
    """Places (n, side) along an axis that was padded by one pixel."""
    most = int(side * TRANSLATION + 0.5)
    shift = torch.randint(-most, most + 1, (n, 1), device=device)
    return (torch.arange(side, device=device) + shift).clamp(-1, side) + 1


def cutout(x: Tensor) -> Tensor:
    """Set a rectangle of half of each side to 0; its centre is anywhere, so that part of it may lie outside."""
    rows, columns = (_covered(len(x), side, x.device) for side in x.shape[2:])
    return x.masked_fill((rows[:, :, None] & columns[:, None, :]).unsqueeze(1), 0.0)


def _covered(n: int, side: int, device: torch.device) -> Tensor:
    """Which places along an axis lie in the rectangle: bool (n, side)."""
    length = int(side * CUTOUT + 0.5)
    corner = torch.randint(0, side + 1 - length % 2, (n, 1), device=device) - length // 2
    place = torch.arange(side, device=device)
    return (place >= corner) & (place < corner + length)


CHANGES = (brightness, saturation, contrast, translation, cutout)


def augment(x: Tensor) -> Tensor:
    """Images (N, C, H, W) in [-1, 1] -> the same shape, each image with its own random augmentation."""
    for change in CHANGES:
        x = change(x)
    return x


class Augment(nn.Module):
    """Augmentation of all images that D sees, real and fake; this one does nothing."""

    def observe(self, logits: Tensor) -> dict[str, Tensor]:
        """Adapt to D's logits of real images; returns measures for the log."""
        return {}

    def forward(self, x: Tensor) -> Tensor:
        return x


class DiffAugment(Augment):
    """DiffAugment with all its transformations."""

    def forward(self, x: Tensor) -> Tensor:
        return augment(x)


@dataclass(frozen=True)
class AugmentOptions:
    """Augmentation of the images that D sees."""

    augment: Literal["none", "diffaugment", "ada"] | None = None
    """Augmentation of real and fake images against overfitting of D.
    Use diffaugment for hundreds of images, ada for thousands. By default, diffaugment below 5,000 images."""
    ada_kimg: float = 100.0
    """Adjustment speed of ada: thousands of images in which p can rise from 0 to 1; 500 in the paper."""
    diffaugment: bool | None = None
    """Deprecated: True is --augment diffaugment, False is --augment none."""


def choose(options: AugmentOptions, data: Dataset, notes: list[str], has_midpoint: bool = True) -> Augment | Adaptive:
    """The augmentation that the options select, by default DiffAugment for a small dataset, with a note.

    Args:
        has_midpoint: whether a logit of 0 means that D is undecided, which ADA needs.
    """
    name = options.augment
    if name is None and options.diffaugment is not None:
        name = "diffaugment" if options.diffaugment else "none"
    if name is None and len(data.images) < SMALL:
        notes.append(f"DiffAugment is on (fewer than {SMALL:,} images); `augment` none turns it off")
        name = "diffaugment"
    if name == "ada" and not has_midpoint:
        raise InputError("`augment` ada does not work with a critic: choose diffaugment")
    if not options.ada_kimg > 0:
        raise InputError(f"`ada_kimg` must be > 0, got {options.ada_kimg}")
    if name == "ada":
        return Adaptive(options.ada_kimg)
    return DiffAugment() if name == "diffaugment" else Augment()
