"""Which sizes a network takes, in px, and the nearest to one that it does not take."""

from __future__ import annotations

from dataclasses import dataclass

from pretrained.system.errors import InputError

LARGEST = 1024


@dataclass(frozen=True)
class Sizes:
    """Sides of pictures.

    Attributes:
        least: the smallest.
        multiple: what all are multiples of.
        power_of_two: whether they are powers of two.
    """

    least: int
    multiple: int = 1
    power_of_two: bool = False

    def __contains__(self, size: int) -> bool:
        return size >= self.least and not size % self.multiple and not (self.power_of_two and size & (size - 1))

    def __str__(self) -> str:
        kind = "a power of two " if self.power_of_two else f"a multiple of {self.multiple} " * (self.multiple > 1)
        return f"{kind}>= {self.least}"

    def check(self, size: int) -> None:
        """InputError names the nearest sizes, where a network does not take this one."""
        if size in self:
            return
        below = next((near for near in range(min(size, LARGEST), self.least - 1, -1) if near in self), None)
        above = next((near for near in range(max(size, 1), 2 * LARGEST) if near in self), None)
        nearest = " or ".join(str(near) for near in (below, above) if near)
        raise InputError(f"`size` must be {self}, got {size}: choose {nearest or LARGEST}")
