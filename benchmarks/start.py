"""From nothing to pictures, against code as the tutorials have it: a process, a checkpoint, a grid, a film.

    python -m benchmarks.start

`process`: from the start of Python to its end, with pictures written, by turns with one that only imports torch.
The rest is measured within one process, by turns: loading weights, drawing 64 pictures of 32 px and putting them into
one PNG; a photograph translated, from file to file; and a walk of 120 frames, encoded as H.264. Quartiles in
milliseconds, and peaks of resident memory.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch
import tyro
from PIL import Image
from torchvision.utils import save_image

import pretrained
from benchmarks import textbook
from pretrained import networks
from pretrained.media import video
from pretrained.media.images import encode_png, grid, open_image

SAMPLE = """
import sys, torch, torchvision
sys.path.insert(0, {root!r})
from benchmarks.textbook import generator
G = generator(32, 1, 64, 32)
G.load_state_dict(torch.load({weights!r}))
torchvision.utils.save_image(G.eval()(torch.randn(64, 64, 1, 1)), {out!r}, normalize=True)
"""


@dataclass(frozen=True)
class Options:
    """How often, and with what."""

    model: str = "dcgan-mnist"
    """A bundled generator of 32 px."""
    translator: str = "labels-facades"
    """A bundled translator of photographs."""
    processes: int = 9
    """Starts of each kind."""
    repeats: int = 30
    """Of what is measured within a process."""
    threads: int = 2
    """Of the processor."""


def turns(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each work, by turns, the first turn not counted."""
    taken = defaultdict(list)
    for turn in range(repeats + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if turn:
                taken[name].append(time.perf_counter() - start)
    return taken


def report(what: str, taken: dict[str, list[float]], **more: object) -> None:
    """One line of JSON: quartiles in milliseconds, and ratios to the first."""
    first = next(iter(taken.values()))
    row: dict[str, object] = {"what": what}
    for name, seconds in taken.items():
        row[name] = {
            "ms": [round(1000 * value, 1) for value in statistics.quantiles(seconds, n=4, method="inclusive")],
            "ratio": round(statistics.median(value / base for value, base in zip(seconds, first)), 2),
        }
    print(json.dumps(row | more), flush=True)


def run(*command: str, peaks: dict[str, list[int]], name: str) -> Callable[[], None]:
    """Something that starts a process and waits for its end; notes its peak of resident memory in MB."""

    def work() -> None:
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise subprocess.CalledProcessError(status, command)
        peaks[name].append(usage.ru_maxrss // 1024)

    return work


def main(options: Options) -> None:
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        weights, out = f"{folder}/G.pth", f"{folder}/out.png"
        theirs = textbook.generator(32, 1, 64, 32)
        torch.save(theirs.state_dict(), weights)
        peaks: dict[str, list[int]] = defaultdict(list)
        sample = ("-m", "pretrained", "sample", options.model, "--seeds", "0-63", "--out", out)
        script = SAMPLE.format(root=str(ROOT), weights=weights, out=out)
        works = {
            "import torch": run("-c", "import torch", peaks=peaks, name="import torch"),
            "sample": run(*sample, peaks=peaks, name="sample"),
            "textbook": run("-c", script, peaks=peaks, name="textbook"),
        }
        taken = turns(works, options.processes)
        report("process", taken, peak_MB={name: round(statistics.median(values)) for name, values in peaks.items()})

        model = pretrained.load(options.model, "cpu")

        def load() -> None:
            textbook.generator(32, 1, 64, 32).load_state_dict(torch.load(weights))

        def draw() -> None:
            with torch.no_grad():
                save_image(theirs.eval()(torch.randn(64, 64, 1, 1)), out, normalize=True)

        works = {"textbook": load, "ours": lambda: pretrained.load(options.model, "cpu")}
        report("load a checkpoint", turns(works, options.repeats))
        works = {"textbook": draw, "ours": lambda: Path(out).write_bytes(encode_png(grid(model.sample(range(64)))))}
        report("64 pictures as a PNG", turns(works, options.repeats))
        report("64 pictures", turns({"ours": lambda: model.sample(range(64))}, options.repeats))
        photo, translator = f"{folder}/photo.jpg", pretrained.load(options.translator, "cpu")
        Image.effect_noise((480, 360), 64).convert("RGB").save(photo)
        translate = networks.build(translator.config.network)
        translate.load_state_dict(translator.network.state_dict())
        prepare = textbook.resized(translator.config.size)

        def render() -> None:
            with torch.no_grad():
                save_image(translate.eval()(prepare(Image.open(photo))[None]), out, normalize=True)

        def synthesize() -> None:
            Path(out).write_bytes(encode_png(translator.translate(open_image(photo))))

        works = {"textbook": render, "ours": synthesize}
        report("a photograph translated", turns(works, options.repeats))
        film = Path(folder, "walk.mp4")
        works = {"ours": lambda: video.write(model.walk(range(4), num_frames=120), film)}
        report("120 frames of a walk as H.264", turns(works, 5))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
