"""What memory the app holds while models are opened, and after they are closed, told by where it comes from.

    python -m benchmarks.memory

Anonymous pages are what the process has written; the others are of files, code above all, which the system takes back
when it needs them. Each model is drawn from once by a visitor who leaves; then nobody comes until models are closed.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parents[1]))

import tyro

from stress.visitor import serve, visit


@dataclass(frozen=True)
class Options:
    """What is opened, and how long nobody comes."""

    models: tuple[str, ...] = ("dcgan-mnist", "stylegan-fashion", "dcgan-signs")
    """Bundled models, or others that the app offers."""
    page: str = ""
    """Where they are drawn from: "" is Samples; translate."""
    rounds: int = 2
    """How often they are opened and closed."""
    away: float = 330.0
    """Seconds without a visitor; models are closed after 300."""


def held(process: int) -> dict[str, int]:
    """MB, written and of files."""
    status = Path(f"/proc/{process}/status").read_text()
    found = {name: int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) // 1024 for name in ("RssAnon", "RssFile")}
    return {"written": found["RssAnon"], "of files": found["RssFile"]}


async def look(address: str, page: str, model: str) -> None:
    async with visit(address) as tab:
        shown = await tab.open(urlencode({"model": model}), page)
    if shown.errors and model:
        raise OSError(f"{model}: {shown.errors}")


def main(options: Options) -> None:
    with serve() as (address, process):

        def report(when: str) -> None:
            print(json.dumps({"when": when, **held(process)}), flush=True)

        report("started")
        asyncio.run(look(address, options.page, ""))
        time.sleep(8)
        report("one visitor, no model")
        for _ in range(options.rounds):
            for model in options.models:
                asyncio.run(look(address, options.page, model))
                report(f"{model} drawn")
            time.sleep(8)
            report("8 s later")
            time.sleep(options.away - 8)
            report(f"{options.away:g} s later")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
