"""Scores against closed forms and against points laid out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from trainer.metrics import fid_kid


def gaussian(count: int, mean: list[float], covariance: list[list[float]], seed: int = 0) -> Tensor:
    """Points whose sample mean and sample covariance are exactly these."""
    x = torch.randn(count, len(mean), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x = x - x.mean(0)
    x = torch.linalg.solve_triangular(torch.linalg.cholesky(x.T.cov()), x.T, upper=False)
    return (torch.linalg.cholesky(torch.tensor(covariance, dtype=torch.float64)) @ x).T + torch.tensor(mean)


@pytest.mark.parametrize(
    ("mean_a", "a", "mean_b", "b"),
    [
        ([0, 0], [[1, 0], [0, 1]], [3, 4], [[1, 0], [0, 1]]),
        ([0, 0], [[1, 0], [0, 4]], [0, 0], [[9, 0], [0, 16]]),
        ([1, 0], [[2, 1], [1, 3]], [0, 2], [[4, -1], [-1, 1]]),  # these two do not commute
    ],
)
def test_fid_of_gaussians(mean_a, a, mean_b, b):
    fake, real = gaussian(50, mean_a, a, seed=1), gaussian(70, mean_b, b, seed=2)
    between = sum((p - q) ** 2 for p, q in zip(mean_a, mean_b))
    trace = a[0][0] + a[1][1] + b[0][0] + b[1][1]
    # tr (AB)^(1/2) of 2 × 2 matrices: the square root of tr AB + 2 (det AB)^(1/2)
    product = torch.tensor(a, dtype=torch.float64) @ torch.tensor(b, dtype=torch.float64)
    root = math.sqrt(product.trace() + 2 * math.sqrt(torch.linalg.det(product)))
    assert fid_kid.fid(fake, real) == pytest.approx(between + trace - 2 * root, rel=1e-9)


def test_a_set_is_no_distance_from_itself():
    x = gaussian(60, [0, 1, 2], [[2, 1, 0], [1, 3, 0], [0, 0, 1]])
    assert fid_kid.fid(x, x) == pytest.approx(0, abs=1e-6)
    assert fid_kid.precision_recall(x, x) == (1, 1)
    density, coverage = fid_kid.density_coverage(x, x)
    assert coverage == 1
    assert density == pytest.approx(6 / 5)  # each ball of k = 5 holds its centre too


def kernel(x: Tensor, y: Tensor) -> float:
    return float((x @ y / len(x) + 1) ** 3)


def test_kid_by_its_sums():
    fake, real = gaussian(6, [0, 0], [[1, 0], [0, 1]], 1), gaussian(6, [1, 0], [[1, 0], [0, 1]], 2)
    within = sum(kernel(points[i], points[j]) for points in (fake, real) for i in range(6) for j in range(6) if i != j)
    across = sum(kernel(x, y) for x in fake for y in real)
    expected = within / (6 * 5) - 2 * across / (6 * 6)
    mean, spread = fid_kid.kid(fake, real, subsets=3, subset_size=6)
    assert mean == pytest.approx(expected, rel=1e-9)
    assert spread == pytest.approx(0, abs=1e-9)  # each subset is the whole


def test_kid_is_unbiased():
    random = torch.Generator().manual_seed(0)
    count, draws = 20, 300
    values = torch.tensor(
        [
            fid_kid.kid(*torch.randn(2, count, 8, generator=random, dtype=torch.float64), 1, count)[0]
            for _ in range(draws)
        ]
    )
    error = values.std() / math.sqrt(draws)
    x = torch.randn(2000, 8, generator=random, dtype=torch.float64)
    diagonal = ((x.square().sum(1) / 8 + 1) ** 3).mean()
    bias = 2 * (diagonal - ((x[:1000] @ x[1000:].T / 8 + 1) ** 3).mean()) / count  # with the diagonal counted in
    assert bias > 20 * error
    assert abs(values.mean()) < 4 * error


def test_kid_tells_two_distributions_apart():
    identity = [[1, 0], [0, 1]]
    mean, spread = fid_kid.kid(gaussian(100, [0, 0], identity, 1), gaussian(100, [1, 1], identity, 2), 10, 50)
    assert mean > 3 * spread > 0


@pytest.mark.parametrize(
    ("fake", "real", "k", "density", "coverage"),
    [
        ([0.5, 10], [0, 1, 2, 3], 1, 1.0, 0.5),  # 0.5 lies in the balls of 0 and 1
        ([100, 101], [0, 1, 2, 3], 1, 0.0, 0.0),
        ([1, 1, 1, 1], [0, 1, 2, 3], 1, 3.0, 0.75),  # collapsed to a good image: dense, and not everywhere
        ([0, 3], [0, 1, 2, 3], 2, 1.0, 1.0),  # radii 2, 1, 1, 2; 0 lies in those of 0 and 1, 3 in those of 2 and 3
    ],
)
@pytest.mark.parametrize("rows", [1000, 3])
def test_density_and_coverage_by_hand(monkeypatch, fake, real, k, density, coverage, rows):
    monkeypatch.setattr(fid_kid, "ROWS", rows)
    fake, real = (torch.tensor(points, dtype=torch.float64).view(-1, 1) for points in (fake, real))
    assert fid_kid.density_coverage(fake, real, k) == pytest.approx((density, coverage))


SPREAD = [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("fake", "precision", "recall"),
    [
        (gaussian(100, [0, 0], SPREAD, 1), (0.8, 1), (0.8, 1)),
        (gaussian(100, [50, 0], SPREAD, 1), (0, 0), (0, 0)),
        (gaussian(100, [0, 0], [[1e-6, 0], [0, 1e-6]], 1), (1, 1), (0, 0.05)),  # all alike, and good
        (gaussian(100, [0, 0], [[100, 0], [0, 100]], 1), (0, 0.2), (0.95, 1)),  # everywhere, and mostly wrong
    ],
)
def test_precision_and_recall(fake, precision, recall):
    found = fid_kid.precision_recall(fake, gaussian(100, [0, 0], SPREAD, 2))
    for value, (low, high) in zip(found, (precision, recall)):
        assert low <= value <= high


def test_neighbourhoods_are_of_equal_numbers():
    fake, real = gaussian(80, [0, 0], SPREAD, 1), gaussian(60, [0.5, 0], SPREAD, 2)
    scores = fid_kid.scores(fake, real)
    assert (scores["precision"], scores["recall"]) == fid_kid.precision_recall(fake[:60], real)
    assert (scores["density"], scores["coverage"]) == fid_kid.density_coverage(fake[:60], real)
    assert scores["fid"] == fid_kid.fid(fake, real)
    assert scores["kid"] == fid_kid.kid(fake, real, fid_kid.KID_SUBSETS, 30)[0]
