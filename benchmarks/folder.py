"""How long it takes to lay out a folder of many files, and how much memory: names alone, before any image is decoded.

    python benchmarks/folder.py --files 200000

The folders hold hard links to one small image: classes in sub-folders, A and B with train and val, and one flat folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import tyro
from PIL import Image

LAYOUTS = {
    "flat": [""],
    "100 classes": [f"class {number}" for number in range(100)],
    "pairs": ["A/train", "A/val", "B/train", "B/val"],
}
MEASURE = """
import json, resource, sys, time
from pathlib import Path
from pretrained.media.files import list_images
from trainer.data.files import layout
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start, worked = time.perf_counter(), time.process_time()
listing = list_images(Path(sys.argv[1]))
listed = time.perf_counter()
if sys.argv[2] == "pairs":
    layout.match(layout.find_kinds(listing))
else:
    layout.classes(layout.find_images(listing).parts["train"][0])
print(json.dumps({
    "files": len(listing.images),
    "listed, s": round(listed - start, 2),
    "recognised, s": round(time.perf_counter() - listed, 2),
    "processor, s": round(time.process_time() - worked, 2),
    "memory, MB": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024),
}))
"""


@dataclass(frozen=True)
class Options:
    """What is measured."""

    files: int = 200_000
    """In each folder."""
    folder: Path = Path(tempfile.gettempdir())
    """Where the folders are made, and deleted."""


def link(folder: Path, places: list[str], count: int) -> Path:
    """`count` hard links to one image, shared out among the sub-folders `places`."""
    folder.mkdir()
    for place in places:
        (folder / place).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        name = f"image {number // len(places):07d}.png"
        if number % 1000 == 0:  # a file system may allow few links to one file
            source = folder.parent / f"image-{number}.png"
            Image.new("RGB", (8, 8), "red").save(source)
        os.link(source, folder / places[number % len(places)] / name)
    return folder


def main(options: Options) -> None:
    with tempfile.TemporaryDirectory(dir=options.folder) as here:
        for layout, places in LAYOUTS.items():
            folder = link(Path(here) / layout, places, options.files)
            done = subprocess.run(
                [sys.executable, "-c", MEASURE, str(folder), layout],
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            print(json.dumps({"layout": layout} | json.loads(done.stdout)), flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options))
