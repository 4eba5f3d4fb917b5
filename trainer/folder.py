"""A folder or a .zip of pictures, of any mode and size -> one memory-mapped uint8 array, decoded once."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

from pretrained.errors import InputError
from pretrained.files import cache_folder, write_atomic
from pretrained.images import SUFFIXES, open_picture

# What a broken, locked or strangely packed file in an archive raises beside.
BROKEN = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
NARROWEST = 0.6  # of pictures side by side: width over height


@dataclass(frozen=True)
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
    tops = [name.partition("/")[0] for name in names]
    if any("/" not in name for name in names):
        return images, names, None, []
    classes = sorted(set(tops))
    return images, names, torch.tensor([classes.index(top) for top in tops]), classes


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
    files = [[(entry.name, entry.num_bytes, entry.modified) for entry in stack] for stack in stacks]
    if all(len(stack) == 1 for stack in stacks) and columns == 1:
        files = [file for (file,) in files]  # the key of a cache that older versions wrote
    key = json.dumps([str(path.resolve()), size, channels, files, *([columns] if columns > 1 else [])])
    stem = cache_folder() / f"{path.stem}-{size}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    index = stem.with_suffix(".json")
    if not index.exists():
        _decode(path, stacks, size, channels, columns, stem)
    return torch.from_numpy(np.load(stem.with_suffix(".npy"), mmap_mode="c")), json.loads(index.read_text())


def entries(path: Path) -> list[Entry]:
    """The picture files below a folder or in a .zip, in the order of their names."""
    if path.is_dir():
        files = [file for file in sorted(_below(path)) if file.suffix.lower() in SUFFIXES and file.is_file()]
        stats = [(file, file.stat()) for file in files]
        return [Entry(file.relative_to(path).as_posix(), stat.st_size, stat.st_mtime) for file, stat in stats]
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if Path(info.filename).suffix.lower() in SUFFIXES]
    except BROKEN as error:
        raise InputError(f"--data {path} is neither a folder nor a .zip of pictures: {error}") from error
    return [Entry(info.filename, info.file_size, info.CRC) for info in sorted(members, key=lambda info: info.filename)]


def _below(folder: Path, above: tuple[str, ...] = ()) -> Iterator[Path]:
    """The files below a folder; a domain may be a link to a folder that lies elsewhere, but links may go in a ring."""
    real = os.path.realpath(folder)
    if real in above or not os.access(folder, os.R_OK | os.X_OK):
        return
    for path in folder.iterdir():
        if path.is_dir():
            yield from _below(path, (*above, real))
        else:
            yield path


def _decode(path: Path, stacks: list[tuple[Entry, ...]], size: int, channels: int, columns: int, stem: Path) -> None:
    """Write the array, then its index: the index exists only when the array is whole."""
    temporary = stem.with_suffix(f".{os.getpid()}.npy")
    archive = None if path.is_dir() else zipfile.ZipFile(path)

    def squares(entry: Entry) -> Iterator[np.ndarray]:
        picture = open_picture(path / entry.name if archive is None else archive.open(entry.name), channels)
        width = picture.width // columns
        if columns > 1 and width < NARROWEST * picture.height:
            raise InputError(
                f"{picture.width} x {picture.height} px are not {columns} pictures side by side; "
                "sub-folders A and B may hold pairs too, and --degradation makes them"
            )
        for column in range(columns):
            square = picture.crop((column * width, 0, (column + 1) * width, picture.height))
            square = ImageOps.fit(square, (size, size), Image.Resampling.LANCZOS)
            yield np.asarray(square).reshape(size, size, channels).transpose(2, 0, 1)

    def decode(stack: tuple[Entry, ...]) -> np.ndarray | str:
        try:
            return np.concatenate([square for entry in stack for square in squares(entry)])
        except (InputError, *BROKEN) as error:
            return f"{stack[0].name}: {error}"

    depth = len(stacks[0]) * columns * channels
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(stem.parent, error) from error
    try:
        array = np.lib.format.open_memmap(temporary, "w+", np.uint8, (len(stacks), depth, size, size))
        names, broken = [], []
        with ThreadPoolExecutor() as pool:
            for stack, picture in tqdm(
                zip(stacks, pool.map(decode, stacks)), "reading pictures", len(stacks), unit="", leave=False
            ):
                if isinstance(picture, str):
                    broken.append(picture)
                else:
                    array[len(names)] = picture
                    names.append(stack[0].name)
        array.flush()
        if broken:
            shown = "; ".join(broken[:3]) + ("; ..." if len(broken) > 3 else "")
            print(f"left out {len(broken)} of {len(stacks)} pictures that cannot be read: {shown}", file=sys.stderr)
        if not names:
            raise InputError(f"--data {path} holds no picture that can be read: {broken[0]}")
        if broken:  # the array ends where the good pictures end
            array = np.array(array[: len(names)])
            np.save(temporary, array)
        os.replace(temporary, stem.with_suffix(".npy"))
        write_atomic(stem.with_suffix(".json"), json.dumps(names).encode())
    except OSError as error:
        raise _cannot_write(stem.parent, error) from error
    finally:
        temporary.unlink(missing_ok=True)
        if archive is not None:
            archive.close()


def _cannot_write(folder: Path, error: OSError) -> InputError:
    return InputError(f"cannot write {folder}: {error.strerror}; free some space or set XDG_CACHE_HOME")
