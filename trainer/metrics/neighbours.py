"""The nearest training images of samples: how much a model has memorised."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from trainer.metrics import features

NEIGHBOURS = 5
SIDE = 32  # px at which pixels are compared


def pixels(images: Tensor, side: int = SIDE) -> Tensor:
    """uint8 (N, C, H, W) -> float64 (N, D), so that a distance is the root mean square difference of pixels."""
    vectors = features.resize(images, side).double().flatten(1)
    return vectors / vectors.shape[1] ** 0.5


def nearest(queries: Tensor, chunks: Iterable[list[Tensor]], own: Tensor) -> tuple[Tensor, Tensor]:
    """The NEIGHBOURS nearest images of a set -> distances and indices, (Q, NEIGHBOURS) each, the nearest first.

    Args:
        queries: (Q, D).
        chunks: vectors (n, D) of consecutive images, in one or more views; the nearest view counts.
        own: (Q,) the index of each query in the set, which is excluded, or -1.
    """
    distances = torch.full((len(queries), NEIGHBOURS), torch.inf, dtype=torch.float64)
    places, start = torch.full((len(queries), NEIGHBOURS), -1), 0
    for views in chunks:
        found = torch.stack([torch.cdist(queries, view) for view in views]).amin(0)
        here = torch.arange(start, start + found.shape[1])
        found[own[:, None] == here] = torch.inf
        distances, order = torch.cat([distances, found], 1).topk(NEIGHBOURS, largest=False)
        places = torch.cat([places, here.expand(len(queries), -1)], 1).gather(1, order)
        start += found.shape[1]
    return distances, places


def summary(samples: Tensor, images: Tensor, mirrored: bool) -> str:
    """How near samples are to a small training set, beside how near its images are to each other, for the card.

    Args:
        samples, images: uint8 (N, C, H, W) and (M, C, H, W).
        mirrored: whether training has flipped the images.
    """
    real = pixels(images)
    views = [real, pixels(images.flip(-1))] if mirrored else [real]
    queries, none = torch.cat([pixels(samples), real]), torch.full((len(samples),), -1)
    distances, _ = nearest(queries, [views], torch.cat([none, torch.arange(len(real))]))
    drawn, usual = distances[: len(samples), 0].median().item(), distances[len(samples) :, 0].median().item()
    text = f"{drawn:.3g} from {len(samples)} samples, {usual:.3g} from one training image to another"
    return f"{text} (medians of the root mean square difference of pixels, 0 to 255, at {SIDE} px)"
