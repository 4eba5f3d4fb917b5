"""The line of visitors: served in the order of asking, told how many are before them, and left when they go."""

import threading
import time
from contextlib import suppress
from itertools import takewhile

import pytest

from ui.state import device_queue


class Gone(BaseException):
    """What Streamlit raises in the script of a visitor who goes is no Exception either."""


class Page:
    """What one thread's page is told, in place of Streamlit's."""

    def __init__(self, monkeypatch, on_tell=lambda words: None):
        self.told = []
        self.on_tell = on_tell
        monkeypatch.setattr(device_queue.st, "empty", lambda: self)
        monkeypatch.setattr(device_queue, "PATIENCE", 0.01)

    def caption(self, words):
        self.told.append((threading.current_thread().name, words))
        self.on_tell(words)

    def empty(self):
        self.told.append((threading.current_thread().name, None))


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def queue_up(device, names, served):
    """Threads that ask for the device one after another."""
    threads = []
    for name in names:

        def work(name=name):
            with suppress(Gone), device:
                served.append(name)

        threads.append(threading.Thread(target=work, name=name))
        threads[-1].start()
        until(lambda: len(device._threads) == 1 + len(threads))
    return threads


def test_visitors_are_served_in_the_order_of_asking(monkeypatch):
    page, device, served = Page(monkeypatch), device_queue.DeviceQueue(), []
    with device:
        threads = queue_up(device, "abcd", served)
        until(lambda: {name for name, _ in page.told} == set("abcd"))
        assert served == []
    for thread in threads:
        thread.join(10)
    assert served == list("abcd")
    first = {name: next(words for who, words in page.told if who == name) for name in "abcd"}
    assert "One visitor is before you" in first["a"]
    assert "4 visitors are before you" in first["d"]
    for name in "abcd":
        words = [words for who, words in page.told if who == name]
        assert words[-1] is None, "the message goes when the wait is over"
        assert list(takewhile(bool, words)) == words[:-1]


def test_who_opens_many_pages_waits_for_others_in_between(monkeypatch):
    Page(monkeypatch)
    device, served = device_queue.DeviceQueue(), []
    monkeypatch.setattr(device_queue, "_visitor", lambda: threading.current_thread().name[0])
    with device:
        threads = queue_up(device, ["a1", "a2", "a3", "b1", "b2"], served)
    for thread in threads:
        thread.join(10)
    assert served == ["a1", "b1", "a2", "b2", "a3"]
    assert device._visitors == {}


def test_who_has_the_device_at_once_is_told_nothing(monkeypatch):
    page, device = Page(monkeypatch), device_queue.DeviceQueue()
    with device:
        pass
    assert page.told == []


def test_who_goes_while_waiting_holds_nobody_up(monkeypatch):
    def go(words):
        if threading.current_thread().name == "a":
            raise Gone

    page, device, served = Page(monkeypatch, go), device_queue.DeviceQueue(), []
    with device:
        (gone,) = queue_up(device, "a", served)
        gone.join(10)
        assert len(device._threads) == 1
        (last,) = queue_up(device, "b", served)
        until(lambda: page.told[-1][0] == "b")
    last.join(10)
    assert served == ["b"]


def test_an_error_gives_the_device_back(monkeypatch):
    Page(monkeypatch)
    device = device_queue.DeviceQueue()
    with pytest.raises(ValueError), device:
        raise ValueError
    with device:
        pass
