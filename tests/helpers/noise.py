"""The noise of several processes, noted and given to one: two runs can then be compared whatever each would draw."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

DRAWS = {torch.rand, torch.randn, torch.randint, torch.rand_like, torch.randn_like, torch.multinomial}
DRAWS |= {Tensor.uniform_, F.dropout}
UNKNOWN = {torch.randperm, torch.bernoulli, torch.normal, Tensor.normal_, Tensor.bernoulli_, Tensor.random_}


class Draws(TorchFunctionMode):
    """Hands each draw to `seen`, which may change it in place. Of dropout that is the factor of each value."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if "generator" in (kwargs or {}):  # of the data, which is the same everywhere
            return function(*args, **kwargs)
        assert function not in UNKNOWN, f"{function} is drawn in training, and not known here"
        if function not in DRAWS:
            return function(*args, **(kwargs or {}))
        if function is F.dropout:
            factors = function(torch.ones_like(args[0]), *args[1:], **(kwargs or {}) | {"inplace": False})
            self.seen(factors)
            return args[0] * factors
        drawn = function(*args, **(kwargs or {}))
        self.seen(drawn)
        return drawn

    def seen(self, drawn: Tensor) -> None:
        raise NotImplementedError


class Noted(Draws):
    """Notes all draws."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[Tensor] = []

    def seen(self, drawn: Tensor) -> None:
        self.drawn.append(drawn.detach().clone())


class Given(Draws):
    """Gives the draws of several processes in place of those of one: each draw is one value for each image."""

    def __init__(self, *of_processes: list[Tensor]):
        super().__init__()
        self.drawn = list(zip(*of_processes, strict=True))

    def seen(self, drawn: Tensor) -> None:
        parts = self.drawn.pop(0)
        (axis,) = [axis for axis, (whole, part) in enumerate(zip(drawn.shape, parts[0].shape)) if whole != part]
        drawn.data.copy_(torch.cat(parts, axis))
