"""Finds memorised training images: the nearest neighbours of samples in the training set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from tqdm import tqdm

import pretrained
from pretrained.inputs.seeds import parse_seeds
from pretrained.media.images import Levels, encode_png, enlarge
from pretrained.networks.sizes import Size, sides
from pretrained.system.errors import InputError
from pretrained.system.files import expanded, write_atomic
from trainer import data
from trainer.cli import evaluate
from trainer.data.dataset import Dataset
from trainer.data.files.layout import Name
from trainer.data.files.reading import Reading
from trainer.loop.settings import Settings
from trainer.metrics import features, score
from trainer.metrics.neighbours import NEIGHBOURS, SIDE, nearest, pixels

GRID = "nearest.png"
MAX_SEEDS = 64
HELD_OUT = 1000  # real images for the comparison of distances
CHUNK = 4096  # images at a time, so that memory stays flat
CELL = 96  # px of an image in the grid; smaller ones are enlarged
QUANTILES = {"nearest 1%": 0.01, "median": 0.5}


@dataclass(frozen=True)
class Command:
    """Find memorised training images: show the nearest training images of samples, and compare their distances with
    those of held-out images. A network that has memorised images has smaller ones."""

    id: Annotated[str, tyro.conf.Positional]
    """Checkpoint: a bundled name, a folder or file, or a Hub repository user/name[@revision]."""
    data: str
    """A named dataset (mnist, fashion-mnist, cifar10), "fake", a folder or .zip of images, or hub:user/dataset."""
    data_root: Path = Settings.data_root
    """Folder of the named datasets, to which missing ones are downloaded; also set by $GANVAS_DATA."""
    layout: Name = Reading.layout
    """What a folder is; auto tells by the names."""
    levels: Levels | None = None
    """Black and white in images of 16 or 32 bits, where the format leaves them open; by default as in training."""
    seeds: str = "0-7"
    """Seeds of the samples, such as 0-7 or 1,2,5-9."""
    features: Literal[("pixels", *features.KINDS)] = "pixels"  # type: ignore[valid-type]
    """Distance: pixels compares downsampled images, the others features of a network."""
    feature_weights: Path | None = None
    """Weights of the feature extractor: Inception (.pth) or SqueezeNet (.npz), inferred from the suffix."""
    device: str = "auto"
    """Device: auto, cpu, cuda or mps."""
    out: Path | None = None
    """Image file (.png), with a .json beside it. By default, nearest.png in the run's or else the current folder."""

    def __post_init__(self) -> None:
        if len(parse_seeds(self.seeds)) > MAX_SEEDS:
            raise InputError(f"`seeds` must be at most {MAX_SEEDS} seeds, got {self.seeds}")
        if self.out and self.out.suffix != ".png":
            raise InputError(f"`out` must end in .png, got {self.out}")


# uint8 images (N, C, *size) -> vectors, float64 (N, D), which are compared by Euclidean distance
Embed = Callable[[Tensor], Tensor]


def run(command: Command) -> dict[str, Any]:
    """Write the image, and return the report that `python -m trainer nearest` prints.

    Raises:
        InputError: checkpoint, dataset or weights cannot be used; the message says what to do.
    """
    path, _ = pretrained.resolve(command.id)
    is_folder = path.parent == expanded(command.id)
    out = command.out or (path.parent / GRID if is_folder else Path(GRID))
    pipeline = pretrained.load(command.id, command.device)
    size, channels = score.shape(pipeline)
    how = evaluate.reading(pipeline.config, command.layout, command.levels)
    read = partial(data.load, command.data, size, command.data_root, channels, how=how)
    training, seeds = read(), parse_seeds(command.seeds)
    if len(training.images) <= NEIGHBOURS:
        raise InputError(f"`data` must have > {NEIGHBOURS} images, got {command.data} with {len(training.images)}")
    mirrored = bool(pipeline.config.training.get("options", {}).get("horizontal_flip"))
    samples = torch.from_numpy(pipeline.sample(seeds)).permute(0, 3, 1, 2)
    real, own, described = _held_out(training, read(split="test") if command.data in data.NAMED else None)
    embed, how = _embedding(command, pipeline.device, size)
    views = [training.images, training.images.flip(-1)] if mirrored else [training.images]
    queries = torch.cat([embed(samples), embed(real)])
    found, places = nearest(queries, _chunks(views, embed), torch.cat([torch.full((len(seeds),), -1), own]))
    distances, indices, usual = found[: len(seeds)], places[: len(seeds)], found[len(seeds) :, 0]
    report = {
        "id": command.id,
        "name": pipeline.config.name,
        "kimg": pipeline.config.training.get("kimg"),
        "distance": how,
        "training": f"{len(training.images)} images of {training.name}" + ", and their mirror images" * mirrored,
        "held_out": {
            "what": described,
            **{name: _rounded(usual.quantile(share)) for name, share in QUANTILES.items()},
        },
        "median": _rounded(distances[:, 0].median()),
        "samples": [
            {
                "seed": seed,
                "distances": [_rounded(distance) for distance in row],
                "indices": places.tolist(),
                "share_nearer": _rounded((usual <= row[0]).double().mean()),
            }
            for seed, row, places in zip(seeds, distances, indices)
        ],
    }
    write_atomic(out, encode_png(image_grid(seeds, samples, training.images[indices], distances)))
    write_atomic(out.with_suffix(".json"), (json.dumps(report, indent=2) + "\n").encode())
    return report


