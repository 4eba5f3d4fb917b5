"""Gradients that are means over all processes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainer.distributed.processes import count

BUCKET_BYTES = 25 << 20  # of gradients that are reduced at once, as in DistributedDataParallel


class GradientMean:
    """While in it, backward() gives gradients that are means over all processes, reduced while it still runs.

    Gradients are reduced in a few flat buckets, the last layers' first, each as soon as it is complete and in the same
    order everywhere. This is what DistributedDataParallel does too, but that waits for its own forward, while methods
    enter networks by their parts (`G.mapping`, `D.match`): its gradients would stay those of one process.
    """

    def __init__(self, weights: Iterable[nn.Parameter]):
        self.buckets: list[list[nn.Parameter]] = []
        size = 0
        for weight in reversed(list(weights) if count() > 1 else []):
            if not self.buckets or size + weight.nbytes > BUCKET_BYTES:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(weight)
            size += weight.nbytes
        for number, bucket in enumerate(self.buckets):
            for weight in bucket:
                weight.register_post_accumulate_grad_hook(lambda _, number=number: self._arrived(number))

    def __enter__(self) -> None:
        self.missing = [len(bucket) for bucket in self.buckets]
        self.reduced: list[tuple[list[Tensor], Tensor, dist.Work]] = []
        self.num_started = 0

    def _arrived(self, number: int) -> None:
        self.missing[number] -= 1
        while self.num_started < len(self.buckets) and not self.missing[self.num_started]:
            self._start()

    def _start(self) -> None:
        gradients = [weight.grad for weight in self.buckets[self.num_started] if weight.grad is not None]
        self.num_started += 1
        if gradients:
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            self.reduced.append((gradients, flat, dist.all_reduce(flat, async_op=True)))

    @torch.no_grad()
    def __exit__(self, error: type[BaseException] | None, *_: Any) -> None:
        while error is None and self.num_started < len(self.buckets):  # weights that have no gradient in this update
            self._start()
        for gradients, flat, work in self.reduced:
            work.wait()
            for gradient, total in zip(gradients, flat.split([gradient.numel() for gradient in gradients])):
                gradient.copy_(total.view_as(gradient) / count())
