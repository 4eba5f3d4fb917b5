"""Labels as vectors, and what lies between two of them."""

from __future__ import annotations

from torch import Tensor


def rows(table: Tensor, y: Tensor) -> Tensor:
    """Rows of `table` (num_classes, dim) for labels y (N,) -> (N, dim); for shares y (N, num_classes) their mixture.

    A share of 1 gives the row itself, to the bit.
    """
    return y @ table if y.is_floating_point() else table[y]
