"""The samples.png of a bundled translator, on pictures that a bundled generator drew: python -m docs.examples NAME.

What a run shows are pictures of its data set, which are not ours to pass on.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from PIL import Image

import pretrained
from pretrained.checkpoint import SAMPLES
from pretrained.degradations import DEGRADATIONS
from pretrained.files import write_atomic
from pretrained.images import encode_png, grid
from pretrained.pipelines import expect

DRAWN_BY, SEEDS = "dcgan-signs", range(8)


def main(name: str) -> None:
    """A row for each seed: what the network sees, what it makes of it and, where that was made poorer, the picture."""
    pipeline = expect(pretrained.load(name, "cpu"), "translate")
    degrade = pipeline.kind in DEGRADATIONS
    cells = []
    for seed, picture in zip(SEEDS, pretrained.load(DRAWN_BY, "cpu").sample(SEEDS)):
        source = pipeline.source(Image.fromarray(picture), degrade=degrade, seed=seed)
        shown = [source, pipeline.translate(source), *([Image.fromarray(picture)] if degrade else [])]
        cells += [np.asarray(cell.convert("RGB")) for cell in shown]
    columns = ["source", "output", "target"][: len(shown)]
    png = encode_png(grid(np.stack(cells), len(columns)), {"ganvas": json.dumps({"id": name, "columns": columns})})
    write_atomic(pretrained.resolve(name)[0].with_name(SAMPLES), png)


if __name__ == "__main__":
    main(*sys.argv[1:])
