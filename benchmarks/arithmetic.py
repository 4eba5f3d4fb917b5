"""How much a step computes, and how fast this processor multiplies at best."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Operations(TorchDispatchMode):
    """Counts multiplications and additions, each for one, in gradients of gradients too."""

    total = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if count := flop_registry.get(function._overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=result)
        return result


def ceiling(size: int = 2048, repeats: int = 5) -> float:
    """GFLOP/s of a matrix product, the best of some."""
    a, b = torch.randn(2, size, size).unbind()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        a @ b
        taken.append(time.perf_counter() - start)
    return 2 * size**3 / min(taken) / 1e9
