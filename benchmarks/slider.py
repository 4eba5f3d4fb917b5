"""How long the app's server takes to redraw when a slider is moved, and whether only a part of the page runs for it.

    python -m benchmarks.slider

Each place of the slider is a new one, so nothing comes out of a cache. From the message of the browser to the end of
the answer; beside it the processor time of the server, which other work on the machine disturbs less.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import tyro

from stress.visitor import serve, visit

# The name of a page, its link, a slider on it, and from where to where that is moved.
SLIDERS = (
    ("", {"model": "dcgan-mnist", "count": 16}, "Truncation", 0.4, 1.6),
    ("", {"model": "stylegan-fashion", "count": 16}, "Truncation", 0.4, 1.6),
    ("mix", {"model": "stylegan-fashion", "coarse": "0-2", "fine": "10-12"}, "Truncation", 0.4, 1.6),
    ("explore", {"model": "dcgan-mnist"}, "Truncation", 0.4, 1.6),
    ("explore", {"model": "dcgan-mnist"}, "sefa-1", -3.0, 3.0),
    ("compare", {"model": "dcgan-mnist"}, "Truncation", 0.4, 1.6),
    ("translate", {"model": "style-starry-night"}, "Strength", 0.0, 0.9),
)


@dataclass(frozen=True)
class Options:
    """What is measured."""

    moves: int = 20
    """Of each slider, after one that does not count."""
    threads: int = 1
    """Of the processor, for the server."""


def processor(process: int) -> float:
    """Milliseconds of processor time that a process has used."""
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return 1000 * (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def measure(address: str, process: int, options: Options) -> None:
    for page, link, label, low, high in SLIDERS:
        async with visit(address) as visitor:
            shown = await visitor.open(urlencode(link), page)
            places = np.linspace(low, high, 1 + options.moves).round(4)
            shown = await visitor.slide(shown.sliders[label], places[0])
            start, taken, errors = processor(process), [], list(shown.errors)
            for place in places[1:]:
                begin = time.perf_counter()
                shown = await visitor.slide(shown.sliders[label], place)
                taken.append(1000 * (time.perf_counter() - begin))
                errors += shown.errors
            row = {"page": page or "samples", "model": link["model"], "slider": label, "part": shown.part}
            row["ms"] = [round(float(centile), 1) for centile in np.percentile(taken, [10, 50, 90])]
            row["processor ms"] = round((processor(process) - start) / options.moves, 1)
            print(json.dumps(row | {"load": round(os.getloadavg()[0], 1)}), flush=True)
            if errors:
                sys.exit(errors[0])


def main(options: Options) -> None:
    with serve(OMP_NUM_THREADS=str(options.threads)) as (address, process):
        asyncio.run(measure(address, process, options))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
