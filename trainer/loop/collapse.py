"""Watches a run: numbers that are not finite, a discriminator that has won, pictures that become all alike."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

CALMER = "try a lower --learning-rate, or --precision fp32"
PATIENCE = 20  # log lines in a row before a discriminator counts as the winner
# Diversity, as a share of that of real pictures: of twenty runs those that went well stayed above 0.32 once they had
# been lively, and a ProGAN that drew one and the same hand, in other light, lay between 0.25 and 0.35.
LIVELY, COLLAPSED = 0.5, 0.3


class Collapsed(Exception):
    """Training went wrong; the message says how, with a remedy, and where the last good snapshot is."""


def diversity(images: np.ndarray) -> float:
    """The mean distance between two pictures of uint8 (N, H, W, C), per pixel: 0 when all are alike."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    squared = np.square(flat).sum(1)
    distances = np.sqrt(np.maximum(squared[:, None] + squared[None] - 2 * flat @ flat.T, 0))
    return float(distances.sum() / max(len(flat) * (len(flat) - 1), 1) / math.sqrt(flat.shape[1]))


class Guard:
    """Says what has gone wrong, in one sentence with a remedy, or None.

    Args:
        real: pictures of the data set, uint8 (N, H, W, C): how much variety there should be.
        won_below: D's loss under which it has won; None where D's loss has no floor (a critic's).
    """

    def __init__(self, real: np.ndarray, won_below: float | None):
        self.real_diversity = diversity(real)
        self.won_below = won_below
        self.num_won = 0
        self.was_lively = False

    def check_losses(self, means: Mapping[str, float]) -> str | None:
        """Look at one log line."""
        for name, value in means.items():
            if not math.isfinite(value):
                return f"the loss {name!r} is {value}: {CALMER}"
        won = self.won_below is not None and means.get("D", math.inf) < self.won_below
        self.num_won = self.num_won + 1 if won else 0
        if self.num_won == PATIENCE:
            return (
                f"the discriminator has won (its loss stays below {self.won_below}), so the generator learns nothing: "
                "try --penalty r1, --real-label 0.9 or --diffaugment True"
            )
        return None

    def check_weights(self, method: nn.Module) -> str | None:
        """Look at all weights before they are saved."""
        if all(torch.isfinite(weight).all() for weight in method.parameters()):
            return None
        return f"weights are no longer finite: {CALMER}"

    def check_images(self, images: np.ndarray) -> str | None:
        """Look at the pictures of the fixed seeds, uint8 (N, H, W, C)."""
        share = diversity(images) / max(self.real_diversity, 1e-9)
        if share >= LIVELY:
            self.was_lively = True
        if self.was_lively and share < COLLAPSED:
            return (
                f"the pictures have become alike (diversity {share:.0%} of real ones): "
                "the generator has collapsed; try --penalty r1, another --loss or a lower --learning-rate"
            )
        return None
