"""Several processes that train one model, as torchrun starts them: each takes its part of every batch.

After backward() the gradients are averaged over all of them, and random numbers are drawn for the whole batch, in all
processes the same, of which each uses its part: so they follow the path of one process with the same batch.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from pretrained.system.errors import InputError

Value = TypeVar("Value")
LONGEST = timedelta(days=7)  # to wait for `first`; a group waits half an hour, and a data set may take longer
CLOSED = re.compile(r"[Cc]onnection (closed|reset|refused)|[Tt]imed out|Broken pipe")  # what gloo and NCCL say then


class Lost(Exception):
    """Another process has ended, so this one cannot go on."""


@contextmanager
def group(batch_size: int) -> Iterator[None]:
    """Join the other processes, where torchrun has started any.

    Raises:
        InputError: a batch cannot be shared out evenly among them.
        Lost: another process ended in between.
    """
    if batch_size % count():
        raise InputError(f"--batch-size is {batch_size}, for {count()} processes: give a multiple of {count()}")
    if count() == 1:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    except RuntimeError as error:
        if not CLOSED.search(str(error)):
            raise
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's, which would come before this one has said why
        raise Lost("another process has ended; all is saved up to the last snapshot, and --resume goes on") from error
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """The number of this process, from 0 on; 0 writes to the run's folder, alone."""
    return int(os.environ.get("RANK", 0))


def count() -> int:
    return int(os.environ.get("WORLD_SIZE", 1))


def local_slice(batch_size: int) -> slice:
    """Which pictures of a batch are this process's."""
    share = batch_size // count()
    return slice(rank() * share, (rank() + 1) * share)


def rank_zero_first(work: Callable[[], Value]) -> Value:
    """Do work in process 0 while the others wait, then in them: it finds what is there by then, in a cache say."""
    if count() == 1:
        return work()
    waiting = dist.new_group(backend="gloo", timeout=LONGEST)
    if rank() == 0:
        done = work()
        dist.barrier(waiting)
        return done
    dist.barrier(waiting)
    return work()


def broadcast(value: Value) -> Value:
    """The value that process 0 has, in all of them."""
    if count() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values)
    return values[0]


def all_reduce_max(value: int) -> int:
    """The largest of the values that the processes have."""
    if count() == 1:
        return value
    largest = torch.tensor(value)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return int(largest)


@torch.no_grad()
def all_reduce_mean(tensors: Iterable[Tensor]) -> None:
    """Put the mean over all processes into each tensor."""
    tensors = list(tensors)
    if count() == 1 or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    for tensor, total in zip(tensors, flat.split([tensor.numel() for tensor in tensors])):
        tensor.copy_(total.view_as(tensor) / count())


def gather(x: Tensor) -> Tensor:
    """The parts (N / count, ...) of all processes, in their order: (N, ...)."""
    if count() == 1:
        return x
    parts = [torch.empty_like(x) for _ in range(count())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)


def shared_noise(batch_size: int) -> AbstractContextManager[Any]:
    """While in it, random numbers are drawn as `SharedNoise` says; nothing changes for a process that is alone."""
    return SharedNoise(batch_size) if count() > 1 else nullcontext()


class SharedNoise(TorchFunctionMode):
    """Random numbers for a batch are drawn for all of it, and cut to the part of this process.

    The batch is the first axis, or the second after one of two (two latents, two coordinates).
    """

    def __init__(self, batch_size: int):
        super().__init__()
        self.batch_size, self.part = batch_size, local_slice(batch_size)

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in (torch.rand, torch.randn, torch.randint):
            bounds = args[:-1] if function is torch.randint else ()
            shape = args[-1] if isinstance(args[-1], (tuple, list)) else args
            return self._cut(lambda whole: function(*bounds, whole, **kwargs), torch.Size(shape))
        if function in (torch.rand_like, torch.randn_like):
            draw = torch.rand if function is torch.rand_like else torch.randn
            return self._cut(lambda whole: draw(whole, dtype=args[0].dtype, device=args[0].device), args[0].shape)
        if function is F.dropout:
            x, rest = args[0], args[1:]
            return x * self._cut(lambda whole: function(x.new_ones(whole), *rest, **kwargs), x.shape)
        return function(*args, **kwargs)

    def _cut(self, draw: Callable[[torch.Size], Tensor], shape: torch.Size) -> Tensor:
        share = self.part.stop - self.part.start
        axis = 1 if shape[:2] == (2, share) else 0
        if not shape or shape[axis] != share:
            return draw(shape)
        whole = torch.Size([*shape[:axis], self.batch_size, *shape[axis + 1 :]])
        return draw(whole).narrow(axis, self.part.start, share)
