"""Averages of the loss terms for the log."""

from __future__ import annotations

import time
from collections import defaultdict

import torch
from torch import Tensor

from trainer import distributed


class MetricLogger:
    """Means of the loss terms since the last log line, over all processes; fetched from the device only by `take`."""

    def __init__(self, images_seen: int):
        self.restart(images_seen)

    def restart(self, images_seen: int) -> None:
        """Start a new interval."""
        self.values: dict[str, list[Tensor]] = defaultdict(list)
        self.num_steps, self.images_seen, self.time = 0, images_seen, time.monotonic()

    def add(self, terms: dict[str, Tensor]) -> None:
        """Add the terms of one step; a term that is not computed in every step is averaged over those that have it."""
        self.num_steps += 1
        for name, value in terms.items():
            self.values[name].append(value)

    def take(self, images_seen: int) -> dict[str, float]:
        """The mean of each term and the speed; starts a new interval."""
        tensors = {name: torch.stack(values).float().mean() for name, values in self.values.items()}
        distributed.all_reduce_mean(tensors.values())
        means = {name: mean.item() for name, mean in tensors.items()}
        means["images/s"] = (images_seen - self.images_seen) / (time.monotonic() - self.time)
        self.restart(images_seen)
        return means
