"""Scores of a translator on held-out images: PSNR and SSIM to the targets, and FID and KID."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from pretrained.media.images import from_uint8
from pretrained.pipelines.degradations import DEGRADATIONS
from pretrained.pipelines.translate import Translate
from trainer.data.dataset import Dataset
from trainer.metrics import fid_kid, perceptual, psnr_ssim
from trainer.metrics.features import Features

MIN_IMAGES = 50  # for FID and KID


def measure(
    pipeline: Translate, dataset: Dataset, extractor: Features | None, weights: Path | None, most: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Scores of the outputs of at most `most` held-out images, and their protocol as flat JSON values.

    Args:
        extractor: for FID and KID, which need MIN_IMAGES; None leaves them out.
        weights: its file; that of SqueezeNet adds the perceptual distance.
    """
    examples = dataset.examples(most)
    shown = tqdm(examples, "translated images", disable=None, leave=False)
    outputs = torch.cat([_tensor(pipeline.translate(example.source, **example.extras)) for example in shown])
    how: dict[str, Any] = {"data": f"{dataset.name}, held out", "samples": f"{len(outputs)} held-out pictures"}
    scores: dict[str, float] = {}
    targets = [example.target for example in examples if example.target]
    real = torch.cat([_tensor(target) for target in targets]) if targets else dataset.references(most)
    if targets:
        degradation = DEGRADATIONS.get(pipeline.kind)
        if degradation:
            how["sources"] = f"{pipeline.kind}, seed = number of the picture"
        scores |= _fidelity(outputs, real, pipeline.scale)
        how["PSNR, SSIM"] = (
            f"brightness, without {pipeline.scale} px at the rim, mean over pictures"
            if pipeline.scale > 1
            else "all channels of the whole picture, mean over pictures"
        )
        if degradation and degradation.scores_source:
            sources = [example.source.resize(example.target.size, Image.Resampling.BICUBIC) for example in examples]
            same = _fidelity(torch.cat([_tensor(source) for source in sources]), real, pipeline.scale)
            scores |= {f"{name}_source": score for name, score in same.items()}
        if weights and weights.suffix == ".npz":
            loss = perceptual.choose(str(weights))
            distances = [loss.distance(from_uint8(x), from_uint8(y)) for x, y in zip(outputs.split(1), real.split(1))]
            scores["distance"] = float(torch.cat(distances).mean())
            how["Perceptual distance"] = (
                "squared difference of unit feature vectors of SqueezeNet 1.0, mean over conv1, fire3, fire5, fire8; "
                "LPIPS without its learnt weights"
            )
    if extractor and min(len(outputs), len(real)) >= MIN_IMAGES:
        found, wanted = extractor.extract(outputs.split(16)), extractor.extract(real.split(16))
        subset = fid_kid.kid_subset_size(len(found), len(wanted))
        kid, spread = fid_kid.kid(found, wanted, fid_kid.KID_SUBSETS, subset)
        scores |= {"fid": fid_kid.fid(found, wanted), "kid": kid, "kid_spread": spread}
        how |= {
            **extractor.describe(),
            "reference": f"{len(real)} held-out pictures",
            "KID": f"{fid_kid.KID_SUBSETS} subsets of {subset}, mean and standard deviation",
        }
    return scores, how | {"revision": pipeline.revision or "local"}


def _fidelity(made: Tensor, wanted: Tensor, scale: int) -> dict[str, float]:
    """Mean PSNR and SSIM of uint8 images; on the luma channel for super-resolution, as is customary."""

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        for x, y in zip(made.split(1), wanted.split(1)):
            yield tuple(psnr_ssim.luma(from_uint8(z), scale) if scale > 1 else z.float() / 255 for z in (x, y))

    measures = [psnr_ssim.psnr]
    if min(wanted.shape[2:]) - 2 * (scale if scale > 1 else 0) >= psnr_ssim.WINDOW:
        measures.append(psnr_ssim.ssim)
    return {measure.__name__: float(torch.cat([measure(x, y) for x, y in pairs()]).mean()) for measure in measures}


def _tensor(image: Image.Image) -> Tensor:
    """PIL "RGB" or "L" -> uint8 (1, C, H, W)."""
    levels = torch.from_numpy(np.array(image))
    return levels.view(*levels.shape[:2], -1).permute(2, 0, 1)[None]
