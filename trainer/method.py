"""A method: the networks of a paper and its sequence of updates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from pretrained.checkpoint import Config
from pretrained.networks.sizes import Size
from trainer import data
from trainer.data.batches import Batches
from trainer.data.dataset import Dataset
from trainer.data.files.reading import AS_FOUND, Reading

Updates = Iterator[tuple[nn.Module, dict[str, Tensor]]]

MAIN = ""  # the checkpoint in the folder of the run itself


@dataclass(frozen=True)
class Adam:
    """Optimiser settings of a method: those of its paper, unless the user sets others.

    Attributes:
        kind: "adam" or "rmsprop".
    """

    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    kind: str = "adam"


@dataclass(frozen=True)
class Published:
    """A checkpoint that a method publishes.

    Attributes:
        network: name of the sub-module whose average it holds.
        view: the dataset as this network reads it; a translator of the other direction swaps source and target.
    """

    network: str = "G"
    view: Callable[[Any], Dataset] = lambda dataset: dataset


class Method(nn.Module, ABC):
    """Networks as attributes; all training state is parameters and buffers, so that `state_dict` resumes it.

    Attributes:
        optimizer: the paper's settings.
        shows_after: thousands of images after which samples usually show first shapes, as measured in
            docs/guides/which-recipe.md; None where nobody has looked.
        won_below: a loss of D below which G gets no useful gradient; None where D's loss has no lower bound.
        published: the checkpoints by name, MAIN first. Another one lies in the sub-folder of its name, and is pushed as
            a repository with "-NAME" behind.
        layout: memory format on a CPU; instance normalisation is slower with channels_last.
        measures: scalars for the log that are not minimised, e.g. BEGAN's M; set by `updates`.
        notes: sentences for the user about choices made automatically.
        any_shape: whether images need not be square.
        num_batches: how many batches one iteration of `updates` draws.
    """

    optimizer: Adam = Adam()
    shows_after: float | None = None
    won_below: float | None = None
    published: ClassVar[Mapping[str, Published]] = {MAIN: Published("G")}
    any_shape: ClassVar[bool] = False
    layout: torch.memory_format = torch.channels_last
    num_batches: int = 1

    @classmethod
    def read(
        cls, options: Any, name: str, size: Size, root: Path, channels: int | None, how: Reading = AS_FOUND
    ) -> Dataset:
        """Load the dataset `name`, as given by the `data` field of a recipe, at `size` px."""
        return data.load(name, size, root, channels, how=how)

    def __init__(self, options: Any, data: Dataset):
        super().__init__()
        self.options = options
        self.measures: dict[str, Tensor] = {}
        self.notes: list[str] = []

    def phase(self, batches: Batches) -> Hashable:
        """What the next iteration computes, if that depends on the images seen: whether there is a penalty, say.

        Iterations of one phase run the same kernels on tensors of the same shapes; each phase is captured once.
        """
        return None

    def schedule(self, batches: Batches) -> None:
        """Set what depends on the images seen, as buffers; called before each iteration, and never captured."""

    @abstractmethod
    def updates(self, batches: Batches) -> Updates:
        """One iteration of the paper's algorithm, on the device alone: no `.item()`, no `if` on a tensor.

        Each yield is one optimiser step on that network, minimising the sum of its terms; code after the yield runs
        after the step. Never yield inside a `with`: it would leak out of the suspended generator.
        """

    def begin_from(self, base: Config) -> None:
        """Adapt what is no weight, after the weights of the checkpoint `base` were taken: a schedule, for example."""

    @abstractmethod
    def checkpoint(self) -> dict[str, Any]:
        """The fields `pipeline`, `network`, `input` and `condition` of every published Config."""


def published_name(base: str, name: str) -> str:
    """Full name of the checkpoint `name`: that of the main one, `base`, with "-NAME" appended."""
    return f"{base}-{name}" if name else base
