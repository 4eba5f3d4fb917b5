"""The C library's allocator, where it is one that can be told what to do with pages that are free."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # M_TRIM_THRESHOLD and so on of malloc.h
MOST = 2**31 - 1


def glibc() -> ctypes.CDLL | None:
    """The C library of this process if it is glibc, for `mallopt` and `malloc_trim`."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "malloc_trim") else None


def keep_pages() -> None:
    """From now on, what is freed stays with this process: each step of a training asks for as much again.

    Where it went back to the system, as it does by default from 32 MB on, fresh pages had to be cleared for each step.
    """
    if library := glibc():
        library.mallopt(MMAP_THRESHOLD, MOST // 2)
        library.mallopt(TRIM_THRESHOLD, MOST)
