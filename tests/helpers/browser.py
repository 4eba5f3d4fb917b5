"""The real app in a real browser: start the server in a folder, and visit a page of it."""

from __future__ import annotations

import functools
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

ROOT = Path(__file__).parents[2]
PATIENCE = 90  # seconds; a page is quick, but not on a machine that is busy with a training
PHONE = {"viewport": {"width": 390, "height": 844}}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
IMAGES = ".gallery button canvas"
expect.set_options(timeout=PATIENCE * 1000)


@contextmanager
def serve(folder: Path, env: Mapping[str, str]) -> Iterator[str]:
    """The app, run from `folder` (whose runs/ it offers) with the environment `env` -> its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.port", str(port)]
    command += ["--server.headless", "true", "--server.address", "127.0.0.1", "--server.fileWatcherType", "none"]
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(command, cwd=folder, env=dict(env), stdout=log, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + PATIENCE
            while not _is_up(f"{url}/_stcore/health"):
                if server.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(f"the app did not start:\n{log.read()}")
                time.sleep(0.1)
            yield url
        finally:
            server.terminate()
            server.wait(timeout=PATIENCE)


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serve_files(folder: Path) -> Iterator[str]:
    """A web server that only hands out the files of a folder -> its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Files, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


@contextmanager
def visit(browser: Browser, url: str, **context: Any) -> Iterator[Page]:
    """A page in a window of its own, which must not complain while it is looked at.

    Args:
        context: what `Browser.new_context` takes, e.g. viewport={"width": 390, "height": 844}.
    """
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # Streamlit asks below a sub-page for its own addresses first, and finds them one level up.
        at_sub_page = re.search(r"/\w+/_stcore/(health|host-config)$", message.location["url"])
        # An answer of Gradio's that was awaited when the page was left.
        has_left = re.search("BodyStreamBuffer was aborted|Connection errored out", message.text)
        if message.type == "error" and not at_sub_page and not has_left:
            problems.append(f"{message.text} {message.location['url']}")

    window = browser.new_context(**context)
    try:
        page = window.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("console", note)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(url)
        yield page
    finally:
        window.close()
    assert not problems, problems


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Wait until this holds."""
    for _ in range(10 * PATIENCE):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not come to pass")


def pixels(page: Page) -> list[np.ndarray]:
    """The pictures of the gallery, uint8 (H, W, 3) each, as the browser holds them."""
    page.locator(IMAGES).first.wait_for()
    return [
        np.array(data, np.uint8).reshape(height, width, 4)[..., :3]
        for data, height, width in page.locator(IMAGES).evaluate_all(
            "all => all.map(one => [Array.from(one.getContext('2d')"
            ".getImageData(0, 0, one.width, one.height).data), one.height, one.width])"
        )
    ]


def canvas_pixels(page: Page, selector: str) -> np.ndarray:
    """uint8 (H, W, 4) of a canvas."""
    width, height, levels = page.locator(selector).evaluate("""canvas => {
        const { width, height } = canvas;
        const copy = new OffscreenCanvas(width, height).getContext("2d");
        copy.drawImage(canvas, 0, 0);
        return [width, height, [...copy.getImageData(0, 0, width, height).data]];
    }""")
    return np.array(levels, np.uint8).reshape(height, width, 4)
