"""Handling of out-of-memory errors: smaller batches, then an InputError."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import TypeVar

import torch
from torch import Tensor

from pretrained.system.errors import InputError

Value = TypeVar("Value")
LACKING = re.compile("out of memory|can't allocate memory")  # messages of CUDA and MPS, and of the CPU


def run_in_chunks(run: Callable[..., Tensor], *batch: Tensor | None) -> Tensor:
    """`run(*batch)`; if the device runs out of memory, in halves, down to single rows.

    Results may differ in the last bit between batch sizes, since kernels are chosen by shape.

    Args:
        batch: tensors (N, ...) or None; the first is not None -> (N, ...).

    Raises:
        InputError: not enough memory for a single row.
    """
    count = len(batch[0])
    if count == 1:
        return raise_on_oom(lambda: run(*batch))
    with _if_it_fits():
        return run(*batch)
    torch.cuda.empty_cache()
    halves = zip(*(repeat(None, 2) if rows is None else rows.split(-(-count // 2)) for rows in batch))
    return torch.cat([run_in_chunks(run, *half) for half in halves])


def raise_on_oom(work: Callable[[], Value], remedy: str = "choose `device` cpu") -> Value:
    """`work()`; if the device runs out of memory, its cache is emptied.

    Raises:
        InputError: out of memory.
    """
    with _if_it_fits():
        return work()
    torch.cuda.empty_cache()
    raise InputError(f"out of memory on the device: end other programs that use it, or {remedy}")


@contextmanager
def _if_it_fits() -> Iterator[None]:
    """Suppress out-of-memory errors, which keep the tensors of their frames alive."""
    try:
        yield
    except RuntimeError as error:
        if not LACKING.search(str(error)):
            raise
