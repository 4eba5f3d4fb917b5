"""What is trained on and what is held out: parts that a folder has, else some that are drawn by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from pretrained.media.files import shown
from pretrained.networks.sizes import Size
from pretrained.system.errors import InputError
from trainer.data.contents import Contents, fingerprint
from trainer.data.files import layout, reading
from trainer.data.files.layout import Found, Item
from trainer.data.files.reading import Reading

Items = Sequence[tuple[Item, ...]]  # images that belong together


@dataclass(frozen=True)
class Split:
    """Decoded images.

    Attributes:
        train: uint8 (N, C, *stored_size).
        held_out: uint8 (M, C, *size).
    """

    train: Tensor
    held_out: Tensor
    contents: Contents
    left_out: list[str]


def read_split(
    path: Path,
    train: Items,
    held_out: Items | None,
    size: Size,
    stored_size: Size,
    channels: int,
    how: Reading,
    columns: int = 1,
) -> Split:
    """Decode what is trained on at `stored_size` and what is held out at `size`.

    Where nothing is held out yet, it is drawn from those that can be read: by a hash of each name, so that another
    image moves no other one.

    Raises:
        InputError: fewer than two can be read.
    """

    def decode(items: Items, pixels: int) -> reading.Decoded:
        stacks = [tuple(item.entry for item in stack) for stack in items]
        return reading.read(path, stacks, pixels, channels, how, columns)

    if held_out is not None:
        found, seen = decode(train, stored_size), decode(held_out, size)
        used = [train[number] for number in found.kept]
        return Split(
            found.images, seen.images, _contents(used, found.digest, seen.digest), [found.left_out, seen.left_out]
        )
    too_few = InputError(f"`data` {shown(str(path))} needs two images at least, of which one is held out")
    # Those that are held out come last: what is trained on and what is not are two slices of one mapped file.
    ordered = sorted(train, key=lambda stack: (layout.share(stack[0].path), stack[0].path), reverse=True)
    if len(ordered) < 2:
        raise too_few
    found = decode(ordered, stored_size)
    used = [ordered[number] for number in found.kept]
    if len(used) < 2:
        raise too_few
    count = layout.num_held_out([layout.share(stack[0].path) for stack in used])
    last = found.images[-count:] if size == stored_size else decode(used[-count:], size).images
    return Split(found.images[:-count], last, _contents(used, found.digest), [found.left_out])


def _contents(items: Items, *digests: str) -> Contents:
    files = [item.entry for stack in items for item in stack]
    return fingerprint(len(files), sum(file.num_bytes for file in files), [], *digests)


def where(found: Found, left_out: Sequence[str], columns: int = 1) -> str:
    """The end of a sentence that says where images were found, and which were left out."""
    kinds = f", from {' and '.join(f'{kind}/' for kind in found.kinds)}" if found.kinds else ""
    beside = ", side by side in each file" if columns > 1 else ""
    split = f" (train and {found.held_out})" if found.held_out else ""
    unused = [part for part in found.parts if part not in ("train", found.held_out)]
    left = "".join(f"; {sum(map(len, found.parts[part]))} in {part}/ are not used" for part in unused)
    lost = "".join(f"; {text}" for text in (*left_out, found.listing.left_out()) if text)
    return kinds + beside + split + left + lost
