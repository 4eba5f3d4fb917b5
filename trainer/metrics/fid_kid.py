"""Scores of generated images against real ones, from the features of both: FID, KID, precision, recall and more."""

from __future__ import annotations

import torch
from torch import Tensor

KID_SUBSETS, KID_SUBSET_SIZE = 100, 1000
NEIGHBOURS = {"precision, recall": 3, "density, coverage": 5}  # k of each paper
ROWS = 1000  # of a matrix of distances held at once


def fid(fake: Tensor, real: Tensor) -> float:
    """Fréchet distance of Gaussians fitted to the features (Heusel 2017, arXiv:1706.08500), biased upwards at small N.

    Args:
        fake, real: float64 (N, D) and (M, D).
    """
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

    statistics = [fid_features_to_statistics(features) for features in (fake, real)]
    return fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID]


def kid_subset_size(num_fake: int, num_real: int) -> int:
    """KID_SUBSET_SIZE, or half of the smaller set, so that subsets differ."""
    return min(KID_SUBSET_SIZE, num_fake // 2, num_real // 2)


def kid(fake: Tensor, real: Tensor, subsets: int, subset_size: int) -> tuple[float, float]:
    """The squared maximum mean discrepancy under the kernel (x·y / D + 1)³ (Bińkowski 2018, arXiv:1801.01401).

    It is unbiased, and may be negative for similar sets.

    Args:
        fake, real: float64 (N, D) and (M, D), with N and M at least `subset_size`.

    Returns:
        Mean and standard deviation over random subsets.
    """
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

    scores = kid_features_to_metric(
        fake, real, kid_subsets=subsets, kid_subset_size=subset_size, rng_seed=0, verbose=False
    )
    return scores[KEY_METRIC_KID_MEAN], scores[KEY_METRIC_KID_STD]


def precision_recall(fake: Tensor, real: Tensor) -> tuple[float, float]:
    """Precision: fraction of fakes in the manifold of real images; recall: the reverse (Kynkäänniemi 2019, 1904.06991).

    Args:
        fake, real: float64 (N, D) and (M, D), with N and M above k = 3.
    """
    from torch_fidelity.metric_prc import calculate_precision_recall_part

    return calculate_precision_recall_part(fake, real, NEIGHBOURS["precision, recall"], ROWS)


def density_coverage(fake: Tensor, real: Tensor, k: int = NEIGHBOURS["density, coverage"]) -> tuple[float, float]:
    """Density: number of real neighbourhoods around a fake, over k; coverage: fraction of them that contain a fake.

    A neighbourhood is the ball around a real image up to its k-th nearest real neighbour (Naeem 2020, arXiv:2002.09797,
    eq. 3 and 4). Density may exceed 1.

    Args:
        fake, real: float64 (N, D) and (M, D), with M above `k`.
    """
    num_inside, num_covered = 0, 0
    for part in real.split(ROWS):
        radii = torch.cdist(part, real).kthvalue(k + 1, dim=1).values  # the nearest of all is the image itself
        inside = torch.cdist(part, fake) <= radii[:, None]
        num_inside += int(inside.sum())
        num_covered += int(inside.any(dim=1).sum())
    return num_inside / (k * len(fake)), num_covered / len(real)


def scores(fake: Tensor, real: Tensor) -> dict[str, float]:
    """All scores. Neighbourhoods shrink with the number of images, so the last four use equally many of both sets.

    Args:
        fake, real: float64 (N, D) and (M, D), in random order.
    """
    mean, spread = kid(fake, real, KID_SUBSETS, kid_subset_size(len(fake), len(real)))
    equal = min(len(fake), len(real))
    precision, recall = precision_recall(fake[:equal], real[:equal])
    density, coverage = density_coverage(fake[:equal], real[:equal])
    return {
        "fid": fid(fake, real),
        "kid": mean,
        "kid_spread": spread,
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
    }
