"""Directions of the bundled generators that have names: what can be measured on a picture, and where it grows.

    python -m docs.directions letters dcgan-fashion

For each measure the direction is the covariance of the seeds' points with it, both taken within classes: the mean
difference between pictures that have much and little of it. It is kept beside the weights, and printed with the
correlation of the measure with the place along it: one below LEAST is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tyro

import pretrained
from pretrained.pipelines import directions
from pretrained.pipelines.directions import Direction
from pretrained.system.files import write_atomic

NUM_SEEDS, LEAST = 4096, 0.3
Measure = Callable[[np.ndarray], np.ndarray]  # pictures in [0, 1], (N, H, W, C) -> (N,)


def ink(images: np.ndarray) -> np.ndarray:
    """How far each pixel is from the colour of the border, (N, H, W)."""
    border = np.concatenate([images[:, 0], images[:, -1]], axis=1)
    return np.abs(images - np.median(border, axis=1)[:, None, None]).max(axis=-1)


def _spread(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The variances of x and y of the ink, and their covariance, in shares of the side."""
    weight = ink(images) + 1e-6
    weight = weight / weight.sum(axis=(1, 2), keepdims=True)
    y, x = np.meshgrid(*[np.linspace(-0.5, 0.5, images.shape[1])] * 2, indexing="ij")
    x, y = x - (weight * x).sum(axis=(1, 2))[:, None, None], y - (weight * y).sum(axis=(1, 2))[:, None, None]
    return tuple((weight * part).sum(axis=(1, 2)) for part in (x * x, y * y, x * y))


def slant(images: np.ndarray) -> np.ndarray:
    _, yy, xy = _spread(images)
    return -xy / yy


def region(left: float, top: float, right: float, bottom: float) -> Callable[[np.ndarray], np.ndarray]:
    """A part of each picture, in shares of its sides."""

    def cut(images: np.ndarray) -> np.ndarray:
        size = images.shape[1]
        return images[:, round(top * size) : round(bottom * size), round(left * size) : round(right * size)]

    return cut


def light(part: Callable[[np.ndarray], np.ndarray] = lambda images: images) -> Measure:
    return lambda images: part(images).mean(axis=(1, 2, 3))


def warm(part: Callable[[np.ndarray], np.ndarray] = lambda images: images) -> Measure:
    return lambda images: (part(images)[..., 0] - part(images)[..., 2]).mean(axis=(1, 2))


def detail(images: np.ndarray) -> np.ndarray:
    grey = images.mean(axis=-1)
    return np.abs(np.diff(grey, axis=1)).mean(axis=(1, 2)) / (ink(images).mean(axis=(1, 2)) + 0.05)


SHAPE: dict[str, Measure] = {
    "slant": slant,
    "weight": lambda images: ink(images).mean(axis=(1, 2)),
    "width": lambda images: np.sqrt(_spread(images)[0]),
    "height": lambda images: np.sqrt(_spread(images)[1]),
}
FACE, HAIR, CLOTHES = region(0.35, 0.4, 0.65, 0.7), region(0.25, 0.02, 0.75, 0.22), region(0.25, 0.85, 0.75, 1.0)
GARMENT: dict[str, Measure] = {
    "lightness": light(region(0.3, 0.2, 0.7, 0.8)),
    "width": SHAPE["width"],
    "length": SHAPE["height"],
    "sleeves": lambda images: ink(region(0.0, 0.3, 0.22, 0.9)(images)).mean(axis=(1, 2)),
    "pattern": detail,
}
NAMED: dict[str, dict[str, Measure]] = {
    "letters": SHAPE | {"roughness": detail},
    "dcgan-mnist": SHAPE,
    "icgan-mnist": SHAPE,
    "avatars": {
        "skin": light(FACE),
        "skin warmth": warm(FACE),
        "hair": light(HAIR),
        "hair warmth": warm(HAIR),
        "clothes": light(CLOTHES),
        "size": SHAPE["weight"],
    },
    "nouns": {
        "head": light(region(0.25, 0.1, 0.75, 0.4)),
        "head warmth": warm(region(0.25, 0.1, 0.75, 0.4)),
        "body": light(CLOTHES),
        "body warmth": warm(CLOTHES),
        "detail": detail,
    },
    "dcgan-signs": {
        "background": light(region(0.0, 0.0, 0.25, 0.25)),
        "skin": light(region(0.35, 0.6, 0.65, 0.95)),
        "tilt": slant,
        "size": SHAPE["weight"],
    },
    "dcgan-fashion": GARMENT,
    "stylegan-fashion": GARMENT,
}


def find(name: str) -> dict[str, Direction]:
    """The named directions of a bundled generator."""
    pipeline = pretrained.load(name)
    seeds = range(NUM_SEEDS)
    points, labels = pipeline.to_latents(seeds), np.array(pipeline.conditions(seeds))
    images = pipeline.sample(seeds).astype(np.float32) / 255
    within = lambda values: values - np.stack([values[labels == label].mean(axis=0) for label in labels])
    points, found = within(points.astype(np.float64)), {}
    for title, measure in NAMED[name].items():
        values = within(measure(images).astype(np.float64))
        way = points.T @ values
        way /= np.linalg.norm(way)
        along = points @ way
        correlation = np.corrcoef(along, values)[0, 1]
        print(f"{name:18} {title:14} correlation {correlation:.2f}{'' if correlation >= LEAST else ', left out'}")
        if correlation >= LEAST:
            found[title] = Direction((way * along.std()).astype(np.float32), {title: 1.0})
    return found


@dataclass(frozen=True)
class Options:
    """Which generators; without any, all that are bundled."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()


def main(options: Options) -> None:
    for name in options.names or [name for name in NAMED if name in pretrained.available()]:
        found = find(name)
        file, _ = pretrained.resolve(name)
        write_atomic(file.with_name(directions.FILE), directions.encode(found, pretrained.load(name).config))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
