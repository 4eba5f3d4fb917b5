"""How the source and the target of a pair come out of what is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from torch import Tensor

from pretrained.pipelines.degradations import DEGRADATIONS, degrade

Seeds = Sequence[int | Sequence[int]]  # one for each image, for what is random in a degradation


class Sources(Protocol):
    """How sources and targets come out of what is stored.

    Attributes:
        has_targets: whether the target is something else than the source.
        extra: what the last channels of a source are, and how many, where they are no part of the image.
        described: the `source` of a config.
    """

    has_targets: bool
    extra: tuple[str, int] | None

    @property
    def described(self) -> dict[str, Any]: ...

    def __call__(self, images: Tensor, seeds: Seeds) -> tuple[Tensor, Tensor]:
        """uint8 (B, ...) as it is stored -> sources and targets, uint8."""
        ...


@dataclass(frozen=True)
class Stacked:
    """A lies upon B along the channels.

    Attributes:
        num_first: the channels of A, with those of a second image that is shown beside it.
        second: how many are those of the second image.
        swapped: whether A is the target.
    """

    num_first: int
    second: int = 0
    swapped: bool = False
    has_targets: ClassVar[bool] = True

    @property
    def extra(self) -> tuple[str, int] | None:
        return ("second", self.second) if self.second else None

    @property
    def described(self) -> dict[str, Any]:
        return {"kind": "picture"}

    def __call__(self, images: Tensor, seeds: Seeds) -> tuple[Tensor, Tensor]:
        first, last = images[:, : self.num_first], images[:, self.num_first :]
        return (last, first) if self.swapped else (first, last)


@dataclass(frozen=True)
class Degraded:
    """Sources are made of their targets, by the row `kind` of DEGRADATIONS; the options not given have its defaults."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    has_targets: ClassVar[bool] = True

    @property
    def extra(self) -> tuple[str, int] | None:
        return ("mask", 1) if DEGRADATIONS[self.kind].masks else None

    @property
    def described(self) -> dict[str, Any]:
        return {"kind": self.kind, **({"options": dict(self.options)} if self.options else {})}

    def __call__(self, images: Tensor, seeds: Seeds) -> tuple[Tensor, Tensor]:
        return degrade(self.kind, images, seeds, self.options), images


@dataclass(frozen=True)
class Alone:
    """Each image is its own source, and nothing says what should come out."""

    has_targets: ClassVar[bool] = False
    extra: ClassVar[None] = None

    @property
    def described(self) -> dict[str, Any]:
        return {"kind": "picture"}

    def __call__(self, images: Tensor, seeds: Seeds) -> tuple[Tensor, Tensor]:
        return images, images


ALONE = Alone()
