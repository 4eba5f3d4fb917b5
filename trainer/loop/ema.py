"""The exponential moving average of a network: what is published, and what pictures are drawn from."""

from __future__ import annotations

import copy

import torch
from torch import nn


class EMA:
    """A copy of `network` that follows it, old weights losing half their share every `half_life` pictures.

    Buffers are averaged like weights, so that batch normalisation's statistics belong to the weights they stand by.
    Early on the memory is shorter: after n steps at most n / (n + 9) is kept, or the random start would show for long.
    """

    def __init__(self, network: nn.Module, half_life: float):
        self.half_life = half_life
        self.num_updates = 0
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, num_images: int) -> None:
        """Move towards `network`, which has seen `num_images` more pictures."""
        kept = min(0.5 ** (num_images / max(self.half_life, 1e-9)), (1 + self.num_updates) / (10 + self.num_updates))
        self.num_updates += 1
        ours, theirs = self.network.state_dict(), network.state_dict()
        floating = [name for name, tensor in ours.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([ours[name] for name in floating], [theirs[name] for name in floating], 1 - kept)
        for name in ours.keys() - floating:
            ours[name].copy_(theirs[name])
