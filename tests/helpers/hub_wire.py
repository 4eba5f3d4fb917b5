"""HTTP as the Hub of the tests speaks it: what is asked is read, and answered whole or as a fault says."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any

from helpers.hub_faults import Dropped, Faults


class Refusal(Exception):
    """An answer other than 200, with the error code that the client turns into one of its exceptions."""

    def __init__(self, status: int, message: str, code: str = "", headers: Mapping[str, str] = {}) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers

    def answer(self) -> tuple[int, dict[str, str], Any]:
        """Its status, headers and data."""
        code = {"X-Error-Code": self.code} if self.code else {}
        return self.status, {"X-Error-Message": str(self), **code, **self.headers}, {"error": str(self)}


def obey(handler: BaseHTTPRequestHandler, faults: Faults, request: str, when: str) -> None:
    """Fail at this moment of a request, if a fault says so."""
    if fault := faults.next(request, when):
        if when == "upload":
            handler.close_connection = True
            handler.rfile.read(int(handler.headers.get("Content-Length", 0)) // 2)
        if not fault.status:
            raise Dropped
        raise Refusal(fault.status, "a fault on request", headers=fault.headers)


def drop(handler: BaseHTTPRequestHandler) -> None:
    """Break the connection."""
    handler.close_connection = True
    with contextlib.suppress(OSError):
        handler.connection.shutdown(2)


def read_body(handler: BaseHTTPRequestHandler) -> bytes:
    """What the request brings, in one piece."""
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    chunks = []
    while size := int(handler.rfile.readline(), 16):
        chunks.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(chunks)


def send(
    handler: BaseHTTPRequestHandler, faults: Faults, request: str, status: int, headers: dict[str, str], data: Any
) -> None:
    """Answer bytes, pieces of them as they come until the connection ends, or anything else as JSON."""
    if isinstance(data, Iterator):
        handler.close_connection = True
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        with contextlib.suppress(ConnectionError):
            for piece in data:
                handler.wfile.write(piece)
        return
    is_bytes = isinstance(data, bytes)
    body = data if is_bytes else json.dumps(data).encode()
    kind = "application/octet-stream" if is_bytes else "application/json"
    handler.send_response(status)
    for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command == "HEAD":
        return
    fault = faults.next(request, "body")
    try:
        for piece in fault.send(body) if fault else [body]:
            handler.wfile.write(piece)
    except (Dropped, ConnectionError):
        drop(handler)
