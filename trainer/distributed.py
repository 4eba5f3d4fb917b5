"""Data-parallel training in several processes, started by torchrun: each computes its slice of every batch.

Gradients are averaged while backward runs, and batch normalisation, minibatch deviation and mean styles see the whole
batch. Random numbers are drawn for the whole batch, identical in all processes, of which each uses its slice. So the
run follows that of one process with the same batch size.
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
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from pretrained.system.errors import InputError

Value = TypeVar("Value")
LONGEST = timedelta(days=7)  # of `rank_zero_first`: preparing a dataset may take longer than the usual half hour
BUCKET_BYTES = 25 << 20  # of gradients that are reduced at once, as in DistributedDataParallel
CLOSED = re.compile(r"[Cc]onnection (closed|reset|refused)|[Tt]imed out|Broken pipe")  # gloo, NCCL


class Lost(Exception):
    """Another process of the same training has ended."""


@contextmanager
def group(batch_size: int) -> Iterator[None]:
    """Join the process group, if torchrun has started several processes.

    Raises:
        InputError: the batch size is not a multiple of the number of processes.
        Lost: another process ended meanwhile.
    """
    if batch_size % count():
        raise InputError(f"`batch_size` must be a multiple of the {count()} processes, got {batch_size}")
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
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun sends it, maybe before the reason below is printed
        raise Lost("another process has ended; all is saved up to the last snapshot: continue with `resume`") from error
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process, from 0; only process 0 writes to the folder of the run."""
    return int(os.environ.get("RANK", 0))


def count() -> int:
    """Number of processes."""
    return int(os.environ.get("WORLD_SIZE", 1))


def local_slice(batch_size: int) -> slice:
    """The slice of a batch that this process computes."""
    share = batch_size // count()
    return slice(rank() * share, (rank() + 1) * share)


def rank_zero_first(work: Callable[[], Value]) -> Value:
    """Call `work` in process 0, then in the others, which find for example the cache that it has filled."""
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
    """The value of process 0, in all processes."""
    if count() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values)
    return values[0]


def all_reduce_max(value: int) -> int:
    """The maximum over all processes."""
    if count() == 1:
        return value
    largest = torch.tensor(value)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return int(largest)


@torch.no_grad()
def all_reduce_mean(tensors: Iterable[Tensor]) -> None:
    """Replace each tensor by its mean over all processes, in place."""
    tensors = list(tensors)
    if count() == 1 or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    for tensor, total in zip(tensors, flat.split([tensor.numel() for tensor in tensors])):
        tensor.copy_(total.view_as(tensor) / count())


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


def synchronise(module: nn.Module) -> None:
    """Let batch normalisation see the batches of all processes; in eval mode nothing changes."""
    for part in module.modules() if count() > 1 else ():
        if isinstance(part, _BatchNorm):
            part.__class__ = type(part.__class__.__name__, (Synchronised, part.__class__), {})


class Synchronised(_BatchNorm):
    """In front of a batch normalisation: mean and variance of all processes, with their gradients."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        dims, shape = [dim for dim in range(x.dim()) if dim != 1], [1, -1] + [1] * (x.dim() - 2)
        mean = all_reduce(x.float().mean(dims)) / count()
        centred = x.float() - mean.view(shape)
        variance = all_reduce(centred.square().mean(dims)) / count()
        size = x.numel() / x.shape[1] * count()
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * size / (size - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)


def gather(x: Tensor) -> Tensor:
    """Concatenate the slices (N / count, ...) of all processes in order: (N, ...)."""
    if count() == 1:
        return x
    parts = [torch.empty_like(x) for _ in range(count())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)


def shared_noise(batch_size: int) -> AbstractContextManager[Any]:
    """A `SharedNoise` context with several processes; with a single one, a context that does nothing."""
    return SharedNoise(batch_size) if count() > 1 else nullcontext()


class SharedNoise(TorchFunctionMode):
    """Draw random numbers for the whole batch, and return the slice of this process.

    The batch is the first axis, or the second after an axis of size 2 (two latents, two coordinates).
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
