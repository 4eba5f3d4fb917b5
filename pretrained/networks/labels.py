"""Embeddings of labels, and mixtures of them."""

from __future__ import annotations

from torch import Tensor


def rows(table: Tensor, y: Tensor) -> Tensor:
    """Rows of `table` (num_classes, dim) for labels y (N,) -> (N, dim); for weights y (N, num_classes) weighted sums.

    A weight of 1 gives exactly the row.
    """
    return y @ table if y.is_floating_point() else table[y]
