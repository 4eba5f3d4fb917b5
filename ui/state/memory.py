"""Memory that nobody needs goes back to the system."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable

from pretrained.system.allocator import ARENA_MAX, glibc

ARENAS = 2  # heaps of the allocator; each thread would soon have its own, and every visitor has a thread


def keep_low(idle: Callable[[], float], release: Callable[[], object], quiet: float, forgotten: float) -> None:
    """From now on, look in the background at what can be given back; does nothing where there is no glibc.

    Args:
        idle: for how many seconds nobody has used the device.
        release: lets go of what can be had again.
        quiet: seconds of idleness after which the allocator's free pages go back.
        forgotten: seconds of idleness after which `release` is called.
    """
    libc = glibc()
    if libc is None:
        return
    libc.mallopt(ARENA_MAX, ARENAS)

    def watch() -> None:
        before = 0.0
        while True:
            time.sleep(1)
            now = idle()
            if before < forgotten <= now:
                release()
                gc.collect()
                libc.malloc_trim(0)
            elif before < quiet <= now:
                libc.malloc_trim(0)
            before = now

    threading.Thread(target=watch, daemon=True, name="memory").start()
