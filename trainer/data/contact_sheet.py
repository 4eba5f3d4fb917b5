"""What training will see: images as they come out of the batches, cropped, mirrored and degraded, in one picture."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrained.media.images import encode_png, grid, to_uint8
from trainer.data.batches import Batches
from trainer.data.dataset import Dataset

NUM_IMAGES, NUM_ROWS = 64, 16
MIN_CELL = 64  # px


def contact_sheet(dataset: Dataset, batches: Batches) -> bytes:
    """A PNG: rows of source and target for pairs, of A and B for domains; other images by their classes."""
    columns, labels, count = [], [], 0
    wanted = NUM_IMAGES
    while count < wanted:
        batch = next(batches)
        parts = dataset.columns(batch)
        wanted = NUM_ROWS if len(parts) > 1 else NUM_IMAGES
        columns.append(parts)
        if len(parts) == 1 and batch[1] is not None and batch[1].dim() == 1:
            labels.append(batch[1].cpu())
        count += len(parts[0])
    cells = [_as_cells(torch.cat(parts)[:wanted].cpu()) for parts in zip(*columns)]
    if labels:
        cells = [part[torch.cat(labels)[:wanted].argsort(stable=True)] for part in cells]
    height, width = max(part.shape[2:] for part in cells)
    scale = max(MIN_CELL / max(height, width), 1)
    cells = [F.interpolate(part, (round(height * scale), round(width * scale))) for part in cells]
    images = torch.stack(cells, dim=1).flatten(0, 1)
    return encode_png(grid(to_uint8(images), len(cells) if len(cells) > 1 else math.isqrt(wanted)))


def _as_cells(images: Tensor) -> Tensor:
    """Float (N, 1 or 3, H, W) -> (N, 3, H, W)."""
    return images.float().expand(-1, 3, -1, -1)
