"""Scores a checkpoint against real images, and reports the protocol of the scores with them."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tyro

import pretrained
from pretrained import networks
from pretrained.checkpoint import Config
from pretrained.media.images import Levels
from pretrained.networks.sizes import is_size
from pretrained.pipelines.registry import Generate
from pretrained.pipelines.translate import Translate
from pretrained.system.errors import InputError
from pretrained.system.files import expanded, write_atomic
from trainer import data
from trainer.data.dataset import Dataset
from trainer.data.files.frame import Resize
from trainer.data.files.layout import Name
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.loop.settings import Settings
from trainer.method import published_name
from trainer.methods.recipes import RECIPES
from trainer.metrics import features, paired
from trainer.metrics.score import MIN_IMAGES, Result, lock, measure, shape, write


@dataclass(frozen=True)
class Command:
    """Score a checkpoint against real images, as JSON. Generators: FID, KID, precision, recall, density and coverage.
    Translators, on held-out images: PSNR, SSIM and, with --feature-weights, FID, KID and a perceptual distance."""

    id: Annotated[str, tyro.conf.Positional]
    """Checkpoint: a bundled name, a folder or file, or a Hub repository user/name[@revision]."""
    data: str
    """A named dataset (mnist, fashion-mnist, cifar10), "fake", a folder or .zip of images, or hub:user/dataset."""
    data_root: Path = Settings.data_root
    """Folder of the named datasets, to which missing ones are downloaded; also set by $GANVAS_DATA."""
    split: Literal["test", "train"] = "test"
    """Split of a named dataset, or of a folder with splits; only the test split detects memorised training images."""
    layout: Name = Reading.layout
    """What a folder is; auto tells by the names."""
    levels: Levels | None = None
    """Black and white in images of 16 or 32 bits, where the format leaves them open; by default as in training."""
    samples: int = 5000
    """Number of generated images, seeds 0 and up. FID depends on it."""
    reference: int = 10000
    """Maximum number of real images, chosen at random."""
    features: Literal[("auto", *features.KINDS)] = "auto"  # type: ignore[valid-type]
    """Feature extractor; auto infers it from the suffix of --feature-weights, and is Inception without."""
    feature_weights: Path | None = None
    """Weights of the feature extractor: Inception (.pth, downloaded by default) or SqueezeNet (.npz)."""
    batch_size: int = 64
    """Batch size of the feature extractor; the scores do not depend on it."""
    device: str = "auto"
    """Device: auto, cpu, cuda or mps."""
    out: Path | None = None
    """File to which the JSON is written as well."""
    write: bool = False
    """Store the scores in the checkpoint and its model card; ID must be the folder of a run."""

    def __post_init__(self) -> None:
        for name in ("samples", "reference"):
            if getattr(self, name) < MIN_IMAGES:
                raise InputError(f"`{name}` must be >= {MIN_IMAGES}, got {getattr(self, name)}")
        if self.batch_size < 1:
            raise InputError(f"`batch_size` must be >= 1, got {self.batch_size}")


def run(command: Command) -> dict[str, Any]:
    """The report that `python -m trainer evaluate` prints.

    Raises:
        InputError: checkpoint, dataset or weights cannot be used; the message says what to do.
    """
    path, _ = pretrained.resolve(command.id)
    if command.write and path.parent != expanded(command.id):
        raise InputError(f"`write` needs the folder of a run, got {command.id}")
    with lock(path.parent) if command.write else contextlib.nullcontext():
        pipeline = pretrained.load(command.id, command.device)
        result = (_score_images if isinstance(pipeline, Translate) else _score_seeds)(pipeline, command)
        if command.write:
            write(result, path.parent, path.parent)
    report = {
        "id": command.id,
        "name": pipeline.config.name,
        "kimg": pipeline.config.training.get("kimg"),
        "scores": result.scores,
        "protocol": result.protocol,
    }
    if command.out:
        write_atomic(command.out, (json.dumps(report, indent=2) + "\n").encode())
    return report


def _score_seeds(pipeline: Generate, command: Command) -> Result:
    extractor = features.load(command.features, command.feature_weights, pipeline.device)
    size, channels = shape(pipeline)
    how = reading(pipeline.config, command.layout, command.levels)
    dataset = data.load(command.data, size, command.data_root, channels, command.split, how)
    _tell(dataset)
    split = command.split if command.data in data.NAMED else dataset.part
    return measure(pipeline, dataset, split, extractor, command.samples, command.reference, command.batch_size)


def _score_images(pipeline: Translate, command: Command) -> Result:
    """Scores of a translator; those of features only with feature weights."""
    weights = command.feature_weights
    is_asked = weights is not None or command.features != "auto"
    extractor = features.load(command.features, weights, pipeline.device) if is_asked else None
    how = reading(pipeline.config, command.layout, command.levels)
    dataset = read_pairs(pipeline.config, command.data, command.data_root, how)
    _tell(dataset)
    scores, how = paired.measure(pipeline, dataset, extractor, weights, command.samples)
    return Result({name: float(f"{value:.6g}") for name, value in scores.items()}, how)


def _tell(dataset: Dataset) -> None:
    """Say on stderr what was found in a folder."""
    if dataset.found:
        print(f"{dataset.name}: {dataset.found}", file=sys.stderr)


def reading(config: Config, layout: Name, levels: Levels | None) -> Reading:
    """How the recipe of a checkpoint reads files, with another layout, and levels where these are given."""
    saved = config.training.get("options")
    saved = saved if isinstance(saved, dict) else {}
    resize = saved.get("resize") if saved.get("resize") in get_args(Resize) else "crop"
    before = saved.get("levels")
    is_pair = isinstance(before, list) and len(before) == 2 and all(type(level) in (int, float) for level in before)
    return Reading(layout, resize, levels or (tuple(before) if is_pair else None))


def read_pairs(config: Config, name: str, root: Path, how: Reading = AS_FOUND) -> Dataset:
    """Load the dataset `name` as the recipe of a checkpoint does.

    Raises:
        InputError: the checkpoint does not record its recipe, or has no targets.
    """
    saved = config.training.get("options")
    recipe = RECIPES.get(str(config.training.get("recipe")))
    if recipe is None or not isinstance(saved, dict):
        raise InputError(f"{config.name} does not record its recipe, so its data cannot be read")
    known = {
        field.name: saved[field.name]
        for field in fields(recipe.options)
        if type(saved.get(field.name)) is type(getattr(recipe.options, field.name))
    }
    size = saved["size"] if is_size(saved.get("size")) else recipe.size
    channels = networks.complete(config.network)["channels"]
    dataset = recipe.method.read(replace(recipe.options, **known), name, size, root, channels, how)
    if not dataset.has_references:
        raise InputError(f"{config.name} has no targets to compare with, so it cannot be scored")
    views = {published_name(recipe.name, name): row.view for name, row in recipe.method.published.items()}
    return views[config.name](dataset) if config.name in views else dataset
