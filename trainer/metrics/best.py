"""The best snapshot of a run, by KID, which is unbiased for a small number of images."""

from __future__ import annotations

from pathlib import Path

import torch

from pretrained import checkpoint, pipelines
from pretrained.checkpoint import MODEL
from pretrained.hub import model_card
from pretrained.pipelines.registry import Generate
from pretrained.run_files import BEST
from pretrained.system.errors import InputError
from trainer import data
from trainer.data.dataset import Dataset
from trainer.metrics import features, fid_kid
from trainer.metrics.features import Features
from trainer.metrics.score import MIN_IMAGES, Result, choose, comparable, draw, extract_once, protocol, shape, write

QUICK_SAMPLES = 1000


def load_feature_extractor(weights: Path | None, dataset: Dataset, device: torch.device) -> Features | None:
    """The feature extractor for the snapshots of a run; None without weights. InputError if they cannot be scored."""
    if weights is None:
        return None
    if dataset.examples(1):
        raise InputError("`feature_weights` scores generators only: leave it out, and use evaluate after training")
    choose(dataset, MIN_IMAGES)
    return features.load("auto", weights, device)


def keep(folder: Path, dataset: Dataset, extractor: Features) -> float:
    """Score the snapshot in the folder of a run, and copy it to `folder`/best if it is the best so far.

    Args:
        dataset: the training data.

    Returns:
        Its KID, by `quick_score`.
    """
    pipeline = pipelines.make(*checkpoint.load(folder / MODEL), extractor.device)
    shape(pipeline)
    result = quick_score(pipeline, dataset, "train" if dataset.name in data.NAMED else "", extractor)
    before = score(folder, result)
    if before is None or result.scores["kid"] < before:
        write(result, folder, folder / BEST)
    return result.scores["kid"]


def score(folder: Path, like: Result) -> float | None:
    """The KID of the best snapshot in the folder of a run; None if it was not measured by the protocol of `like`."""
    if not (folder / BEST / MODEL).exists():
        return None
    rows = model_card.metrics(checkpoint.read_config(folder / BEST / MODEL).training)
    how = comparable(like.protocol)
    return next((row["value"] for row in rows if comparable(row.get("protocol", {})) == how), None)


def quick_score(pipeline: Generate, dataset: Dataset, split: str, extractor: Features) -> Result:
    """KID of QUICK_SAMPLES images against as many real ones, to rank the snapshots of a run."""
    real = choose(dataset, QUICK_SAMPLES)
    real_features = extract_once(real, extractor)
    fake_features = extractor.extract(draw(pipeline, len(real)))
    kid, _ = fid_kid.kid(fake_features, real_features, subsets=1, subset_size=len(real))
    how = protocol(pipeline, dataset, split, extractor, len(real), len(real))
    return Result({"kid": float(f"{kid:.6g}")}, how | {"KID": f"one set of {len(real)}"})
