"""Ctrl-C and SIGTERM ask for an end; the step that runs is finished first, and all is saved."""

from __future__ import annotations

import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):
    """Training ended early at the user's wish. `status` is the exit status that a shell expects of the signal."""

    def __init__(self, message: str, received: int):
        super().__init__(message)
        self.status = 128 + received


class Stop:
    """Within `with Stop() as stop`, `stop.received` is the number of the first signal that asked for an end, or 0.

    A second Ctrl-C interrupts at once.
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
