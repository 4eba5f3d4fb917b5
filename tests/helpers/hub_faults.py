"""What goes wrong with the Hub of the tests on request: answers that fail, bodies cut, altered, slow or silent."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


class Dropped(Exception):
    """The connection breaks here."""


def cut(body: bytes) -> Iterator[bytes]:
    """Half of it, then the connection breaks."""
    yield body[: len(body) // 2]
    raise Dropped


def altered(body: bytes) -> Iterator[bytes]:
    """As long as it was, and another in its last byte."""
    yield body[:-1] + bytes([body[-1] ^ 1])


def foreign(body: bytes) -> Iterator[bytes]:
    """As long as it was, and no JSON: what a network says that wants its terms to be accepted first."""
    yield b"<html>".ljust(len(body))[: len(body)]


def slow(body: bytes) -> Iterator[bytes]:
    """All of it, in ten pieces."""
    step = max(1, len(body) // 10)
    for start in range(0, len(body), step):
        time.sleep(0.02)
        yield body[start : start + step]


def silent(body: bytes) -> Iterator[bytes]:
    """Half of it, then nothing for longer than the clients of the tests wait."""
    yield body[: len(body) // 2]
    time.sleep(3)
    raise Dropped


@dataclass
class Fault:
    """What the next requests that match get.

    Attributes:
        pattern: is looked for in "METHOD /path".
        status: the HTTP status; 0 is a connection that is dropped.
        times: how many requests get it.
        when: "before" the request has an effect, "after" it (the answer is lost, not the work), "upload" when half of
            what it brings has been read, or "body" while the answer's body is sent.
        send: for "body", what is sent instead.
    """

    pattern: str
    status: int = 0
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    when: str = "before"
    send: Callable[[bytes], Iterable[bytes]] | None = None


class Faults:
    """The faults to come, and what happens in between."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []
        self.effects: list[tuple[str, Callable[[], Any]]] = []
        self.lock = threading.Lock()

    def next(self, request: str, when: str) -> Fault | None:
        """The fault that this request gets at this moment, if any."""
        with self.lock:
            for fault in self.waiting:
                if fault.times and fault.when == when and re.search(fault.pattern, request):
                    fault.times -= 1
                    return fault
        return None

    def happen(self, request: str) -> None:
        """Let come true what was to happen before this request."""
        for pattern, effect in list(self.effects):
            if re.search(pattern, request):
                self.effects.remove((pattern, effect))
                effect()

    def clear(self) -> None:
        self.waiting.clear()
        self.effects.clear()
