"""The samples.png of a bundled translator, on pictures that are ours: python -m docs.examples NAME [DRAWN_BY].

What a run shows are pictures of its data set, not ours to pass on. Here are drawings of docs/doodles.py for networks
that read drawings, and for others what DRAWN_BY made, a bundled generator or a network that reads drawings.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import numpy as np
from PIL import Image

import pretrained
from docs import doodles
from pretrained.checkpoint import SAMPLES
from pretrained.media.images import encode_png, grid
from pretrained.pipelines.degradations import DEGRADATIONS
from pretrained.pipelines.registry import Generate, Translate, expect
from pretrained.system.files import write_atomic

SEEDS = range(8)


def main(name: str, drawn_by: str = "dcgan-signs") -> None:
    """A row for each: source, output and, for a degradation, the original image."""
    pipeline = expect(pretrained.load(name, "cpu"), "translate")
    images = _drawings(pipeline) or _made(pretrained.load(drawn_by, "cpu"))
    degrade = pipeline.kind in DEGRADATIONS and pipeline.kind not in DRAWINGS
    cells = []
    for seed, image in enumerate(images):
        source = pipeline.source(image, degrade=degrade, seed=seed)
        shown = [source, pipeline.translate(source), *([image] if degrade else [])]
        cells += [np.asarray(cell.convert("RGB")) for cell in shown]
    columns = ["source", "output", "target"][: len(shown)]
    png = encode_png(grid(np.stack(cells), len(columns)), {"ganvas": json.dumps({"id": name, "columns": columns})})
    write_atomic(pretrained.resolve(name)[0].with_name(SAMPLES), png)


def _drawings(pipeline: Translate) -> list[Image.Image]:
    return DRAWINGS[pipeline.kind](pipeline) if pipeline.kind in DRAWINGS else []


def _made(pipeline: Generate | Translate) -> list[Image.Image]:
    if isinstance(pipeline, Generate):
        return [Image.fromarray(image) for image in pipeline.sample(SEEDS)]
    return [pipeline.translate(drawing) for drawing in _drawings(pipeline)]


# What is drawn for networks that read drawings, by the kind of their sources.
DRAWINGS: dict[str, Callable[[Translate], list[Image.Image]]] = {
    "sketch": lambda pipeline: doodles.sketches(pipeline.size),
    "drawing": lambda pipeline: doodles.dabbed(pipeline.size),
    "labels": lambda pipeline: doodles.fronts(pipeline.size, pipeline.config.input["source"]["palette"]),
}

if __name__ == "__main__":
    main(*sys.argv[1:])
