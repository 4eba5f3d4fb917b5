"""A round of updates as one CUDA graph: captured once for each phase of a method, then replayed.

A step of small networks is bound by Python, which launches hundreds of kernels one by one; a graph launches them all.
What is captured reads and writes the same memory at each replay, so batches, learning rates and the weights of averages
lie in tensors that are filled before; noise is drawn anew, and what it draws is what uncaptured steps would have drawn.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from pretrained.system.errors import InputError
from trainer import distributed
from trainer.data.batches import Batches
from trainer.method import Method

WARM_UP = 3  # rounds of a phase before it is captured: by then optimisers have their state, and cuBLAS its workspaces

Work = Callable[[], Tensor]
# Why a run is not captured: asked of the device, the first that holds. No method is left out.
REASONS: dict[str, Callable[[torch.device], bool]] = {
    "the device is no CUDA GPU": lambda device: device.type != "cuda",
    "gradients are exchanged between several processes": lambda device: distributed.count() > 1,
}


def reason_against(device: torch.device) -> str | None:
    """Why rounds cannot be captured here; None where they can."""
    return next((reason for reason, holds in REASONS.items() if holds(device)), None)


def is_wanted(wanted: str, device: torch.device, notes: list[str]) -> bool:
    """Whether to capture, as --cuda-graphs says; `auto` on a GPU that cannot be captured adds the reason to `notes`.

    Raises:
        InputError: `on`, where it cannot be.
    """
    reason = reason_against(device)
    if wanted == "on" and reason:
        raise InputError(f"`cuda_graphs` on is not possible, since {reason}: give auto or off")
    if wanted == "auto" and reason and device.type == "cuda":
        notes.append(f"steps are not captured as CUDA graphs, since {reason}")
    return wanted != "off" and reason is None


class StaticBatches:
    """The batches of one round, in tensors that stay where they are; a method reads it as it reads `Batches`."""

    def __init__(self, source: Batches, num_batches: int):
        self.source, self.batch_size, self.num_in_round = source, source.batch_size, num_batches
        self.held: list[tuple[Tensor | None, ...]] = []

    def load(self) -> None:
        """Copy the next batches of the source over those of the last round."""
        self.first = self.source.images_seen
        self.again()
        drawn = [(*next(self.source), self.source.indices) for _ in range(self.num_in_round)]
        if not self.held:
            self.held = [tuple(None if x is None else x.clone() for x in batch) for batch in drawn]
            return
        for held, batch in zip(self.held, drawn):
            for ours, theirs in zip(held, batch):
                if ours is not None:
                    ours.copy_(theirs)

    def again(self) -> StaticBatches:
        """Give those of this round from the first on."""
        self.images_seen, self.next = self.first, 0
        return self

    @property
    def num_batches(self) -> int:
        return self.images_seen // self.batch_size

    def __next__(self) -> tuple[Tensor | None, ...]:
        *batch, self.indices = self.held[self.next]
        self.next, self.images_seen = self.next + 1, self.images_seen + self.batch_size
        return tuple(batch)


class CudaGraphs:
    """What records work and repeats it, on the GPU; all graphs share their memory, since one runs after the other."""

    def __init__(self) -> None:
        self.pool, self.stream = torch.cuda.graph_pool_handle(), torch.cuda.Stream()

    def warm_up(self, work: Callable[[], Any]) -> Any:
        """Do the work uncaptured, on a stream of its own, as capturing it will."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            done = work()
        torch.cuda.current_stream().wait_stream(self.stream)
        return done

    def record(self, work: Work) -> tuple[Callable[[], None], Tensor]:
        """Capture the work, without doing it -> what does it, and where its result will be."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            result = work()
        return graph.replay, result


class CapturedRounds:
    """Rounds of a method, each phase captured after a few, then replayed."""

    def __init__(
        self,
        method: Method,
        batches: Batches,
        run: Callable[[Any], dict[str, Tensor]],
        recorder: Any,
        falls_back: bool = False,
    ):
        """
        Args:
            run: does one round on batches, and gives the terms of its losses.
            recorder: `CudaGraphs`, or what stands in for it in tests.
            falls_back: whether to go on uncaptured, and say so, where CUDA refuses to capture a round.
        """
        self.method, self.run, self.recorder, self.falls_back = method, run, recorder, falls_back
        self.is_refused = False
        self.batches = StaticBatches(batches, method.num_batches)
        self.forget()

    def forget(self) -> None:
        """Capture anew: the optimisers' state has been replaced."""
        self.num_warm = Counter[Hashable]()
        self.captured: dict[Hashable, tuple[Callable[[], None], list[str], Tensor]] = {}

    def __call__(self) -> dict[str, Tensor]:
        """One round on the next batches -> the terms of its losses."""
        phase = self.method.phase(self.batches.source)
        self.batches.load()
        if phase not in self.captured and self.num_warm[phase] < WARM_UP:
            self.num_warm[phase] += 1
            return self.recorder.warm_up(lambda: self.run(self.batches))
        if phase not in self.captured and not self.is_refused:
            self._capture(phase)
        if self.is_refused:
            return self.run(self.batches.again())
        replay, names, values = self.captured[phase]
        replay()
        return dict(zip(names, values.clone().unbind()))  # the next graph may use this memory

    def _capture(self, phase: Hashable) -> None:
        names: list[str] = []

        def work() -> Tensor:
            terms = self.run(self.batches)
            names.extend(terms)
            return torch.stack([term.float() for term in terms.values()])

        try:
            replay, values = self.recorder.record(work)
        except RuntimeError as error:  # nothing of the round was done yet
            if not self.falls_back:
                raise
            self.is_refused = True
            sentence = f"steps are no longer captured as CUDA graphs, since CUDA refused: {str(error).splitlines()[0]}"
            tqdm.write(sentence, file=sys.stderr)
            return
        self.captured[phase] = replay, names, values
