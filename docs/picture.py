"""The picture at the head of README.md, drawn by the bundled weights: python -m docs.picture."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import pretrained
from pretrained.media.images import encode_png, enlarge, grid
from pretrained.system.files import write_atomic

IDS = ("avatars", "letters", "stylegan-fashion")
COLUMNS, ROWS, CELL = 24, 2, 64


def main(ids: list[str]) -> None:
    """Seeds 0 to 47 of each checkpoint, one above the other; none is left out."""
    rows = [band(pretrained.load(id).sample(range(COLUMNS * ROWS))) for id in ids or IDS]
    write_atomic(Path(__file__).with_name("samples.png"), encode_png(np.concatenate(rows)))


def band(images: np.ndarray) -> np.ndarray:
    """uint8 (N, H, W, 1 or 3) -> their grid, each CELL px wide, in colour."""
    coloured = np.broadcast_to(images, (*images.shape[:3], 3))
    return enlarge(grid(coloured, COLUMNS), CELL // images.shape[1])


if __name__ == "__main__":
    main(sys.argv[1:])
