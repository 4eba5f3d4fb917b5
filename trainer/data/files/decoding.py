"""Picture files -> one growing array, decoded in threads; what was interrupted goes on where it was."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from pretrained.system.errors import InputError
from pretrained.system.files import write_atomic
from trainer.data.files import memmap

TOGETHER = 8  # pictures that a thread decodes before it changes hands
SHOWN = 5  # of the pictures that are left out
FEWEST = 0.01  # of the files of a set that must be readable
NOTED_EVERY = 5  # seconds

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class Journal:
    """How far a reading is.

    Attributes:
        items: how many have been looked at.
        left_out: the numbers of those that cannot be read.
        broken: why, for the first of them.
        pieces: what the array holds, as `memmap.Images` counts it.
    """

    items: int = 0
    left_out: list[int] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    pieces: list[tuple[int, str]] = field(default_factory=list)


def fill(
    stem: Path, shape: tuple[int, ...], items: Sequence[Item], decode: Callable[[Item], np.ndarray | str], what: str
) -> Journal:
    """Decode all items into the array `stem`.npy, in their order; broken ones among good ones are left out.

    Args:
        decode: an item -> uint8 of `shape`, or a sentence that says why not.
        what: holds the items, as the user calls it.

    Raises:
        InputError: none can be read; says why.
        OSError: the disk is full, or nobody may write there.
    """
    part, note = stem.with_suffix(".part"), stem.with_suffix(".journal")
    try:
        journal = _fill(part, note, shape, items, decode)
        if len(journal.left_out) == len(items):
            raise InputError(f"{what} holds no image that can be read: {journal.broken[0]}")
        if len(items) - len(journal.left_out) < FEWEST * len(items):
            raise InputError(
                f"{what} holds {len(journal.left_out)} of {len(items)} images that cannot be read, too many to train "
                f"on the rest: {'; '.join(journal.broken)}"
            )
        os.replace(part, stem.with_suffix(".npy"))
    except Exception:  # a full disk is not left full; Ctrl-C leaves what there is
        part.unlink(missing_ok=True)
        raise
    finally:
        if not part.exists():
            note.unlink(missing_ok=True)
    return journal


def _fill(
    part: Path,
    note: Path,
    shape: tuple[int, ...],
    items: Sequence[Item],
    decode: Callable[[Item], np.ndarray | str],
) -> Journal:
    """Append to the array `part`, and say in `note` from time to time how far it is."""
    journal, images = _go_on(part, note, shape)
    noted = time.monotonic()
    bar = tqdm(desc="reading images", total=len(items), initial=journal.items, unit="", leave=False)
    decoded = in_order(decode, items[journal.items :])
    with contextlib.closing(images), contextlib.closing(decoded), bar:
        for _, image in decoded:
            if isinstance(image, str):
                journal.left_out.append(journal.items)
                journal.broken = [*journal.broken, image][:SHOWN]
            else:
                images.append(image)
            journal.items += 1
            bar.update()
            if time.monotonic() - noted > NOTED_EVERY:
                images.flush()
                journal.pieces = images.pieces
                write_atomic(note, json.dumps(asdict(journal)).encode())
                noted = time.monotonic()
        images.flush()
    return journal


def _go_on(part: Path, note: Path, shape: tuple[int, ...]) -> tuple[Journal, memmap.Images]:
    """What an interrupted reading left, or a beginning."""
    with contextlib.suppress(FileNotFoundError, EOFError, ValueError, TypeError):  # it may be damaged
        journal = Journal(**json.loads(note.read_bytes()))
        images = memmap.Images(part, shape, journal.pieces)
        if images.count == journal.items - len(journal.left_out):
            return journal, images
        images.close()
    return Journal(), memmap.Images(part, shape)


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """Each item and what `work` makes of it, in threads; a few items are in memory, however many there are."""

    def work_on(some: list[Item]) -> list[tuple[Item, Result]]:
        return [(item, work(item)) for item in some]

    num_threads, items = os.cpu_count() or 1, iter(items)
    waiting: deque[Future[list[tuple[Item, Result]]]] = deque()
    with ThreadPoolExecutor(num_threads) as pool:
        while some := list(islice(items, TOGETHER)):
            waiting.append(pool.submit(work_on, some))
            if len(waiting) > num_threads:
                yield from waiting.popleft().result()
        for done in waiting:
            yield from done.result()


def left_out(broken: Sequence[str], count: int, total: int) -> str:
    """Which of `total` pictures are left out: the first of the `count` that are; "" where there are none."""
    shown = "; ".join(broken[:SHOWN]) + (f"; and {count - SHOWN} more" if count > SHOWN else "")
    return f"left out {count} of {total} images that cannot be read: {shown}" if count else ""


def cannot_write(folder: Path, error: OSError) -> InputError:
    """The sentence for a cache that cannot be written to."""
    return InputError(f"cannot write {folder}: {error.strerror}; free some space or set XDG_CACHE_HOME")
