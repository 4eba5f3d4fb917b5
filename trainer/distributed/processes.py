"""The processes of a training: which one this is, how they join, agree and end together."""

from __future__ import annotations

import io
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

import numpy as np
import torch
import torch.distributed as dist

from pretrained.system.errors import InputError
from trainer.distributed.watch import Watch

Value = TypeVar("Value")
VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # which torchrun sets
LONGEST = timedelta(days=7)  # of waiting for process 0, which may prepare a dataset for longer than the usual half hour
CLOSED = re.compile(r"[Cc]onnection (closed|reset|refused)|[Tt]imed out|Broken pipe")  # gloo, NCCL


class Lost(Exception):
    """Another process of the same training has ended."""


class Agreed(InputError):
    """A mistake that all processes know of: it is said once on each machine."""


def rank() -> int:
    """Number of this process, from 0; only process 0 writes to the folder of the run."""
    return int(os.environ.get("RANK", 0))


def count() -> int:
    """Number of processes."""
    return int(os.environ.get("WORLD_SIZE", 1))


def local_rank() -> int:
    """Number of this process among those of its machine."""
    return int(os.environ.get("LOCAL_RANK", 0))


def num_restarts() -> int:
    """How often torchrun has started all processes again."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))


def check_environment() -> None:
    """InputError if the variables of torchrun are there in part, or are no numbers of processes."""
    given = [name for name in VARIABLES if os.environ.get(name)]
    if not {"RANK", "WORLD_SIZE"} & set(given):
        return
    if missing := [name for name in VARIABLES if name not in given]:
        raise InputError(
            f"the environment sets {' and '.join(given)} without {' and '.join(missing)}: start several processes "
            "with torchrun, which sets all of them, or unset them to train in one"
        )
    place = [os.environ.get(name, "0") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")]
    if not all(number.isdecimal() for number in place) or not int(place[0]) < int(place[1]):
        raise InputError(f"RANK must be a number below WORLD_SIZE, got {place[0]} and {place[1]}: start with torchrun")


@contextmanager
def group(batch_size: int, timeout: int = 60) -> Iterator[None]:
    """Join the process group, if torchrun has started several processes, and leave it together.

    Args:
        timeout: seconds after which a process that does not answer is given up, which ends this one.

    Raises:
        InputError: the environment is not that of torchrun, there are fewer GPUs than processes, or the batch size is
            not a multiple of their number.
        Lost: another process ended meanwhile.
    """
    check_environment()
    if batch_size % count():
        raise Agreed(f"`batch_size` must be a multiple of the {count()} processes, got {batch_size}")
    if count() == 1:
        yield
        return
    if num_gpus := torch.cuda.device_count():
        if local_rank() >= num_gpus:
            raise InputError(f"process {local_rank()} of this machine has no GPU of its own: start {num_gpus} of them")
        torch.cuda.set_device(local_rank())
    try:
        backend = "cpu:gloo,cuda:nccl" if num_gpus else "gloo"
        dist.init_process_group(backend, store=_meet(), rank=rank(), world_size=count())
        with Watch(rank(), count(), timeout):
            yield
            wait_for_zero()
    except RuntimeError as error:
        if not CLOSED.search(str(error)):
            raise
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun sends it, maybe before the reason below is printed
        raise Lost("another process has ended; all is saved up to the last snapshot: continue with `resume`") from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _meet() -> dist.Store:
    """A store for the processes of this start alone.

    torchrun may keep its store when it starts all again, with the addresses of processes that have ended, where the new
    ones would wait for ever (torch 2.14). So process 0 names the start, and the others take part under names of their
    own, which those of an earlier start do not have.
    """
    is_host = rank() == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = dist.TCPStore(*place, is_master=is_host, wait_for_workers=False, multi_tenant=True)
    own = uuid4().hex
    if rank() == 0:
        store.set("ganvas", own)
        store.set(f"{own}/all", b" ".join(store.get(f"{own}/{other}") for other in range(1, count())))
        return dist.PrefixStore(own, store)
    while True:
        start = store.get("ganvas").decode()
        store.set(f"{start}/{rank()}", own)
        if store.check([f"{start}/all"]) and own in store.get(f"{start}/all").decode():
            return dist.PrefixStore(start, store)
        time.sleep(0.05)


def wait_for_zero() -> None:
    """Wait for all processes, as long as process 0 takes."""
    if count() == 1:
        return
    dist.barrier(dist.new_group(backend="gloo", timeout=LONGEST))


def rank_zero_first(work: Callable[[], Value]) -> Value:
    """Call `work` in process 0, then in the others, which find for example the cache that it has filled."""
    if rank() == 0:
        done = work()
        wait_for_zero()
        return done
    wait_for_zero()
    return work()


def broadcast(value: Value, source: int = 0) -> Value:
    """The value of the process `source`, in all processes."""
    if count() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values, source)
    return values[0]


def agree(work: Callable[[], Value], source: int = 0) -> Value:
    """What `work` returns in the process `source`, in all processes; its InputError is raised in all."""
    if count() == 1:
        return work()
    value, mistake = None, None
    if rank() == source:
        try:
            value = work()
        except InputError as error:
            mistake = str(error)
    value, mistake = broadcast((value, mistake), source)
    if mistake is not None:
        raise Agreed(mistake)
    return value


def gather_objects(value: Value) -> list[Value]:
    """The values of all processes, in their order."""
    values = [value] * count()
    if count() > 1:
        dist.all_gather_object(values, value)
    return values


def check_same(what: str, value: Any) -> None:
    """InputError in all processes if `value` is not the same in all."""
    values = gather_objects(value)
    if others := [str(number) for number, theirs in enumerate(values) if theirs != values[0]]:
        raise Agreed(f"{what} of process {', '.join(others)} differs from that of process 0: give all of them the same")


def all_reduce_max(value: int) -> int:
    """The maximum over all processes."""
    if count() == 1:
        return value
    largest = torch.tensor(int(value))
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return int(largest)


def noise_seed(seed: int, images_seen: int = 0) -> int:
    """The seed of the noise of this process: in process 0 `seed` itself, as where there is only one."""
    words = np.random.SeedSequence((seed, rank(), images_seen)).generate_state(1, np.uint64)
    return int(words[0] >> 1) if rank() else seed


def broadcast_state(state: dict[str, Any]) -> dict[str, Any]:
    """The tensors and numbers of process 0, on the processor, in all processes."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return torch.load(io.BytesIO(broadcast(buffer.getvalue())), map_location="cpu", weights_only=True)


def describe(device: torch.device) -> dict[str, Any]:
    """Number of processes and machines, and what carries gradients, for the config; nothing of a single process."""
    if count() == 1:
        return {}
    machines = int(os.environ.get("GROUP_WORLD_SIZE", 1))
    return {"count": count(), "machines": machines, "backend": "nccl" if device.type == "cuda" else "gloo"}


def launcher() -> list[str]:
    """The words before `-m trainer` of a command that starts as many processes again, on each machine."""
    if count() == 1:
        return ["python"]
    machines = int(os.environ.get("GROUP_WORLD_SIZE", 1))
    each = os.environ.get("LOCAL_WORLD_SIZE", str(count()))
    meet = ["--nnodes", str(machines), "--rdzv-backend", "c10d", "--rdzv-endpoint", "HOST:PORT"] if machines > 1 else []
    restarts = os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")
    again = ["--max-restarts", restarts] if restarts != "0" else []
    return ["torchrun", *meet, "--nproc-per-node", each, *again]
