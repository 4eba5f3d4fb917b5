"""How often a dragged point arrives, and how long a step takes: random drags on the bundled generators.

    python -m benchmarks.drag --threads 2

A drag begins at one of the steepest pixels of the image of a random seed, and goes a sixteenth to an eighth of the side
in a random direction. It has arrived when the point ends within 2 px of its target; a step is timed after the first.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
import tyro

import pretrained
from pretrained.pipelines.latent.drag import drag
from pretrained.pipelines.registry import Generate

ARRIVED = 2.0  # px
STEEP = 0.9  # quantile of the gradient, from which a pixel may be a handle


@dataclass(frozen=True)
class Options:
    """What is measured."""

    models: tuple[str, ...] = ("stylegan-fashion", "dcgan-fashion", "dcgan-mnist", "dcgan-signs")
    drags: int = 100
    steps: int = 100
    threads: int = 2


def place(image: np.ndarray, random: np.random.RandomState) -> tuple[tuple[float, float], tuple[float, float]]:
    """A handle and a target, x and y each."""
    size, rim = len(image), len(image) // 8
    steep = np.hypot(*np.gradient(image.astype(float).mean(axis=-1)))
    steep[:rim] = steep[-rim:] = steep[:, :rim] = steep[:, -rim:] = 0
    y, x = np.nonzero(steep >= np.quantile(steep, STEEP))
    chosen = random.randint(len(y))
    angle, length = random.uniform(0, 2 * np.pi), size * random.uniform(1 / 16, 1 / 8)
    target = np.clip((x[chosen] + length * np.cos(angle), y[chosen] + length * np.sin(angle)), 0, size - 1)
    return (float(x[chosen]), float(y[chosen])), (float(target[0]), float(target[1]))


def measure(pipeline: Generate, options: Options) -> dict[str, float]:
    random, ends, steps, times = np.random.RandomState(0), [], [], []
    for _ in range(options.drags):
        seed = random.randint(100_000)
        point, condition = pipeline.to_latents([seed])[0], pipeline.conditions([seed])[0]
        handle, target = place(pipeline.draw([point], [condition])[0], random)
        before = None
        moving = drag(pipeline, point, condition, [handle], [target], num_steps=options.steps)
        for step in moving:  # noqa: B007
            now = time.perf_counter()
            if before:
                times.append(now - before)
            before = now
        ends.append(step.distance)
        steps.append(step.number)
    return {
        "arrived": float(np.mean(np.array(ends) <= ARRIVED)),
        "px from the target, mean": round(float(np.mean(ends)), 2),
        "steps, mean": round(float(np.mean(steps)), 1),
        "ms a step, median": round(1000 * float(np.median(times)), 1),
    }


def main(options: Options) -> None:
    torch.set_num_threads(options.threads)
    for name in options.models:
        print(json.dumps({"model": name, **measure(pretrained.load(name, "cpu"), options)}), flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
