"""Pictures of one size in a .npy file: appended one by one, then mapped into memory, of which little stays resident."""

from __future__ import annotations

import hashlib
import math
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

HELD = 256 << 20  # bytes of a mapped file that may stay resident
AROUND = 64 << 10  # what Linux maps beside a page that is touched

_mapped: WeakValueDictionary[int, np.memmap] = WeakValueDictionary()  # by the address of the first byte


class Images:
    """A .npy file that grows by one picture after another, none of which stays in memory.

    Attributes:
        count: how many there are.
        pieces: how many were appended between two calls of `flush`, and the SHA-256 of them.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], pieces: Sequence[tuple[int, str]] = ()):
        """Go on behind the pictures of some `pieces`, uint8 and each of `shape`; none begins a new file.

        Raises:
            OSError: it cannot be written.
            EOFError: it holds fewer, or others.
        """
        self.pieces = [(count, digest) for count, digest in pieces]
        self.count, self._shape = sum(count for count, _ in self.pieces), shape
        self._file = path.open("r+b" if self.count else "w+b")
        self._write_header()
        for count, digest in self.pieces:
            if _digest_of(self._file, count * math.prod(shape)) != digest:
                self._file.close()
                raise EOFError(f"{path.name} does not hold the {self.count:,} pictures that were written")
        self._file.truncate(self._file.tell())
        self._new, self._digest = 0, hashlib.sha256()

    def append(self, image: np.ndarray) -> None:
        data = image.tobytes()
        self._file.write(data)
        self._digest.update(data)
        self.count, self._new = self.count + 1, self._new + 1

    def flush(self) -> None:
        """See to it that all that was appended is on the disk, and that the header counts it."""
        end = self._file.tell()
        self._file.seek(0)
        self._write_header()
        self._file.seek(end)
        self._file.flush()
        os.fsync(self._file.fileno())
        if self._new:
            self.pieces.append((self._new, self._digest.hexdigest()))
            self._new, self._digest = 0, hashlib.sha256()

    def close(self) -> None:
        self._file.close()

    def _write_header(self) -> None:
        """Of the same length for any count: NumPy leaves room for the first axis to grow."""
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, header)


def read(path: Path) -> Tensor:
    """A .npy file of pictures, mapped copy-on-write: uint8 (N, ...)."""
    array = np.load(path, mmap_mode="c")
    images = torch.from_numpy(array)
    _mapped[images.untyped_storage().data_ptr()] = array
    return images


def digest(path: Path) -> str:
    """SHA-256 of a file, which is read piece by piece."""
    with path.open("rb", buffering=0) as file:
        return _digest_of(file, path.stat().st_size)


def _digest_of(file: BinaryIO, num_bytes: int) -> str:
    """SHA-256 of the next bytes of a file, which is read piece by piece."""
    found = hashlib.sha256()
    while num_bytes > 0 and (piece := file.read(min(1 << 20, num_bytes))):
        found.update(piece)
        num_bytes -= len(piece)
    return found.hexdigest()


def release_pages(images: Tensor) -> None:
    """Give back the memory that a file of `read` takes; what is read of it again comes from the disk, or its cache.

    What was written to such a tensor is forgotten. Nothing happens to tensors that are no such file, or a part of one.
    """
    array = _mapped.get(images.untyped_storage().data_ptr())
    if array is not None and hasattr(mmap, "MADV_DONTNEED"):
        array.base.madvise(mmap.MADV_DONTNEED)
