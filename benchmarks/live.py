"""The static page under the hand: frames per second of a live camera, and the time from a stroke to its answer.

    python -m benchmarks.live

Chromium shows a test picture as the camera; the network runs in the page, on one thread of WebAssembly. Beside what was
seen stands what the browser's processes computed for a frame or stroke, in seconds of a processor: on a machine that
other work keeps busy (the load stands beside it too), the first tells of that machine, the second of the page.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import tyro
from playwright.sync_api import Browser, Page, sync_playwright

from pretrained import deploy

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
OWN = Path("/usr/bin/chromium")  # else Playwright's
TICKS = os.sysconf("SC_CLK_TCK")
COUNT = "Number(document.getElementById('made').dataset.count ?? 0)"


@dataclass(frozen=True)
class Options:
    """What is played, and for how long."""

    live: str = "style-starry-night"
    """A translator of any size, or of 128 px, for the camera."""
    draw: str = "draw-emoji"
    """A translator of drawings."""
    seconds: float = 20.0
    """Of the camera."""
    strokes: int = 10


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(name: str) -> Iterator[str]:
    """The static page of a model -> its address."""
    with tempfile.TemporaryDirectory() as folder:
        deploy.write(deploy.build(name, "static"), Path(folder) / "page")
        handler = functools.partial(Quiet, directory=str(Path(folder) / "page"))
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def computed() -> float:
    """Seconds of a processor that all Chromium renderers below this process have taken."""
    parents, taken = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = path.read_text().rsplit(")", 1)
            line = (path.parent / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        fields = rest.split()
        parents[int(name.split()[0])] = int(fields[1])
        if b"--type=renderer" in line:
            taken[int(name.split()[0])] = (int(fields[11]) + int(fields[12])) / TICKS

    def is_ours(process: int) -> bool:
        while process in parents:
            if process == os.getpid():
                return True
            process = parents[process]
        return False

    return sum(seconds for process, seconds in taken.items() if is_ours(process))


@contextmanager
def opened(browser: Browser, name: str) -> Iterator[Page]:
    """The page of a model, ready."""
    with served(name) as url:
        window = browser.new_context(permissions=["camera"], viewport={"width": 1280, "height": 900})
        page = window.new_page()
        page.set_default_timeout(300_000)
        page.goto(url)
        page.wait_for_function("document.getElementById('status').textContent === ''")
        yield page
        window.close()


def report(what: str, **figures: object) -> None:
    print(json.dumps({"what": what, **figures, "load": round(os.getloadavg()[0], 1)}), flush=True)


def play_camera(browser: Browser, options: Options) -> None:
    with opened(browser, options.live) as page:
        page.get_by_role("button", name="Live camera").click()
        page.wait_for_function("document.getElementById('rate').dataset.rate > 0")
        page.wait_for_timeout(2000)
        first, before, start = page.evaluate(COUNT), computed(), time.perf_counter()
        page.wait_for_timeout(1000 * options.seconds)
        frames, taken = page.evaluate(COUNT) - first, computed() - before
        rate, side = frames / (time.perf_counter() - start), page.evaluate("document.getElementById('made').width")
    report(
        f"camera through {options.live}, {side} px",
        frames_per_second=round(rate, 1),
        processor_seconds_per_frame=round(taken / frames, 3),
    )


def draw_strokes(browser: Browser, options: Options) -> None:
    seen, taken = [], []
    with opened(browser, options.draw) as page:
        box = page.locator("#paper canvas").bounding_box()
        for place in range(options.strokes):
            y = box["y"] + box["height"] * (place + 1) / (options.strokes + 2)
            page.mouse.move(box["x"] + 0.2 * box["width"], y)
            page.mouse.down()
            page.mouse.move(box["x"] + 0.8 * box["width"], y, steps=5)
            count, before, start = page.evaluate(COUNT), computed(), time.perf_counter()
            page.mouse.up()
            page.wait_for_function(f"count => {COUNT} > count", arg=count, polling=10)
            seen.append(time.perf_counter() - start)
            taken.append(computed() - before)
            page.wait_for_timeout(300)
    report(
        f"a stroke through {options.draw}",
        seconds=round(statistics.median(seen), 2),
        processor_seconds=round(statistics.median(taken), 2),
    )


def main(options: Options) -> None:
    own = {"executable_path": OWN} if OWN.exists() else {}
    with sync_playwright() as playwright, playwright.chromium.launch(args=ARGUMENTS, **own) as browser:
        play_camera(browser, options)
        draw_strokes(browser, options)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