def _rounded(value: Tensor) -> float:
    return float(f"{value.item():.4g}") if value > 1e-3 else 0.0  # below that it is the rounding of a difference


def _held_out(training: Dataset, test: Dataset | None) -> tuple[Tensor, Tensor, str]:
    """Held-out images, uint8 (N, C, *size), their indices in the training set or -1, and a description."""
    images = (test or training).images
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:HELD_OUT]
    if test:
        return images[chosen], torch.full_like(chosen, -1), f"{len(chosen)} images of {test.name} test"
    return images[chosen], chosen, f"{len(chosen)} images of {training.name}, each beside all others"


def _embedding(command: Command, device: torch.device, size: Size) -> tuple[Embed, str]:
    if command.features == "pixels" and command.feature_weights is None:
        side = min(*sides(size), SIDE)
        return partial(pixels, side=side), f"root mean square of the differences of pixels, 0 to 255, at {side} px"
    kind = "auto" if command.features == "pixels" else command.features
    extractor = features.load(kind, command.feature_weights, device)
    return lambda images: score.extract_once(images, extractor), f"Euclidean, in {extractor.name}, {extractor.layer}"


def _chunks(views: Sequence[Tensor], embed: Embed) -> Iterator[list[Tensor]]:
    """Vectors (n, D) of each view of the same `n` images, in chunks."""
    parts = zip(*(view.split(CHUNK) for view in views))
    total = -(-len(views[0]) // CHUNK)
    for part in tqdm(parts, "training images", total, disable=None, leave=False, unit_scale=CHUNK):
        yield [embed(images) for images in part]


def image_grid(seeds: Sequence[int], samples: Tensor, neighbours: Tensor, distances: Tensor) -> np.ndarray:
    """A row for each sample and its neighbours, with their distances -> uint8 (H, W, 3).

    Args:
        samples: uint8 (N, C, *size).
        neighbours: uint8 (N, NEIGHBOURS, C, *size).
        distances: (N, NEIGHBOURS).
    """
    height, width = samples.shape[2:]
    scale = max(1, CELL // max(height, width))
    height, width, gap, line = scale * height, scale * width, 8, 22
    font = ImageFont.load_default(14)
    image = Image.new("RGB", ((1 + NEIGHBOURS) * (width + gap) + 2 * gap, len(seeds) * (height + line) + gap), "white")
    draw = ImageDraw.Draw(image)
    rows = torch.cat([samples[:, None], neighbours], 1).expand(-1, -1, 3, -1, -1).permute(0, 1, 3, 4, 2).numpy()
    for row, seed in enumerate(seeds):
        words = [f"seed {seed}", *(f"{_rounded(distance):.4g}" for distance in distances[row])]
        top = gap + row * (height + line)
        for column, (word, one) in enumerate(zip(words, enlarge(rows[row], scale))):
            left = gap + column * (width + gap) + gap * (column > 0)  # a gap after the sample
            image.paste(Image.fromarray(np.ascontiguousarray(one)), (left, top))
            draw.text((left + width / 2, top + height + line / 2 - 1), word, "black", font, anchor="mm")
    return np.asarray(image)
