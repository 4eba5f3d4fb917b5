"""Exponential moving average (EMA) of a network: the weights that are published."""

from __future__ import annotations

import copy

import torch
from torch import nn


class EMA:
    """A copy of `network` whose weights are averaged over training with a half-life of `half_life` images.

    Buffers are averaged too, so that the statistics of batch normalisation match the averaged weights. The decay is at
    most (1 + n) / (10 + n) after n steps, so that the random initial weights do not last.
    """

    def __init__(self, network: nn.Module, half_life: float):
        self.half_life = half_life
        self.num_updates = 0
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.weight = torch.zeros((), device=next(network.parameters()).device)  # of what is new

    def schedule(self, num_images: int) -> None:
        """Set the weight of the next update, for which `network` sees `num_images` more images."""
        kept = min(0.5 ** (num_images / max(self.half_life, 1e-9)), (1 + self.num_updates) / (10 + self.num_updates))
        self.num_updates += 1
        self.weight.fill_(1 - kept)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Update the average with the weights of `network`, by the weight that `schedule` has set."""
        ours, theirs = self.network.state_dict(), network.state_dict()
        floating = [name for name, tensor in ours.items() if tensor.is_floating_point()]
        averages, weights = [ours[name] for name in floating], [theirs[name] for name in floating]
        torch._foreach_lerp_(averages, weights, [self.weight.to(tensor.dtype) for tensor in averages])
        for name in sorted(ours.keys() - floating):
            ours[name].copy_(theirs[name])
