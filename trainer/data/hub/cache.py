"""Shards -> one growing array, and a journal beside it: what was interrupted goes on with the next shard."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from pretrained.media.files import natural
from pretrained.media.images import open_image
from pretrained.networks.sizes import size_of
from pretrained.system.errors import InputError
from pretrained.system.files import write_atomic
from trainer.data.files import decoding, memmap, sealed
from trainer.data.files.frame import to_size
from trainer.data.files.reading import Reading, is_grey
from trainer.data.hub import shards
from trainer.data.hub.shards import Item
from trainer.data.hub.splits import Part

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

    Fetch = Callable[[RepoFile], Path]

DOWNLOADS = 8  # loose pictures at the same time


@dataclass
class Journal:
    """How far a preparation is.

    Attributes:
        shards: those that are in the array as a whole.
        pictures: how many these held.
        pieces: these, as `memmap.Images` counts them.
        line_bytes, line_digest: of what is said of these pictures, a line for each.
        num_broken, broken: how many were left out, and the first of them.
        has_colour: whether an image is stored in colour; so it is taken for an older journal, which does not say it.
    """

    shards: int = 0
    images: int = 0
    pieces: list[tuple[int, str]] = field(default_factory=list)
    line_bytes: int = 0
    line_digest: str = ""
    num_broken: int = 0
    broken: list[str] = field(default_factory=list)
    has_colour: bool = True


def fill(
    part: Part, said: dict[str, str], fetch: Fetch, shape: tuple[int, ...], how: Reading, stem: Path, work: Path
) -> None:
    """Decode all shards into the array `stem`.npy, from where its journal says that it is on.

    Args:
        said: captions of loose pictures, by their paths in the repository.
        fetch: downloads a file into the folder `work`, which is deleted after each shard.
        shape: of a picture, (channels, height, width).

    Raises:
        OSError: the disk is full, or nobody may write there.
    """
    journal, images = _go_on(stem, shape)
    lines = stem.with_suffix(".jsonl").open("r+b" if journal.line_bytes else "w+b")
    lines.truncate(journal.line_bytes)
    lines.seek(journal.line_bytes)
    bar = tqdm(total=len(part.shards), initial=journal.shards, desc="shards", unit="", leave=False, disable=None)
    with contextlib.closing(images), lines, bar:
        for files in part.shards[journal.shards :]:
            items = _items(part, files, said, fetch, journal)
            with contextlib.closing(decoding.in_order(partial(_decode, shape=shape, how=how), items)) as decoded:
                for item, image in decoded:
                    if isinstance(image, str):
                        _note_broken(journal, image)
                        continue
                    images.append(image)
                    journal.has_colour = journal.has_colour or not is_grey(io.BytesIO(item.data))
                    lines.write(json.dumps([item.label, item.caption]).encode() + b"\n")
                    if images.count % 100 == 0:
                        bar.set_postfix_str(f"{images.count:,} images")
            images.flush()
            lines.flush()
            journal.shards, journal.images, journal.pieces = journal.shards + 1, images.count, images.pieces
            journal.line_bytes, journal.line_digest = lines.tell(), _digest_of_lines(stem, lines.tell())
            write_atomic(stem.with_suffix(".journal"), json.dumps(asdict(journal)).encode())
            shutil.rmtree(work, ignore_errors=True)
            bar.update()


def _go_on(stem: Path, shape: tuple[int, ...]) -> tuple[Journal, memmap.Images]:
    """What an interrupted preparation left, or a beginning."""
    with contextlib.suppress(FileNotFoundError, EOFError, ValueError, TypeError):  # it may be damaged
        journal = Journal(**json.loads(stem.with_suffix(".journal").read_bytes()))
        if _digest_of_lines(stem, journal.line_bytes) == journal.line_digest:
            images = memmap.Images(stem.with_suffix(".npy"), shape, journal.pieces)
            if images.count == journal.images:
                return journal, images
            images.close()
    return Journal(has_colour=False), memmap.Images(stem.with_suffix(".npy"), shape)


def _digest_of_lines(stem: Path, num_bytes: int) -> str:
    with stem.with_suffix(".jsonl").open("rb") as file:
        return hashlib.sha256(file.read(num_bytes)).hexdigest()


def _items(
    part: Part, files: Sequence[RepoFile], said: dict[str, str], fetch: Fetch, journal: Journal
) -> Iterator[Item]:
    """The picture files of a shard: those in an archive, or as many loose ones."""
    if part.kind:
        try:
            yield from shards.READERS[part.kind](fetch(files[0]), part.split, len(part.shards) == 1)
        except InputError:
            raise
        except shards.BROKEN as error:
            _note_broken(journal, f"the rest of {files[0].path}: {error}")
        return
    small = [file for file in files if file.size <= shards.MAX_IMAGE]
    for file in files:
        if file.size > shards.MAX_IMAGE:
            _note_broken(journal, f"{file.path}: {file.size:,} bytes are too many: at most {shards.MAX_IMAGE:,}")
    with ThreadPoolExecutor(DOWNLOADS) as pool:
        for file, path in zip(small, pool.map(fetch, small)):
            name = part.names[file.path]
            yield Item(file.path, path.read_bytes(), shards.top(name), said.get(file.path))


def _decode(item: Item, shape: tuple[int, ...], how: Reading) -> np.ndarray | str:
    if isinstance(item.data, str):
        return f"{item.name}: {item.data}"
    try:
        image = open_image(io.BytesIO(item.data), shape[0], levels=how.levels)
        return to_size(image, size_of(*shape[1:]), how.resize)
    except InputError as error:
        return f"{item.name}: {error}"


def _note_broken(journal: Journal, what: str) -> None:
    journal.num_broken += 1
    journal.broken = [*journal.broken, what][: decoding.SHOWN]


def finish(name: str, licence: str, stem: Path) -> dict[str, Any]:
    """Write and return the index of an array that is whole, and delete what led there.

    Raises:
        InputError: no picture of the data set `name` could be read.
    """
    journal = Journal(**json.loads(stem.with_suffix(".journal").read_bytes()))
    if left_out := decoding.left_out(journal.broken, journal.num_broken, journal.images + journal.num_broken):
        print(left_out, file=sys.stderr)
    if not journal.images:
        raise InputError(f"`data` {name} holds no image that can be read: {journal.broken[0]}")
    with stem.with_suffix(".jsonl").open("rb") as lines:
        labels, said = zip(*map(json.loads, lines))
    has_classes = None not in labels
    classes = sorted(set(labels), key=lambda label: (natural(label), label)) if has_classes else []
    numbers = {label: number for number, label in enumerate(classes)}
    index = {
        "labels": [numbers[label] for label in labels] if has_classes else None,
        "classes": classes,
        "captions": list(said) if None not in said else None,
        "licence": licence,
        "is_grey": not journal.has_colour,
    }
    found = sealed.write(stem, index)
    for suffix in (".journal", ".jsonl"):
        stem.with_suffix(suffix).unlink()
    return found
