"""What the log says of the steps since its last line."""

from __future__ import annotations

import time
from collections import defaultdict

import torch
from torch import Tensor

from trainer import distributed


class MetricLogger:
    """The means of the loss terms since the last log line, over all processes, fetched only when they are written."""

    def __init__(self, images_seen: int):
        self.restart(images_seen)

    def restart(self, images_seen: int) -> None:
        """Forget what was noted."""
        self.values: dict[str, list[Tensor]] = defaultdict(list)
        self.num_steps, self.images_seen, self.time = 0, images_seen, time.monotonic()

    def add(self, terms: dict[str, Tensor]) -> None:
        """Note the terms of one step; a term that is not computed at every step is averaged where it is."""
        self.num_steps += 1
        for name, value in terms.items():
            self.values[name].append(value)

    def take(self, images_seen: int) -> dict[str, float]:
        """The mean of each term, and the speed; begins anew."""
        tensors = {name: torch.stack(values).float().mean() for name, values in self.values.items()}
        distributed.all_reduce_mean(tensors.values())
        means = {name: mean.item() for name, mean in tensors.items()}
        means["images/s"] = (images_seen - self.images_seen) / (time.monotonic() - self.time)
        self.restart(images_seen)
        return means
