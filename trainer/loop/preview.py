"""The sample image of a snapshot: fixed seeds, or fixed held-out images with their outputs and targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from pretrained.media.images import grid
from pretrained.pipelines.registry import Generate
from trainer.data.dataset import Dataset, Example

SEEDS = range(64)
NUM_ROWS = 8
PER_CLASS = 8
STRENGTHS = (0.5, 1.0)


@dataclass(frozen=True)
class Preview:
    """Samples of a network and the image that shows them.

    Attributes:
        images: outputs of the network, uint8 (N, H, W, C).
        grid: the image to be shown, uint8 (H, W, C).
        text: what the grid contains, as JSON values.
        labels: int64 (N,), of the images, where the network is told labels.
    """

    images: np.ndarray
    grid: np.ndarray
    text: dict[str, Any]
    labels: np.ndarray | None = None


def real_images(dataset: Dataset) -> np.ndarray:
    """Real images that correspond to those of a preview: uint8 (N, H, W, C)."""
    images = dataset.references(NUM_ROWS if dataset.examples(1) else len(SEEDS))
    return images.permute(0, 2, 3, 1).numpy()


def labelled_images(dataset: Dataset, num_classes: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Some images of each class that a preview shows, uint8 (N, H, W, C), and their labels (N,)."""
    if dataset.labels is None or not num_classes:
        return None
    shown = range(min(num_classes, len(SEEDS) // 2))
    chosen = torch.cat([(dataset.labels == label).nonzero()[:PER_CLASS, 0] for label in shown])
    return dataset.images[chosen].permute(0, 2, 3, 1).numpy(), dataset.labels[chosen].numpy()


def draw(pipeline: Generate, dataset: Dataset) -> Preview:
    """Draw the fixed seeds, or rows of source, output and target, with the public pipeline."""
    if examples := dataset.examples(NUM_ROWS):
        return _rows(pipeline, examples)
    images = pipeline.sample(SEEDS)
    classes = pipeline.config.classes
    labels = np.array([seed % len(classes) for seed in SEEDS]) if classes else None
    return Preview(images, grid(images), {"id": pipeline.config.name, "seeds": list(SEEDS)}, labels)


def _rows(pipeline: Any, examples: Sequence[Example]) -> Preview:
    strengths = STRENGTHS if pipeline.config.input.get("strength") else (1.0,)
    outputs, cells = [], []
    for example in examples:
        made = [pipeline.translate(example.source, strength=strength, **example.extras) for strength in strengths]
        outputs.append(made[-1].convert("RGB"))
        shown = [example.source, *example.extras.values(), *made, *([example.target] if example.target else [])]
        cells += [image.convert("RGB") for image in shown]
    size = max(cells[-1].size, cells[0].size)
    cells = [np.asarray(cell.resize(size, Image.Resampling.NEAREST)) for cell in cells]
    names = ["source", *example.extras, *(["output"] * len(strengths)), *(["target"] if example.target else [])]
    shown = grid(np.stack(cells), columns=len(names))
    text = {"id": pipeline.config.name, "columns": names}
    text |= {"height": size[1]} if size[0] != size[1] else {}
    return Preview(np.stack([np.asarray(output) for output in outputs]), shown, text)
