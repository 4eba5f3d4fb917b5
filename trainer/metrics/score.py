"""Scores of a generator against real images, with their protocol, and how they are stored in its config."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor
from tqdm import tqdm

from pretrained import checkpoint
from pretrained.checkpoint import CARD, MODEL, SAMPLES
from pretrained.hub import model_card
from pretrained.networks.sizes import Size, size_of
from pretrained.pipelines.registry import Generate
from pretrained.run_files import LOCK
from pretrained.system.errors import InputError
from pretrained.system.files import cache_folder, locked, write_atomic
from trainer.data.dataset import Dataset
from trainer.metrics import fid_kid
from trainer.metrics.features import Features

MIN_IMAGES = 50

NAMES = {
    "fid": "FID",
    "kid": "KID",
    "precision": "Precision",
    "recall": "Recall",
    "density": "Density",
    "coverage": "Coverage",
    "distance": "Perceptual distance",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "psnr_source": "PSNR of the source",
    "ssim_source": "SSIM of the source",
}

WITHOUT_FEATURES = ("psnr", "ssim", "psnr_source", "ssim_source")

LIBRARIES = ("torch", "torch-fidelity")


@dataclass(frozen=True)
class Result:
    """Scores and their protocol.

    Attributes:
        scores: as `metrics.scores` gives them.
        protocol: everything that they depend on, as flat JSON values.
    """

    scores: dict[str, float]
    protocol: dict[str, Any]

    def rows(self) -> list[dict[str, Any]]:
        """For `config.training["metrics"]`. A feature extractor other than Inception is part of the name."""
        seen_by = self.protocol.get("features", "Inception").split()[0]
        suffix = "" if seen_by == "Inception" else f" ({seen_by})"
        rows = [
            {
                "name": NAMES[name] + suffix * (name not in WITHOUT_FEATURES),
                "value": value,
                "data": self.protocol["data"],
                "protocol": self.protocol,
            }
            for name, value in self.scores.items()
            if name in NAMES
        ]
        for row in rows:
            if row["name"].startswith("KID"):
                row |= {"spread": self.scores["kid_spread"]} if "kid_spread" in self.scores else {}
        return rows


def shape(pipeline: Generate) -> tuple[Size, int]:
    """Size and channels of the generated images; InputError if the pipeline does not generate from seeds."""
    if not hasattr(pipeline, "sample"):
        raise InputError(f"{pipeline.config.name} does not generate images from seeds: choose a generator")
    _, height, width, channels = pipeline.sample([0]).shape
    return size_of(height, width), channels


def measure(
    pipeline: Generate,
    dataset: Dataset,
    split: str,
    extractor: Features,
    num_samples: int,
    num_reference: int,
    batch_size: int = 64,
) -> Result:
    """All scores of seeds 0 to `num_samples` - 1 against at most `num_reference` real images."""
    real = choose(dataset, num_reference)
    subset_size = fid_kid.kid_subset_size(num_samples, len(real))
    neighbours = ", ".join(f"{k} ({names})" for names, k in fid_kid.NEIGHBOURS.items())
    how = {
        **protocol(pipeline, dataset, split, extractor, num_samples, len(real)),
        "KID": f"{fid_kid.KID_SUBSETS} subsets of {subset_size}, mean and standard deviation",
        "neighbours": f"{neighbours} among {min(num_samples, len(real))} of both",
    }
    real_features = extract_once(real, extractor, batch_size)
    fake_features = extractor.extract(draw(pipeline, num_samples, batch_size))
    scores = fid_kid.scores(fake_features, real_features)
    return Result({name: float(f"{value:.6g}") for name, value in scores.items()}, how)


def protocol(
    pipeline: Generate, dataset: Dataset, split: str, extractor: Features, num_samples: int, num_reference: int
) -> dict[str, Any]:
    """Everything that the scores depend on besides the weights of the checkpoint, as flat JSON values."""
    return {
        **extractor.describe(),
        "data": f"{dataset.name} {split}".strip(),
        "reference": f"{num_reference} of {len(dataset.images)} pictures at {dataset.size} px",
        "samples": num_samples,
        "seeds": f"0 to {num_samples - 1}, untruncated, averaged weights"
        + (", label = seed modulo classes" if pipeline.config.classes else ""),
        "revision": pipeline.revision or "local",
        "versions": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }


def comparable(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """The protocol without entries that change a score only by rounding."""
    return {name: value for name, value in protocol.items() if name != "versions"}


def choose(dataset: Dataset, count: int) -> Tensor:
    """At most `count` images of a dataset in a fixed random order -> uint8 (M, C, *size)."""
    if len(dataset.images) < MIN_IMAGES:
        raise InputError(f"`data` must have >= {MIN_IMAGES} images, got {dataset.name} with {len(dataset.images)}")
    order = torch.randperm(len(dataset.images), generator=torch.Generator().manual_seed(0))
    return dataset.images[order[:count]]


def draw(pipeline: Generate, num_samples: int, batch_size: int = 64) -> Iterator[Tensor]:
    """Batches of the samples of seeds 0 and up -> uint8 (B, C, H, W)."""
    for start in tqdm(range(0, num_samples, batch_size), "generated images", disable=None, leave=False):
        images = pipeline.sample(range(start, min(start + batch_size, num_samples)))
        yield torch.from_numpy(images).permute(0, 3, 1, 2)


def extract_once(images: Tensor, extractor: Features, batch_size: int = 64) -> Tensor:
    """Features of real images, float64 (M, D), cached in `cache_folder()` by everything that they depend on."""
    key = json.dumps(
        [extractor.describe(), version("torch"), list(images.shape), hashlib.sha256(images.numpy()).hexdigest()]
    )
    path = cache_folder() / f"features-{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"
    if not path.exists():
        batches = tqdm(images.split(batch_size), "real images", disable=None, leave=False)
        write_atomic(path, safetensors.torch.save({"features": extractor.extract(batches)}, {"key": key}))
    return safetensors.torch.load_file(path)["features"]


def write(result: Result, source: Path, target: Path) -> None:
    """Write the checkpoint in `source` to `target`, maybe the same folder, with the scores in config and model card.

    Scores of the same name and data are replaced. A model card that was edited by hand is kept.
    """
    config, rows = checkpoint.read_config(source / MODEL), result.rows()
    measured = {(row["name"], row["data"]) for row in rows}
    kept = [row for row in model_card.metrics(config.training) if (row["name"], row.get("data")) not in measured]
    config = replace(config, training={**config.training, "metrics": kept + rows})
    has_samples = (source / SAMPLES).exists()
    if has_samples and target != source:
        write_atomic(target / SAMPLES, (source / SAMPLES).read_bytes())
    called = model_card.local_id(target, config.name)
    text = (target / CARD).read_text("utf-8") if (target / CARD).exists() else ""
    if not model_card.is_edited(text):
        write_atomic(target / CARD, model_card.model_card(config, called, has_samples).encode())
    checkpoint.save_again(source / MODEL, target, config)


def lock(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Lock the folder against a training, whose next snapshot would be lost."""
    busy = f"a training is running in {folder}: evaluate without `write`, or wait for it"
    return locked(folder / LOCK, busy, remedy="evaluate without `write`")
