"""Many visitors of the app at once, over its real server: whose picture each gets, how long it takes, what memory.

    python -m stress.load --visitors 50 --pages 10

Each visitor is what a browser is to Streamlit, a WebSocket that asks for a page and is sent what to show. A page is
the Samples page of seeds that nobody else asks for; its pictures are compared with those that Python draws.
"""

from __future__ import annotations

import asyncio
import io
import json
import statistics
import sys
import time
from dataclasses import dataclass
from urllib.parse import urlencode

import numpy as np
import tyro
from PIL import Image

import pretrained
from pretrained.media.images import grid
from stress.visitor import health, resident, serve, visit

FORGET = 150  # seconds after which Streamlit has forgotten visitors who left, who might have come back
HEARTBEAT = 0.5  # seconds between two looks at the server's health and memory


@dataclass(frozen=True)
class Options:
    """The load."""

    models: tuple[str, ...] = ("dcgan-mnist", "stylegan-fashion", "dcgan-signs")
    """Checkpoints, which the visitors take in turn."""
    visitors: int = 50
    """At once."""
    pages: int = 10
    """That each of them asks for, one after another."""
    count: int = 16
    """Pictures on a page."""


@dataclass
class Tally:
    """What was seen: seconds for each page, pages with others' pictures, what went wrong, beats of the server."""

    seconds: list[float]
    wrong: list[str]
    errors: list[str]
    beats: list[float]
    memory: list[int]
    most_waiting: int = 0


async def visitor(place: int, address: str, options: Options, tally: Tally) -> None:
    model = options.models[place % len(options.models)]
    pipeline = pretrained.load(model, "cpu")
    for page in range(options.pages):
        first = (place * options.pages + page) * options.count
        query = urlencode({"model": model, "count": options.count, "seed": first, "columns": options.count})
        start = time.perf_counter()
        try:
            async with visit(address) as tab:
                shown = await tab.open(query)
        except (TimeoutError, OSError) as error:
            tally.errors.append(f"visitor {place}, page {page}: {error}")
            continue
        tally.seconds.append(time.perf_counter() - start)
        tally.errors += shown.errors
        tally.most_waiting = max(tally.most_waiting, shown.waiting)
        drawn = grid(pipeline.sample(range(first, first + options.count)), options.count).squeeze()
        if shown.png is None or not np.array_equal(np.asarray(Image.open(io.BytesIO(shown.png))), drawn):
            tally.wrong.append(f"visitor {place}, page {page}")


async def beat(address: str, process: int, tally: Tally) -> None:
    while True:
        tally.beats.append(await asyncio.to_thread(health, address))
        tally.memory.append(resident(process))
        await asyncio.sleep(HEARTBEAT)


async def load(address: str, process: int, options: Options) -> Tally:
    tally = Tally([], [], [], [], [])
    heart = asyncio.create_task(beat(address, process, tally))
    await asyncio.gather(*(visitor(place, address, options, tally) for place in range(options.visitors)))
    heart.cancel()
    return tally


def main(options: Options) -> None:
    with serve() as (address, process):
        one = Options(options.models, len(options.models), 2, options.count)
        asyncio.run(load(address, process, one))  # the models are in memory from here on
        before = resident(process)
        start = time.perf_counter()
        tally = asyncio.run(load(address, process, options))
        seconds = time.perf_counter() - start
        time.sleep(FORGET)
        asyncio.run(load(address, process, one))  # a visit, at which what is forgotten is thrown away
        after = resident(process)
    centiles = statistics.quantiles(tally.seconds, n=20)
    report = {
        "visitors": options.visitors,
        "pages": len(tally.seconds),
        "pages with other pictures": len(tally.wrong),
        "errors": len(tally.errors),
        "pages per second": round(len(tally.seconds) / seconds, 2),
        "seconds per page, median": round(statistics.median(tally.seconds), 2),
        "seconds per page, 95 %": round(centiles[-1], 2),
        "most visitors before one": tally.most_waiting,
        "seconds to answer a health check, median and most": [
            round(statistics.median(tally.beats), 3),
            round(max(tally.beats), 3),
        ],
        "MB before, most, after": [round(bytes / 2**20) for bytes in (before, max(tally.memory), after)],
    }
    print(json.dumps(report, indent=1))
    for line in [*tally.wrong, *tally.errors][:10]:
        print(line, file=sys.stderr)
    raise SystemExit(bool(tally.wrong or tally.errors))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
