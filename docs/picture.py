"""The picture at the head of README.md, drawn by the bundled weights: python -m docs.picture."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import pretrained
from pretrained.files import write_atomic
from pretrained.images import encode_png, enlarge, grid

IDS = ("dcgan-mnist", "dcgan-fashion")
COLUMNS, ROWS, SCALE = 24, 3, 2


def main(ids: list[str]) -> None:
    """Seeds 0 to 71 of each checkpoint, one above the other; none is left out."""
    rows = [grid(pretrained.load(id).sample(range(COLUMNS * ROWS)), COLUMNS) for id in ids or IDS]
    write_atomic(Path(__file__).with_name("samples.png"), encode_png(enlarge(np.concatenate(rows), SCALE)))


if __name__ == "__main__":
    main(sys.argv[1:])
