"""The line in which visitors wait for the one device that their sessions share."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pretrained.system.visitors import in_turns, visitor

PATIENCE = 0.5  # seconds until a visitor is told of the others


class DeviceQueue:
    """A lock that visitors are given in turn, in the order of asking; who waits is told how many are before them."""

    def __init__(self) -> None:
        self._threads: list[int] = []  # the first of them has the device, the others wait in this order
        self._visitors: dict[int, str] = {}  # of the threads
        self._moved = threading.Condition()
        self._left = time.monotonic()

    def __enter__(self) -> None:
        with ExitStack() as stack, self._moved:
            self._join(threading.get_ident(), _visitor())
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

    def _join(self, thread: int, visitor: str) -> None:
        self._visitors[thread] = visitor
        served, waiting = self._threads[:1], [*self._threads[1:], thread]
        who = lambda thread: self._visitors[thread] or thread  # one whom nothing tells from others is a visitor
        self._threads = [*served, *in_turns(waiting, who, map(who, served))] if served else waiting

    def _wait(self) -> int:
        """How many are before this thread, after a while or as soon as there are none."""
        self._moved.wait_for(lambda: self._threads[0] == threading.get_ident(), PATIENCE)
        return self._threads.index(threading.get_ident())

    def _leave(self) -> None:
        with self._moved:
            self._threads.remove(threading.get_ident())
            self._visitors.pop(threading.get_ident(), None)
            self._left = time.monotonic()
            self._moved.notify_all()


def _visitor() -> str:
    """The address of the visitor whose page this thread makes; "" where there is no page, or it is this machine's."""
    return visitor(st.context.ip_address, st.context.headers) if get_script_run_ctx(suppress_warning=True) else ""
