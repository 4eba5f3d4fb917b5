"""How long a picture takes, for each bundled checkpoint: loading it, a sheet of 64 seeds, one picture translated.

    python -m benchmarks.play --threads 2

Warm, after one that does not count: the 10th, 50th and 90th centile, in milliseconds. A network of any size is given
256 px.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
import tyro
from PIL import Image

import pretrained
from pretrained.pipelines.registry import Generate

ANY_SIZE = 256  # px


@dataclass(frozen=True)
class Options:
    """What is measured."""

    models: tuple[str, ...] = tuple(pretrained.available())
    """Checkpoints."""
    repeats: int = 30
    """Of each."""
    threads: int = 2
    """Of the processor."""


def milliseconds(work: Callable[[], object], repeats: int) -> list[float]:
    """The 10th, 50th and 90th centile."""
    work()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - start))
    return [round(float(centile), 1) for centile in np.percentile(taken, [10, 50, 90])]


def main(options: Options) -> None:
    torch.set_num_threads(options.threads)
    for name in options.models:
        pipeline = pretrained.load(name, "cpu")
        row = {"model": name, "load": milliseconds(lambda name=name: pretrained.load(name, "cpu"), 5)}
        if isinstance(pipeline, Generate):
            row["64 seeds"] = milliseconds(lambda pipeline=pipeline: pipeline.sample(range(64)), options.repeats)
        else:
            side = pipeline.size or ANY_SIZE
            levels = np.random.RandomState(0).randint(0, 256, (side, side, 3), np.uint8)
            image = Image.fromarray(levels)
            how = {"mask": Image.new("L", image.size)} if pipeline.config.input.get("mask") else {}
            row[f"translate {side} px"] = milliseconds(
                lambda pipeline=pipeline, image=image, how=how: pipeline.translate(image, **how), options.repeats
            )
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
