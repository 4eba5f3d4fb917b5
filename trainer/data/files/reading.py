"""A folder or a .zip of images, of any mode and size -> one memory-mapped uint8 array, decoded once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from torch import Tensor

from pretrained.media.files import BROKEN, Entry, Listing, list_images, opened, shown
from pretrained.media.images import Levels, open_image
from pretrained.networks.sizes import Size, sides
from pretrained.system.errors import InputError
from pretrained.system.files import cache_folder, expanded, locked, write_atomic
from trainer.data.files import decoding, frame, memmap, sealed
from trainer.data.files.frame import Resize
from trainer.data.files.layout import LAYOUTS, Name

VERSION = 2  # of how files become arrays
SAMPLED = 16  # files that are looked at before all are read

Stack = tuple[Entry, ...]  # the files of an item


@dataclass(frozen=True)
class Reading:
    """How the files of a folder or .zip are read."""

    layout: Name = "auto"
    """What the folder is: images (plain), sub-folders that are classes, sub-folders A and B of pairs or of two domains
    (folders), or pairs side by side in each file. auto tells by the names, and refuses what is open."""
    resize: Resize = "crop"
    """How an image becomes square: cut out its centre, stretch it, or pad it with white."""
    levels: Levels | None = None
    """Black and white in images of 16 or 32 bits, where the format leaves them open: 0 4095 for 12 bits."""

    def __post_init__(self) -> None:
        if self.levels and not self.levels[0] < self.levels[1]:
            raise InputError(
                f"`levels` must be two numbers, the lower first, got {self.levels[0]:g} {self.levels[1]:g}"
            )

    def allow(self, *layouts: Name) -> None:
        """Refuse a layout that means nothing to what is trained; "auto" always does."""
        if self.layout not in ("auto", *layouts):
            raise InputError(f"`layout` must be one of auto, {', '.join(layouts)} for this recipe, got {self.layout}")


AS_FOUND = Reading()


@dataclass(frozen=True)
class Decoded:
    """An array of the cache.

    Attributes:
        images: uint8 (N, C, size, size).
        kept: which of the items they are; the others cannot be read.
        digest: SHA-256 of the array.
        left_out: which cannot be read, and why; "" where all can.
    """

    images: Tensor
    kept: list[int]
    digest: str
    left_out: str


def open_listing(name: str, legal: str = "a folder or .zip of such images, or fake") -> Listing:
    """The files in the folder or .zip that `data` names.

    Raises:
        InputError: there is none.
    """
    path = expanded(name)
    if not path.exists():
        raise InputError(f"`data` {shown(name)} does not exist: {legal}")
    try:
        return list_images(path)
    except InputError as error:
        raise InputError(f"`data` {error}") from error


def channels_of(path: Path, entries: Sequence[Entry]) -> int:
    """1 where all images of a folder or .zip are grey, as their heads say, else 3."""
    note = _stem(path, "grey", _digest(path, [(entry,) for entry in entries])).with_suffix(".txt")
    if note.exists():
        return 1
    with opened(path) as find:

        def is_colour(entry: Entry) -> bool:
            try:
                with _file(find, entry) as file:
                    return not is_grey(file)
            except Exception:  # whoever decodes it says what is wrong
                return False

        with contextlib.closing(decoding.in_order(is_colour, entries)) as looked:
            if any(colour for _, colour in looked):
                return 3
    write_atomic(note, b"all images are grey\n")  # or all would be opened again by the next run
    return 1


def is_grey(file: BinaryIO) -> bool:
    """Whether an image is stored as grey, as its head says."""
    with Image.open(file) as image:
        if image.mode != "P":
            return image.mode[0] in "1LIF"
        return not np.ptp(np.reshape(image.getpalette("RGB"), (-1, 3)), axis=1).any()


def _file(find: Callable[[str], Path | BinaryIO], entry: Entry) -> AbstractContextManager[BinaryIO]:
    found = find(entry.name)
    return found.open("rb") if isinstance(found, Path) else found


def read(path: Path, stacks: Sequence[Stack], size: Size, channels: int, how: Reading, columns: int = 1) -> Decoded:
    """Images that belong together, one upon the other along the channels, from the cache or decoded into it.

    Args:
        stacks: the files of each item, in order.
        columns: how many pictures of equal width stand side by side in a file.

    Returns:
        uint8 (N, len(stack) * columns * channels, *size). An item with a broken file is named and left out.

    Raises:
        InputError: none, or nearly none, can be read, or the pictures of an item do not lie upon each other.
    """
    key = [size, channels, how.resize, how.levels, columns, how.layout == "side-by-side"]
    stem = _stem(path, str(size), _digest(path, stacks, *key))
    busy = f"another process reads the images of {shown(str(path))}: waiting for it"
    if (found := sealed.read(stem)) is None:
        with locked(stem.with_suffix(".lock"), busy, patient=True, remedy="set XDG_CACHE_HOME"):
            if (found := sealed.read(stem)) is None:
                stem.with_suffix(".json").unlink(missing_ok=True)
                found = _decode(path, stacks, size, channels, how, columns, stem)
    left_out = set(found["left_out"])
    kept = [number for number in range(len(stacks)) if number not in left_out]
    lost = decoding.left_out(found["broken"], len(left_out), len(stacks))
    return Decoded(memmap.read(stem.with_suffix(".npy")), kept, found["digest"], lost)


def _stem(path: Path, what: str, digest: str) -> Path:
    name = re.sub(r"[^A-Za-z0-9_-]", "-", path.stem)[:60]
    return cache_folder() / f"{name}-{what}-{digest[:16]}"


def _digest(path: Path, stacks: Sequence[Stack], *how: object) -> str:
    """SHA-256 of all that the array depends on: piece by piece, since that of many files is long."""
    digest = hashlib.sha256(json.dumps([VERSION, str(path.resolve()), *how]).encode())
    for stack in stacks:
        digest.update(json.dumps([(entry.name, entry.num_bytes, entry.modified) for entry in stack]).encode())
    return digest.hexdigest()


class _Refused(Exception):
    """Why a whole set is refused, rather than one file left out."""


def _decode(
    path: Path, stacks: Sequence[Stack], size: Size, channels: int, how: Reading, columns: int, stem: Path
) -> dict[str, Any]:
    """Write the array and its index -> the index: which items are left out, and what the array is checked by."""
    with opened(path) as find:

        def pictures(stack: Stack) -> list[Image.Image]:
            found = []
            for entry in stack:
                with _file(find, entry) as file:
                    image = open_image(file, channels, levels=how.levels, any_format=True)
                if columns > 1 and how.layout != "side-by-side":
                    _check_columns(entry, image, columns)
                width = image.width // columns
                boxes = [(column * width, 0, (column + 1) * width, image.height) for column in range(columns)]
                found += [image.crop(box) for box in boxes] if columns > 1 else [image]
            return found

        def decode(stack: Stack) -> np.ndarray | str:
            try:
                found = pictures(stack)
            except (InputError, *BROKEN) as error:
                return f"{shown(stack[0].name)}: {error}"
            try:
                framed = frame.to_one_frame(found, stretch)
            except InputError as error:
                raise _Refused(f"{' and '.join(shown(entry.name) for entry in stack)}: {error}") from error
            return np.concatenate([frame.to_size(image, size, how.resize) for image in framed])

        shape = len(stacks[0]) * columns * channels, *sides(size)
        try:
            sample = stacks[:: -(-len(stacks) // SAMPLED)]
            if columns > 1 and how.layout != "side-by-side":
                _check_seams(sample, find, columns)
            stretch = how.resize == "stretch" or (len(stacks[0]) > 1 and _are_squeezed(sample, pictures))
            journal = decoding.fill(stem, shape, stacks, decode, f"`data` {shown(str(path))}")
            return sealed.write(stem, {"left_out": journal.left_out, "broken": journal.broken})
        except _Refused as error:
            raise InputError(f"`data` {shown(str(path))}: {error}") from error
        except OSError as error:
            raise decoding.cannot_write(stem.parent, error) from error


def _check_columns(entry: Entry, image: Image.Image, columns: int) -> None:
    try:
        frame.check_columns(image.size, columns)
    except InputError as error:
        raise _Refused(
            f"{shown(entry.name)}: {error}, and there are no sub-folders A and B: set `layout` to side-by-side if they "
            f"are, or make pairs with `degradation`. Layouts that are known: {LAYOUTS}"
        ) from error


def _check_seams(sample: Sequence[Stack], find: Callable[[str], Path | BinaryIO], columns: int) -> None:
    """Refuse files that have the shape of pairs, but go on smoothly where two pictures would meet."""
    smooth = []
    for (entry,) in sample:
        with contextlib.suppress(InputError, *BROKEN), _file(find, entry) as file:
            image = open_image(file, any_format=True)
            _check_columns(entry, image, columns)
            smooth.append(frame.is_one_picture(image, columns))
    if smooth and sum(smooth) > len(smooth) / 2:
        raise _Refused(
            f"{shown(sample[0][0].name)} looks like one image, not like {columns} side by side: set `layout` to "
            f"side-by-side if it is a pair. Layouts that are known: {LAYOUTS}"
        )


def _are_squeezed(sample: Sequence[Stack], pictures: Callable[[Stack], list[Image.Image]]) -> bool:
    """Whether images of pairs that differ in shape show the same frame, one of them resized to another shape."""
    votes = []
    for stack in sample:
        with contextlib.suppress(InputError, *BROKEN):
            found = pictures(stack)
            if not frame.same_aspect(found):
                votes.append(frame.is_squeezed(found))
    return False not in votes and votes.count(True) > len(votes) / 2
