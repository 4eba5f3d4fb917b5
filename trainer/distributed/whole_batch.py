"""What depends on the whole batch, of which each process has its slice: statistics, sums, and neighbouring images."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pretrained.networks.equalized import SumOfProcesses
from trainer.distributed.processes import count, rank


def gather(x: Tensor) -> Tensor:
    """Concatenate the slices (N / count, ...) of all processes in order: (N, ...)."""
    if count() == 1:
        return x
    parts = [torch.empty_like(x) for _ in range(count())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)


def local_slice(batch_size: int) -> slice:
    """The slice of a batch that this process computes."""
    share = batch_size // count()
    return slice(rank() * share, (rank() + 1) * share)


def roll(x: Tensor) -> Tensor:
    """Each image takes that before it, the first the last of the whole batch: (N / count, ...) -> the same shape."""
    whole = gather(x).roll(1, dims=0)
    return whole[local_slice(len(whole))]


def mean(x: Tensor) -> Tensor:
    """The mean of `x` over all processes, without its gradient."""
    x = x.detach().clone()
    all_reduce_mean([x])
    return x


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
        mean = SumOfProcesses.apply(x.float().mean(dims)) / count()
        centred = x.float() - mean.view(shape)
        variance = SumOfProcesses.apply(centred.square().mean(dims)) / count()
        size = x.numel() / x.shape[1] * count()
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * size / (size - 1), self.momentum)
        scale = (variance + self.eps).rsqrt()
        if not self.affine:
            return (centred * scale.view(shape)).to(x.dtype)
        return (centred * (self.weight * scale).view(shape) + self.bias.view(shape)).to(x.dtype)
