"""The line in which visitors wait for the one device that their sessions share."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import ExitStack

import streamlit as st

PATIENCE = 0.5  # seconds until a visitor is told of the others


class DeviceQueue:
    """A lock that is given in the order of asking; who waits is told how many are before them."""

    def __init__(self) -> None:
        self._threads: deque[int] = deque()  # the first of them has the device
        self._moved = threading.Condition()
        self._left = time.monotonic()

    def __enter__(self) -> None:
        with ExitStack() as stack, self._moved:
            self._threads.append(threading.get_ident())
            stack.callback(self._leave)  # a script may be stopped wherever it writes to the page
            told = None
            while ahead := self._wait():
                told = told or st.empty()
                others = "One visitor is" if ahead == 1 else f"{ahead} visitors are"
                told.caption(f":material/hourglass: {others} before you …")
            if told is not None:
                told.empty()
            stack.pop_all()

    def __exit__(self, *_: object) -> None:
        self._leave()

    def idle(self) -> float:
        """For how many seconds nobody has had the device, nor waited for it."""
        with self._moved:
            return 0.0 if self._threads else time.monotonic() - self._left

    def _wait(self) -> int:
        """How many are before this thread, after a while or as soon as there are none."""
        self._moved.wait_for(lambda: self._threads[0] == threading.get_ident(), PATIENCE)
        return self._threads.index(threading.get_ident())

    def _leave(self) -> None:
        with self._moved:
            self._threads.remove(threading.get_ident())
            self._left = time.monotonic()
            self._moved.notify_all()
