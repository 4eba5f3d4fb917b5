"""How fast pictures reach the step: pictures a second from each kind of source, and the share of a step that waits.

    python -m benchmarks.feed

A source is read once, decoded and scaled, into an array of bytes, which later runs find: `first` is the seconds of
that. Then each batch is cut from the array, jittered, mirrored and spoilt as its recipe asks: `images/s`, beside a
DataLoader's for the same files, and `waits`, the share of a training step that this takes, by turns with the steps.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import tyro

from benchmarks import steps, textbook
from trainer.cli.parse import parse
from trainer.loop.trainer import Trainer


@dataclass(frozen=True)
class Options:
    """What is measured."""

    rows: tuple[str, ...] = ()
    """Which of the rows; all by default."""
    batches: int = 50
    """Of each row, one before each step; the median counts."""
    threads: int = 2
    """Of the processor."""
    workers: int = 2
    """Processes of the textbook's DataLoader."""
    data_root: Path = Path("data")
    """Where MNIST is looked for, and downloaded to."""


ROWS = {
    "IDX (MNIST), 32 px": "dcgan-mnist",
    "folder, 64 px": "dcgan-64 --data {pictures} --width 64",
    "zip, 64 px": "dcgan-64 --data {zip} --width 64",
    "pairs side by side, 256 px": steps.PIX2PIX + " --width 32 --discriminator-width 32",
    "sketches made of pictures, 128 px": "pix2pix-emoji --data {pictures}",
    "two domains, 128 px": steps.CYCLEGAN,
}


def loaders(options: Options, folder: Path) -> dict[str, tuple[Iterator[object], int]]:
    """The textbook's DataLoader for a row, and the pictures in its batch."""
    pairs = textbook.PairedImages(sorted((folder / "pairs").glob("*.jpg")), 256)
    return {
        "IDX (MNIST), 32 px": (steps.mnist(options, 128), 128),
        "folder, 64 px": (steps.files(options, folder / "pictures", 64, 128), 128),
        "pairs side by side, 256 px": (textbook.epochs(pairs, 1, options.workers), 1),
    }


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(name: str, options: Options, folder: Path) -> dict[str, object]:
    places = {place: folder / place for place in ("pictures", "pairs", "domains")} | {"zip": folder / "pictures.zip"}
    words = f"{ROWS[name].format(**places)} --device cpu --threads {options.threads} --data-root {options.data_root}"
    command = parse(words.split())
    start = time.perf_counter()
    trainer = Trainer(command.recipe, command.settings)
    first = time.perf_counter() - start
    trainer.step()
    drawn, taken = [], []
    for _ in range(options.batches):
        drawn.append(seconds(trainer.batches.__next__))
        taken.append(seconds(trainer.step))
    batch = statistics.median(drawn)
    result = {
        "row": name,
        "first": round(first, 1),
        "images/s": round(command.recipe.batch_size / batch),
        "waits": f"{batch / statistics.median(taken):.1%}",
    }
    if name in (textbooks := loaders(options, folder)):
        loader, images = textbooks[name]
        next(loader)
        count = options.batches
        result["DataLoader, images/s"] = round(count * images / seconds(lambda: [next(loader) for _ in range(count)]))
    return result


def main(options: Options) -> None:
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        steps.draw_files(Path(folder))
        with zipfile.ZipFile(Path(folder, "pictures.zip"), "w") as archive:
            for file in sorted(Path(folder, "pictures").iterdir()):
                archive.write(file, file.name)
        for name in options.rows or ROWS:
            print(json.dumps(measure(name, options, Path(folder))), flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
