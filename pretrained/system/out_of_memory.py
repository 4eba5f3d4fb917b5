"""What is done when the device has too little memory: less at once, and at last one sentence."""

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
LACKING = re.compile("out of memory|can't allocate memory")  # the words of CUDA and MPS, and those of a processor


def run_in_chunks(run: Callable[..., Tensor], *batch: Tensor | None) -> Tensor:
    """`run(*batch)`; where the device has no memory for it, that of each half, and so on down to single rows.

    The numbers of a half may differ in the last bit from those of the whole, since kernels are chosen by the shape.

    Args:
        batch: tensors (N, ...) of as many rows, the first of them not None -> (N, ...).

    Raises:
        InputError: it has no memory for a single row.
    """
    count = len(batch[0])
    if count == 1:
        return raise_on_oom(lambda: run(*batch))
    with _if_it_fits():
        return run(*batch)
    torch.cuda.empty_cache()
    halves = zip(*(repeat(None, 2) if rows is None else rows.split(-(-count // 2)) for rows in batch))
    return torch.cat([run_in_chunks(run, *half) for half in halves])


def raise_on_oom(work: Callable[[], Value], remedy: str = "choose --device cpu") -> Value:
    """What the work gives; where the memory is not enough for it, one sentence, and the memory is given back.

    Raises:
        InputError: so.
    """
    with _if_it_fits():
        return work()
    torch.cuda.empty_cache()
    raise InputError(f"the device has too little free memory for this: end what else uses it, or {remedy}")


@contextmanager
def _if_it_fits() -> Iterator[None]:
    """Leave what is in it where memory is lacking; what was computed lives as long as the error, so no longer."""
    try:
        yield
    except RuntimeError as error:
        if not LACKING.search(str(error)):
            raise
