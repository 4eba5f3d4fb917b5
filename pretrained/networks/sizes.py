"""Sizes of images in px, which sizes a network takes, and the nearest to one that it does not take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import Any

from pretrained.system.errors import InputError

LARGEST = 1024
Size = int | str  # 64 is a square; "96x64" is 96 px wide and 64 px high
SHAPE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")


def sides(size: Size) -> tuple[int, int]:
    """Height and width.

    Raises:
        InputError: it is no size.
    """
    if type(size) is int:
        return size, size
    found = SHAPE.fullmatch(size) if isinstance(size, str) else None
    if found is None:
        raise InputError(f"`size` must be a number or WIDTHxHEIGHT, such as 64 or 96x64, got {size}")
    return int(found[2]), int(found[1])


def size_of(height: int, width: int) -> Size:
    """The size of images (height, width), as it is written."""
    return height if height == width else f"{width}x{height}"


def is_size(value: Any) -> bool:
    """Whether a value from elsewhere is written like a size."""
    return type(value) is int or (isinstance(value, str) and bool(SHAPE.fullmatch(value)))


def scaled(size: Size, factor: float) -> Size:
    """The size with both sides multiplied, rounded to whole px."""
    return size_of(*(round(side * factor) for side in sides(size)))


def base_map(size: Size, smallest: int = 4) -> tuple[int, tuple[int, int]]:
    """How often both sides can be halved until the shorter one has `smallest` px or a little more; that map's sides."""
    height, width = sides(size)
    halvings = max(min(height, width) // smallest, 1).bit_length() - 1
    return halvings, (height >> halvings, width >> halvings)


@dataclass(frozen=True)
class Sizes:
    """Sides of images.

    Attributes:
        least: the smallest.
        multiple: what all are multiples of.
        power_of_two: whether they are powers of two.
        halved: whether both can be halved evenly down to `base_map`.
    """

    least: int
    multiple: int = 1
    power_of_two: bool = False
    halved: bool = False

    def __contains__(self, size: Size) -> bool:
        step = self._step(size)
        return all(
            side >= self.least and not side % step and not (self.power_of_two and side & (side - 1))
            for side in sides(size)
        )

    def _step(self, size: Size) -> int:
        return 1 << base_map(size)[0] if self.halved else self.multiple

    def check(self, size: Size) -> None:
        """InputError names the nearest sizes, where a network does not take this one."""
        if size in self:
            return
        step = self._step(size)
        kind = "a power of two " if self.power_of_two else f"a multiple of {step} " * (step > 1)
        what = "`size`" if type(size) is int else "Both sides of `size`"
        nearest = " or ".join(str(near) for near in self._nearest(size)) or LARGEST
        raise InputError(f"{what} must be {kind}>= {self.least}, got {size}: choose {nearest}")

    def _nearest(self, size: Size) -> list[Size]:
        """The size with the nearest smaller sides, and with the nearest larger ones."""
        height, width = sides(size)
        if height == width:
            below, above = range(min(height, LARGEST), self.least - 1, -1), range(max(height, 1), 2 * LARGEST)
            near = [next((side for side in found if side in self), None) for found in (below, above)]
            return [side for side in near if side]
        step = self._step(size)
        rounded = [[max(self.least, side // step * step), -(-side // step) * step] for side in (height, width)]
        near = [size_of(*pair) for pair in product(*rounded)]
        return list(dict.fromkeys(size for size in near if size in self))[:2]
