"""Many visitors of the app at once, over its real server: whose picture each gets, how long it takes, what memory.

    python -m benchmarks.load --visitors 50 --pages 10

Each visitor is what a browser is to Streamlit, a WebSocket that asks for a page and is sent what to show. A page is
the Samples page of seeds that nobody else asks for; its pictures are compared with those that Python draws.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import tyro
from PIL import Image
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

import pretrained
from pretrained import images

ROOT = Path(__file__).parents[1]
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


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def resident(process: int) -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def health(address: str) -> float:
    """Seconds until the server says that it is well."""
    start = time.perf_counter()
    with urllib.request.urlopen(f"http://{address}/_stcore/health", timeout=30) as answer:
        answer.read()
    return time.perf_counter() - start


async def visit(address: str, query: str) -> tuple[bytes | None, list[str], int]:
    """One page -> the sheet on it, PNG; the errors on it; how many visitors were before this one at most."""
    png, errors, waiting = None, [], 0
    async with connect(f"ws://{address}/_stcore/stream", max_size=None, open_timeout=60) as socket:
        ask = BackMsg()
        ask.rerun_script.query_string = query
        await socket.send(ask.SerializeToString())
        async for message in socket:
            told = ForwardMsg.FromString(message)
            kind = told.WhichOneof("type")
            if kind == "script_finished":
                return png, errors, waiting
            element = told.delta.new_element if kind == "delta" else None
            if element is None:
                continue
            match element.WhichOneof("type"):
                case "bidi_component" if (data := json.loads(element.bidi_component.json or "{}")).get("titles"):
                    png = base64.b64decode(data["source"].partition(",")[2])
                case "exception":
                    errors.append(element.exception.message)
                case "alert":
                    errors.append(element.alert.body)
                case "markdown" if "before you" in element.markdown.body:
                    words = element.markdown.body.split()
                    waiting = max(waiting, *(int(word) for word in words if word.isdecimal()), 1)
    raise ConnectionError("the server closed the connection")


async def visitor(place: int, address: str, options: Options, tally: Tally) -> None:
    model = options.models[place % len(options.models)]
    pipeline = pretrained.load(model, "cpu")
    for page in range(options.pages):
        first = (place * options.pages + page) * options.count
        query = urlencode({"model": model, "count": options.count, "seed": first, "columns": options.count})
        start = time.perf_counter()
        try:
            png, errors, waiting = await visit(address, query)
        except (OSError, asyncio.TimeoutError) as error:
            tally.errors.append(f"visitor {place}, page {page}: {error}")
            continue
        tally.seconds.append(time.perf_counter() - start)
        tally.errors += errors
        tally.most_waiting = max(tally.most_waiting, waiting)
        drawn = images.grid(pipeline.sample(range(first, first + options.count)), options.count).squeeze()
        if png is None or not np.array_equal(np.asarray(Image.open(io.BytesIO(png))), drawn):
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
    address = f"127.0.0.1:{free_port()}"
    host, port = address.split(":")
    command = ["streamlit", "run", "app.py", f"--server.port={port}", f"--server.address={host}"]
    with subprocess.Popen(
        [sys.executable, "-m", *command, "--server.headless=true", "--server.fileWatcherType=none"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    ) as server:
        try:
            for _ in range(120):
                try:
                    health(address)
                    break
                except OSError:
                    time.sleep(0.5)
            one = Options(options.models, len(options.models), 2, options.count)
            asyncio.run(load(address, server.pid, one))  # the models are in memory from here on
            before = resident(server.pid)
            start = time.perf_counter()
            tally = asyncio.run(load(address, server.pid, options))
            seconds = time.perf_counter() - start
            time.sleep(FORGET)
            asyncio.run(load(address, server.pid, one))  # a visit, at which what is forgotten is thrown away
            after = resident(server.pid)
        finally:
            server.terminate()
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
