"""Detects failed training: losses that are not finite, a discriminator that has won, mode collapse."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

CALMER = "try a lower `learning_rate`, or `precision` fp32"
BALANCE = "try a stronger R1 (`penalty` r1, `gamma`), `augment`, or a lower `learning_rate_d`"
PATIENCE = 20  # consecutive log lines with a loss below `won_below`
# Diversity as a fraction of that of real images. Of twenty runs, the successful ones stayed above 0.32 once they had
# reached DIVERSE; a ProGAN that drew the same hand in different light lay between 0.25 and 0.35.
DIVERSE, COLLAPSED = 0.5, 0.3
# Within a class, of that of real images of the class: one face per class, drawn on flat cartoons, lay below 0.17.
COLLAPSED_IN_CLASS, SNAPSHOTS_IN_A_ROW = 0.2, 2
# What D's and G's losses say when D has been winning, and over how many images that is too long.
D_BELOW, G_ABOVE, TOO_LONG = 0.2, 4.0, 20_000


class Collapsed(Exception):
    """Training failed; the message says how, what to try, and where the last good snapshot is."""


def diversity(images: np.ndarray) -> float:
    """Mean pairwise distance of images uint8 (N, H, W, C), per pixel; 0 if all are equal."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    squared = np.square(flat).sum(1)
    distances = np.sqrt(np.maximum(squared[:, None] + squared[None] - 2 * flat @ flat.T, 0))
    return float(distances.sum() / max(len(flat) * (len(flat) - 1), 1) / math.sqrt(flat.shape[1]))


def class_diversity(images: np.ndarray, labels: np.ndarray) -> dict[int, float]:
    """The diversity within each label of which there are two images at least."""
    members = {int(label): images[labels == label] for label in np.unique(labels)}
    return {label: diversity(found) for label, found in members.items() if len(found) > 1}


def outlook(shows_after: float | None, kimg: float) -> str | None:
    """What to say at the beginning of a training of `kimg`, of a method whose samples are noise until `shows_after`."""
    if shows_after is None:
        return None
    words = f"samples are noise at first, and usually show shapes after about {shows_after:g} thousand images"
    return words if kimg > shows_after else f"{words}: this training ends before that, since `kimg` is {kimg:g}"


class Guard:
    """Checks of a running training; each returns None, or one sentence that says what is wrong and what to try.

    Args:
        real: images of the dataset, uint8 (N, H, W, C), whose diversity is the reference.
        won_below: D's loss below which D has won; None if D's loss has no lower bound (a critic).
        labelled: images and labels of the dataset of a conditional model.
    """

    def __init__(
        self, real: np.ndarray, won_below: float | None, labelled: tuple[np.ndarray, np.ndarray] | None = None
    ):
        self.real_diversity = diversity(real)
        self.won_below = won_below
        self.class_diversity = class_diversity(*labelled) if labelled else {}
        self.num_won = self.num_alike = 0
        self.winning_since: int | None = None
        self.was_diverse = False
        self.share: float | None = None

    def check_losses(self, means: Mapping[str, float], images_seen: int = 0) -> str | None:
        """Check the values of one log line."""
        for name, value in means.items():
            if not math.isfinite(value):
                return f"the loss {name!r} is {value}: {CALMER}"
        won = self.won_below is not None and means.get("D", math.inf) < self.won_below
        self.num_won = self.num_won + 1 if won else 0
        if self.num_won == PATIENCE:
            return (
                f"the discriminator has won (its loss stays below {self.won_below}), and G gets no gradient: "
                "try `penalty` r1, `real_label` 0.9 or `augment` diffaugment"
            )
        return self._check_balance(means, images_seen)

    def _check_balance(self, means: Mapping[str, float], images_seen: int) -> str | None:
        winning = self.won_below is not None and means.get("D", math.inf) < D_BELOW and means.get("G", 0) > G_ABOVE
        if not winning:
            self.winning_since = None
        elif self.winning_since is None:
            self.winning_since = images_seen
        elif images_seen - self.winning_since >= TOO_LONG:
            self.winning_since = None
            return (
                f"the discriminator has been winning for long (D's loss below {D_BELOW}, G's above {G_ABOVE:g} over "
                f"{TOO_LONG // 1000} kimg): {BALANCE}"
            )
        return None

    def check_weights(self, method: nn.Module) -> str | None:
        """Check all weights and statistics before they are saved."""
        numbers = [tensor for tensor in (*method.parameters(), *method.buffers()) if tensor.is_floating_point()]
        if all(torch.isfinite(tensor).all() for tensor in numbers):
            return None
        return f"weights or statistics are no longer finite: {CALMER}"

    def check_images(self, images: np.ndarray, labels: np.ndarray | None = None) -> str | None:
        """Check the diversity of the samples of the fixed seeds, uint8 (N, H, W, C), and per label (N,) if given."""
        share = self.share = diversity(images) / max(self.real_diversity, 1e-9)
        if share >= DIVERSE:
            self.was_diverse = True
        if self.was_diverse and share < COLLAPSED:
            return (
                f"the generator has collapsed (diversity {share:.0%} of that of real images): "
                "try `penalty` r1, another `loss` or a lower `learning_rate`"
            )
        # An untrained network gives the same image for all classes; collapse within classes means that classes differ.
        return self._check_classes(images, labels) if labels is not None and share >= COLLAPSED else None

    def last_words(self) -> str | None:
        """What to say at the end of a training whose last samples are grey or all alike; None if they are not."""
        if self.share is None or self.share >= COLLAPSED:
            return None
        return (
            f"the samples differ by {self.share:.0%} of what real images do: they are grey, noise or all alike; "
            "train longer, with a larger `kimg`, or see docs/guides/when-training-goes-wrong.md"
        )

    def _check_classes(self, images: np.ndarray, labels: np.ndarray) -> str | None:
        shares = {
            label: found / max(self.class_diversity[label], 1e-9)
            for label, found in class_diversity(images, labels).items()
            if label in self.class_diversity
        }
        share = sum(shares.values()) / len(shares) if shares else 1.0
        self.num_alike = self.num_alike + 1 if share < COLLAPSED_IN_CLASS else 0
        if self.num_alike < SNAPSHOTS_IN_A_ROW:
            return None
        return f"the generator has collapsed within classes (diversity {share:.0%} of that of real images): {BALANCE}"
