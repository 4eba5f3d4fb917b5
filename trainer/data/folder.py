"""A folder or a .zip of pictures, of any mode and size -> one memory-mapped uint8 array, decoded once."""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pretrained.media.images import SUFFIXES, open_image
from pretrained.system.errors import InputError
from pretrained.system.files import cache_folder, locked, write_atomic
from trainer.data import decoding, memmap
from trainer.data.decoding import BROKEN

NARROWEST = 0.6  # of pictures side by side: width over height


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture file: its path below the folder or in the archive, and what changes when it changes."""

    name: str
    num_bytes: int
    modified: float


def read(path: Path, size: int, channels: int) -> tuple[Tensor, list[str], Tensor | None, list[str]]:
    """All pictures below `path`, their shorter side scaled to `size` and the centre cut out.

    Returns:
        uint8 (N, channels, size, size); their paths below the folder or in the archive; labels (N,) and class names
        if all pictures lie in sub-folders.

    Raises:
        InputError: no picture in there, or none that can be read. Broken ones among good ones are named and left out.
    """
    images, names = read_stacks(path, [(entry,) for entry in entries(path)], size, channels)
    if any("/" not in name for name in names):
        return images, names, None, []
    classes = sorted({name.partition("/")[0] for name in names})
    numbers = {name: number for number, name in enumerate(classes)}
    return images, names, torch.tensor([numbers[name.partition("/")[0]] for name in names]), classes


def read_stacks(
    path: Path, stacks: list[tuple[Entry, ...]], size: int, channels: int, columns: int = 1
) -> tuple[Tensor, list[str]]:
    """Pictures that belong together, one upon the other along the channels, from the cache or decoded into it.

    Args:
        stacks: the files of each item, in order.
        columns: how many pictures of equal width stand side by side in a file.

    Returns:
        uint8 (N, len(stack) * columns * channels, size, size), each picture's shorter side scaled to `size` and the
        centre cut out; the name of each item's first file. An item with a broken file is named and left out.
    """
    if not stacks:
        raise InputError(f"--data {path} holds no pictures ({', '.join(sorted(SUFFIXES))})")
    name = re.sub(r"[^\w-]", "-", path.stem)[:80]
    stem = cache_folder() / f"{name}-{size}-{_digest(path, stacks, size, channels, columns)[:16]}"
    index = stem.with_suffix(".json")
    if not index.exists():
        busy = f"another process reads the pictures of {path}: waiting for it"
        with locked(stem.with_suffix(".lock"), busy, patient=True, remedy="set XDG_CACHE_HOME"):
            if not index.exists():
                _decode(path, stacks, size, channels, columns, stem)
    return memmap.read(stem.with_suffix(".npy")), json.loads(index.read_text())


def _digest(path: Path, stacks: list[tuple[Entry, ...]], size: int, channels: int, columns: int) -> str:
    """SHA-256 of all that the array depends on, as JSON: piece by piece, since that of many files is long."""
    is_flat = all(len(stack) == 1 for stack in stacks) and columns == 1
    digest = hashlib.sha256(json.dumps([str(path.resolve()), size, channels])[:-1].encode())
    for number, stack in enumerate(stacks):
        files = [(entry.name, entry.num_bytes, entry.modified) for entry in stack]
        digest.update(b", " if number else b", [")
        digest.update(json.dumps(files[0] if is_flat else files).encode())
    digest.update(b"]]" if columns == 1 else f"], {columns}]".encode())
    return digest.hexdigest()


def entries(path: Path) -> list[Entry]:
    """The picture files below a folder or in a .zip, in the order of their names."""
    if path.is_dir():
        return sorted(_below(str(path)), key=lambda entry: path_order(entry.name))
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if is_image(info.filename)]
    except BROKEN as error:
        raise InputError(f"--data {path} is neither a folder nor a .zip of pictures: {error}") from error
    return [Entry(info.filename, info.file_size, info.CRC) for info in sorted(members, key=lambda info: info.filename)]


def path_order(name: str) -> str:
    """By which paths are sorted folder by folder, "a/z" before "a-b"."""
    return name.replace("/", "\0")


def _below(top: str) -> Iterator[Entry]:
    """The picture files below a folder; a domain may be a link to one that lies elsewhere, but links may go in a ring.

    Each file is looked at once: that is what takes the time where there are a million.
    """
    waiting = [(top, "", (os.path.realpath(top),))]
    while waiting:
        folder, prefix, above = waiting.pop()
        try:
            found = os.scandir(folder)
        except OSError:  # nobody may read it
            continue
        with found:
            for file in found:
                is_link = file.is_symlink()
                if os.path.isdir(file.path) if is_link else file.is_dir():
                    real = os.path.realpath(file.path) if is_link else os.path.join(above[-1], file.name)
                    if real not in above and not f"{above[-1]}/".startswith(f"{real}/"):
                        waiting.append((file.path, f"{prefix}{file.name}/", (*above, real)))
                elif is_image(file.name) and (os.path.isfile(file.path) if is_link else file.is_file()):
                    stat = file.stat()
                    yield Entry(prefix + file.name, stat.st_size, stat.st_mtime)


def is_image(name: str) -> bool:
    """Whether a file is one, by its name."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _decode(path: Path, stacks: list[tuple[Entry, ...]], size: int, channels: int, columns: int, stem: Path) -> None:
    """Write the array and its index, the names of the items in it."""
    with nullcontext() if path.is_dir() else zipfile.ZipFile(path) as archive:

        def squares(entry: Entry) -> Iterator[np.ndarray]:
            image = open_image(path / entry.name if archive is None else archive.open(entry.name), channels)
            width = image.width // columns
            if columns > 1 and width < NARROWEST * image.height:
                raise InputError(
                    f"{image.width} x {image.height} px are not {columns} pictures side by side; "
                    "sub-folders A and B may hold pairs too, and --degradation makes them"
                )
            for column in range(columns):
                part = image.crop((column * width, 0, (column + 1) * width, image.height))
                yield decoding.square(part, size)

        def decode(stack: tuple[Entry, ...]) -> np.ndarray | str:
            try:
                return np.concatenate([image for entry in stack for image in squares(entry)])
            except (InputError, *BROKEN) as error:
                return f"{stack[0].name}: {error}"

        shape = len(stacks[0]) * columns * channels, size, size
        try:
            left_out = set(decoding.fill(stem, shape, stacks, decode, f"--data {path}"))
            names = [stack[0].name for number, stack in enumerate(stacks) if number not in left_out]
            write_atomic(stem.with_suffix(".json"), json.dumps(names).encode())
        except OSError as error:
            raise decoding.cannot_write(stem.parent, error) from error
