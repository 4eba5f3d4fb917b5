"""Settings of the allocator of glibc."""

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
    """Keep freed memory in this process for the next training step, which allocates the same amount.

    By default, blocks of 32 MB and more are returned to the system, which then clears new pages for each step.
    """
    if library := glibc():
        library.mallopt(MMAP_THRESHOLD, MOST // 2)
        library.mallopt(TRIM_THRESHOLD, MOST)
