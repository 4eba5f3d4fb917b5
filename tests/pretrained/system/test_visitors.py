"""One visitor takes a bounded part of a server: turns in its line, and bytes that are uploaded."""

import asyncio

import pytest

from pretrained.system import server, visitors
from pretrained.system.visitors import HOUR, UploadLimit, in_turns, visitor


def test_visitors_take_turns_however_much_one_asks_for():
    line = ["a1", "a2", "a3", "b1", "a4", "c1", "b2"]
    assert in_turns(line, lambda item: item[0]) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]
    assert in_turns(line, lambda item: item[0], now=["a"]) == ["b1", "c1", "a1", "b2", "a2", "a3", "a4"]
    again = in_turns(line, lambda item: item[0])
    assert in_turns(again, lambda item: item[0]) == again, "who waits is not moved again"


@pytest.mark.parametrize(
    ("host", "said", "on_a_space", "who"),
    [
        ("203.0.113.7", "198.51.100.1", False, "203.0.113.7"),  # what a visitor writes there counts for nothing
        ("127.0.0.1", "", False, ""),
        (None, "", False, ""),
        ("10.0.0.3", "1.1.1.1, 8.8.8.8, 10.0.0.2", True, "8.8.8.8"),
        ("10.0.0.3", "no address", True, "10.0.0.3"),
    ],
)
def test_who_asks(monkeypatch, host, said, on_a_space, who):
    monkeypatch.setenv("SPACE_ID", "a/b" if on_a_space else "")
    assert visitor(host, {"x-forwarded-for": said}) == who


def test_uploads_of_an_hour_are_bounded_for_one_and_for_all(monkeypatch):
    monkeypatch.setenv(server.UPLOADS, "10MB")
    limit = UploadLimit(None)
    assert limit.takes("a", 10**7, now=0)
    assert not limit.takes("a", 1, now=HOUR - 1)
    assert limit.takes("a", 1, now=HOUR)
    assert all(limit.takes(f"b{number}", 10**7, now=HOUR) for number in range(visitors.VISITORS - 1))
    assert not limit.takes("c", 10**7, now=HOUR), "all together"
    assert not limit.takes("", 10**7, now=HOUR), "and those whom nothing tells apart"


def asked(limit, method="PUT", **headers):
    """The status that a request gets."""
    sent = []

    async def send(message):
        sent.append(message)

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "headers": given, "client": ("203.0.113.7", 5000)}
    asyncio.run(limit(scope, None, send))
    return sent[0]["status"]


def test_what_is_too_much_is_answered_without_being_read(monkeypatch):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    monkeypatch.setenv(server.ALLOW, "")
    monkeypatch.setenv(server.UPLOADS, "1MB")
    limit = UploadLimit(app)
    assert asked(limit, content_length="600000") == 200
    assert asked(limit, content_length="600000") == 429
    assert asked(limit, transfer_encoding="chunked") == 411
    assert asked(limit, content_length="9" * 400) == 429
    assert asked(limit, "GET") == asked(limit, "POST") == 200
    monkeypatch.delenv(server.ALLOW)
    assert asked(limit, content_length="600000") == 200, "the owner of an app that listens on this machine"
