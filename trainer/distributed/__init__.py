"""Data-parallel training in several processes, started by torchrun: each computes its slice of every batch.

Gradients are averaged while backward runs, and batch normalisation, minibatch deviation, mean styles and what else
depends on the whole batch see all of it. Each process draws its own noise. So with the same noise, a run has the losses
and weights of one process with the same batch size.
"""

from trainer.distributed.gradients import GradientMean
from trainer.distributed.processes import (
    Agreed,
    Lost,
    agree,
    all_reduce_max,
    broadcast,
    broadcast_state,
    check_environment,
    check_same,
    count,
    describe,
    gather_objects,
    group,
    launcher,
    local_rank,
    noise_seed,
    num_restarts,
    rank,
    rank_zero_first,
    wait_for_zero,
)
from trainer.distributed.whole_batch import all_reduce_mean, gather, local_slice, mean, roll, synchronise

__all__ = [
    "Agreed",
    "GradientMean",
    "Lost",
    "agree",
    "all_reduce_max",
    "all_reduce_mean",
    "broadcast",
    "broadcast_state",
    "check_environment",
    "check_same",
    "count",
    "describe",
    "gather",
    "gather_objects",
    "group",
    "launcher",
    "local_rank",
    "local_slice",
    "mean",
    "noise_seed",
    "num_restarts",
    "rank",
    "rank_zero_first",
    "roll",
    "synchronise",
    "wait_for_zero",
]
