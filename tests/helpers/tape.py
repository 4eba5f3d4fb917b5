"""What a CUDA graph does and forbids, on a processor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tape(TorchDispatchMode):
    """Notes each operation, with the tensors that it reads and writes, and repeats all of them on the same tensors.

    Like a graph it runs no Python again: a number, a choice or a tensor that Python made stays as it was then.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Any]]] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        self.operations.append((function, args, kwargs or {}, tree_leaves(result)))
        return result

    @torch.no_grad()
    def play(self) -> None:
        for function, args, kwargs, results in self.operations:
            again = tree_leaves(function(*args, **kwargs))
            if not any(part.alias_info for part in function._schema.returns):  # neither in place nor a view
                for result, new in zip(results, again, strict=True):
                    if isinstance(result, Tensor):
                        result.copy_(new)


class Tapes:
    """Takes the place of `CudaGraphs`; a tape is filled by doing the work, so its first play is already done."""

    def __init__(self) -> None:
        self.num_recorded = self.num_played = 0

    def warm_up(self, work: Callable[[], Any]) -> Any:
        return work()

    def record(self, work: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        self.num_recorded += 1
        tape, is_done = Tape(), [True]
        with tape:
            result = work()

        def play() -> None:
            if not is_done.pop():
                self.num_played += 1
                tape.play()
            is_done.append(False)

        return play, result


READS = {"item", "tolist", "numpy", "cpu", "__bool__", "__int__", "__float__", "__index__", "nonzero", "__array__"}
MAKES = {"rand", "randn", "randint", "randperm", "arange", "zeros", "ones", "empty", "full", "linspace", "eye"}
COPIES = {"tensor", "as_tensor", "from_numpy", "new_tensor", "scalar_tensor"}
SIZED_BY_VALUES = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "_unique2", "unique_dim"}


class StaysOnDevice(TorchFunctionMode):
    """Fails where Python reads a tensor's value, makes a tensor of its own values, or does not say on which device."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(function, "__name__", "")
        assert name not in READS, f"{resolve_name(function)} waits for the device"
        assert name not in COPIES, f"{resolve_name(function)} copies from the host"
        if name in MAKES and (resolve_name(function) or "").startswith("torch."):
            assert "device" in (kwargs or {}), f"torch.{name} makes a tensor on the host"
        return function(*args, **(kwargs or {}))


class NoScalars(TorchDispatchMode):
    """Fails where an operation, backward ones included, gives a number to Python, or a size that values decide."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        assert function.overloadpacket.__name__ not in SIZED_BY_VALUES, f"{function} waits for the device"
        indices = args[1] if function.overloadpacket.__name__ == "index" else ()
        assert not any(i is not None and i.dtype == torch.bool for i in indices), "a mask as an index has any size"
        return function(*args, **(kwargs or {}))
