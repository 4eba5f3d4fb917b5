"""The app's first picture: from asking a server for a page to seeing pictures there, in Chromium.

    python -m benchmarks.page

`first` is asked of a server where nobody has been, and no model was read; it imports torch as it starts. `next` is
another visitor, in a new window, at the same server. Quartiles in seconds.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import tyro
from playwright.sync_api import Browser, sync_playwright

from stress.visitor import resident, serve

IMAGES = ".gallery button canvas"


@dataclass(frozen=True)
class Options:
    """What is asked for, and how often."""

    model: str = "dcgan-mnist"
    """A bundled generator."""
    starts: int = 7
    """Of the server."""
    wait: float = 0.0
    """Seconds between its first sign of life and the first visitor."""


def ask(browser: Browser, url: str) -> float:
    """Seconds until the first picture of a page is painted, in a window without anything in its cache."""
    window = browser.new_context()
    page = window.new_page()
    start = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.locator(IMAGES).first.wait_for(timeout=120_000)
    taken = time.perf_counter() - start
    window.close()
    return taken


def main(options: Options) -> None:
    taken, memory = defaultdict(list), []
    own = shutil.which("chromium")  # else Playwright's
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=own, args=["--no-sandbox"]) as browser,
    ):
        for _ in range(options.starts):
            with serve() as (address, server):
                time.sleep(options.wait)
                for visitor in ("first", "next"):
                    taken[visitor].append(ask(browser, f"http://{address}/?model={options.model}"))
                memory.append(resident(server) >> 20)
    for visitor, seconds in taken.items():
        quartiles = [round(value, 2) for value in statistics.quantiles(seconds, n=4, method="inclusive")]
        print(json.dumps({"visitor": visitor, "seconds": quartiles, "server_MB": round(statistics.median(memory))}))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
