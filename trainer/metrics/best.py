"""The best snapshot of a run, kept beside the last: by KID, which a small number of pictures does not bias."""

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
    """What scores the snapshots of a run; None without weights. Refuses at once what would be refused then."""
    if weights is None:
        return None
    if dataset.examples(1):
        raise InputError("--feature-weights scores pictures of seeds: leave it away, and score the run by evaluate")
    choose(dataset, MIN_IMAGES)
    return features.load("auto", weights, device)


def keep(folder: Path, dataset: Dataset, extractor: Features) -> float:
    """Score the snapshot in the folder of a run; where none before was better, copy it to `folder`/best.

    Args:
        dataset: what is trained on.

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
    """The KID of the best snapshot in the folder of a run, where it was measured as `like` was."""
    if not (folder / BEST / MODEL).exists():
        return None
    rows = model_card.metrics(checkpoint.read_config(folder / BEST / MODEL).training)
    how = comparable(like.protocol)
    return next((row["value"] for row in rows if comparable(row.get("protocol", {})) == how), None)


def quick_score(pipeline: Generate, dataset: Dataset, split: str, extractor: Features) -> Result:
    """KID alone, which is unbiased, of QUICK_SAMPLES pictures against as many real ones: to rank snapshots of a run."""
    real = choose(dataset, QUICK_SAMPLES)
    real_features = extract_once(real, extractor)
    fake_features = extractor.extract(draw(pipeline, len(real)))
    kid, _ = fid_kid.kid(fake_features, real_features, subsets=1, subset_size=len(real))
    how = protocol(pipeline, dataset, split, extractor, len(real), len(real))
    return Result({"kid": float(f"{kid:.6g}")}, how | {"KID": f"one set of {len(real)}"})
