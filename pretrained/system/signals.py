"""Ctrl-C and SIGTERM stop a training after the current step, with everything saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):
    """Training was stopped by a signal. `status` is the exit status that a shell expects for it."""

    def __init__(self, message: str, received: int):
        super().__init__(message)
        self.status = 128 + received


@contextmanager
def stop_at_once(message: str) -> Iterator[None]:
    """Inside, the first SIGINT or SIGTERM raises Stopped with this message; a further one is ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        for other in SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(message, number)

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Stop:
    """Inside `with Stop() as stop`, `stop.received` is the number of the first SIGINT or SIGTERM, or 0.

    A second signal raises KeyboardInterrupt at once.
    """

    def __enter__(self) -> Stop:
        self.received = 0
        self._in_main = threading.current_thread() is threading.main_thread()
        if self._in_main:
            self._handlers = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            raise KeyboardInterrupt
        self.received = number

    def __exit__(self, *_: object) -> None:
        if self._in_main:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
