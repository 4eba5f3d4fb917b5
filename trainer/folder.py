"""A folder or a .zip of pictures, of any mode and size -> one memory-mapped uint8 array, decoded once."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
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
from pretrained.images import open_picture

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}


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
    entries = _list(path)
    if not entries:
        raise InputError(f"--data {path} holds no pictures ({', '.join(sorted(SUFFIXES))})")
    key = json.dumps([str(path.resolve()), size, channels, [(e.name, e.num_bytes, e.modified) for e in entries]])
    stem = cache_folder() / f"{path.stem}-{size}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    index = stem.with_suffix(".json")
    if not index.exists():
        _decode(path, entries, size, channels, stem)
    names = json.loads(index.read_text())
    images = torch.from_numpy(np.load(stem.with_suffix(".npy"), mmap_mode="c"))
    tops = [name.partition("/")[0] for name in names]
    if any("/" not in name for name in names):
        return images, names, None, []
    classes = sorted(set(tops))
    return images, names, torch.tensor([classes.index(top) for top in tops]), classes


def _list(path: Path) -> list[Entry]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        stats = [(file, file.stat()) for file in files]
        return [Entry(file.relative_to(path).as_posix(), stat.st_size, stat.st_mtime) for file, stat in stats]
    if not zipfile.is_zipfile(path):
        raise InputError(f"--data {path} is neither a folder nor a .zip of pictures")
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if Path(info.filename).suffix.lower() in SUFFIXES]
    return [Entry(info.filename, info.file_size, info.CRC) for info in sorted(members, key=lambda info: info.filename)]


def _decode(path: Path, entries: list[Entry], size: int, channels: int, stem: Path) -> None:
    """Write the array, then its index: the index exists only when the array is whole."""
    temporary = stem.with_suffix(f".{os.getpid()}.npy")
    archive = None if path.is_dir() else zipfile.ZipFile(path)

    def decode(entry: Entry) -> np.ndarray | str:
        try:
            source = path / entry.name if archive is None else archive.open(entry.name)
            picture = open_picture(source, channels)
            picture = ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
            return np.asarray(picture).reshape(size, size, channels).transpose(2, 0, 1)
        except (InputError, OSError, zipfile.BadZipFile) as error:
            return f"{entry.name}: {error}"

    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(stem.parent, error) from error
    try:
        array = np.lib.format.open_memmap(temporary, "w+", np.uint8, (len(entries), channels, size, size))
        names, broken = [], []
        with ThreadPoolExecutor() as pool:
            for entry, picture in tqdm(
                zip(entries, pool.map(decode, entries)), "reading pictures", len(entries), unit="", leave=False
            ):
                if isinstance(picture, str):
                    broken.append(picture)
                else:
                    array[len(names)] = picture
                    names.append(entry.name)
        array.flush()
        if broken:
            shown = "; ".join(broken[:3]) + ("; ..." if len(broken) > 3 else "")
            print(f"left out {len(broken)} of {len(entries)} pictures that cannot be read: {shown}", file=sys.stderr)
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
