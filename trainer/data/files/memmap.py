"""Pictures of one size in a .npy file: appended one by one, then mapped into memory, of which little stays resident."""

from __future__ import annotations

import hashlib
import math
import mmap
import os
from pathlib import Path
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
    """

    def __init__(self, path: Path, shape: tuple[int, ...], count: int = 0):
        """Go on behind the first `count` pictures, uint8 and each of `shape`; 0 begins a new file.

        Raises:
            OSError: it cannot be written.
            EOFError: it holds fewer.
        """
        self.count, self._shape = count, shape
        self._file = path.open("r+b" if count else "w+b")
        self._write_header()
        end = self._file.tell() + count * math.prod(shape)
        if self._file.seek(0, os.SEEK_END) < end:
            self._file.close()
            raise EOFError(f"{path.name} holds fewer than {count:,} pictures")
        self._file.truncate(end)
        self._file.seek(end)

    def append(self, image: np.ndarray) -> None:
        self._file.write(image.tobytes())
        self.count += 1

    def flush(self) -> None:
        """See to it that all that was appended is on the disk, and that the header counts it."""
        end = self._file.tell()
        self._file.seek(0)
        self._write_header()
        self._file.seek(end)
        self._file.flush()
        os.fsync(self._file.fileno())

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
    found = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def release_pages(images: Tensor) -> None:
    """Give back the memory that a file of `read` takes; what is read of it again comes from the disk, or its cache.

    What was written to such a tensor is forgotten. Nothing happens to tensors that are no such file, or a part of one.
    """
    array = _mapped.get(images.untyped_storage().data_ptr())
    if array is not None and hasattr(mmap, "MADV_DONTNEED"):
        array.base.madvise(mmap.MADV_DONTNEED)
