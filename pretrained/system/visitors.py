"""Who asks, and how much of a server one visitor may take: turns in the line for its device, and bytes to upload.

A visitor is an address. Behind a proxy uvicorn reads it from X-Forwarded-For, where FORWARDED_ALLOW_IPS names the proxy
(one on this machine is known); a Space's proxy is in front of it.
"""

from __future__ import annotations

import ipaddress
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, MutableMapping
from typing import Any, TypeVar

from pretrained.system import server

HOUR = 3600  # seconds for which an upload counts
VISITORS = 5  # who upload all they may take what all together may
MAX_WAITING_EACH = 8  # calls of one visitor in the line

Item = TypeVar("Item")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def visitor(host: str | None, headers: Mapping[str, str] = {}) -> str:
    """The address of who asks; "" where it is not known, or that of this machine, which a proxy may have for all.

    Args:
        host: of the connection, as uvicorn tells it.
        headers: of the request. On a Space the last public address counts that its proxies have added.
    """
    if os.environ.get("SPACE_ID"):
        for said in reversed(headers.get("x-forwarded-for", "").split(",")):
            if _is_public(said.strip()):
                return said.strip()
    return "" if host is None or host in ("localhost", "::1") or host.startswith("127.") else host


def _is_public(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def in_turns(waiting: Iterable[Item], who: Callable[[Item], Hashable], now: Iterable[Hashable] = ()) -> list[Item]:
    """What waits, in the order of asking, but the first of each visitor before the second of any.

    Args:
        who: the visitor that an item is of.
        now: the visitors who are served at the moment: it counts as their first.
    """
    counts, rounds = Counter(now), []
    for item in waiting:
        rounds.append((counts[who(item)], item))
        counts[who(item)] += 1
    return [item for _, item in sorted(rounds, key=lambda pair: pair[0])]


class UploadLimit:
    """ASGI middleware: strangers who send more than GANVAS_MAX_UPLOADS in an hour are refused until it is over.

    All together may send VISITORS times as much. A request has to say how long it is.
    """

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self.app = app
        self._sent: deque[tuple[float, str, int]] = deque()  # when, by whom, bytes
        self._lock = threading.Lock()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        is_sent = scope["type"] == "http" and scope["method"] in ("POST", "PUT", "PATCH")
        if not is_sent or not server.has_strangers():
            return await self.app(scope, receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        length = headers.get("content-length", "")
        if not length.isdecimal():
            is_empty = "transfer-encoding" not in headers
            return await (self.app(scope, receive, send) if is_empty else _refuse(send, 411, "its length is missing"))
        who = visitor((scope.get("client") or [None])[0], headers)
        if not self.takes(who, int(length[:20])):
            return await _refuse(send, 429, "more was uploaded within an hour than this server takes: try again later")
        return await self.app(scope, receive, send)

    def takes(self, who: str, num_bytes: int, now: float | None = None) -> bool:
        """Whether a visitor may send so many bytes now; they count if so."""
        now, most = time.monotonic() if now is None else now, server.max_uploads()
        with self._lock:
            while self._sent and self._sent[0][0] <= now - HOUR:
                self._sent.popleft()
            own = sum(count for _, one, count in self._sent if one == who) if who else 0
            if own + num_bytes > most or sum(count for _, _, count in self._sent) + num_bytes > VISITORS * most:
                return False
            self._sent.append((now, who, num_bytes))
            return True


async def _refuse(send: Send, status: int, words: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words.encode()})
