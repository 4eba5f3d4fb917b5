"""The pictures of docs/guides/when-training-goes-wrong.md: small trainings that fail, each with its losses.

    python -m docs.failures --data-root data

Each takes about a minute on one processor core. Only the picture is kept: samples of fixed seeds, and the losses of D
and G over thousands of images.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from PIL import Image, ImageDraw, ImageFont

import pretrained
from pretrained.media.images import enlarge, grid

COMMON = "dcgan-plain --data fashion-mnist --width 16 --batch-size 64 --seed 0 --device cpu --threads 1"
COMMON += " --snapshots 2 --on-collapse ignore"
# What each is called, and the flags that make it fail.
RUNS = {
    "healthy": "--kimg 40 --penalty r1 --penalty-every 8 --learning-rate 5e-4",
    "d-has-won": "--kimg 20 --learning-rate 1e-4 --learning-rate-d 2e-3 --augment none",
    "artefacts": "--kimg 20 --learning-rate 4e-3 --betas 0.9 0.999 --norm none",
    "collapse": "--kimg 20 --learning-rate 2e-3 --learning-rate-d 1e-4 --augment none",
    "flat": "--kimg 20 --penalty r1 --penalty-weight 10000",
    "memorised": "--kimg 40 --augment none --learning-rate 5e-4",
}
FEW = 24  # images of the run that memorises
PLOT = (440, 256)  # px
COLOURS = {"D": "#d9603f", "G": "#3f86c6"}
MOST = 6.0  # of a loss that is drawn


@dataclass(frozen=True)
class Options:
    """Which trainings to draw."""

    runs: tuple[str, ...] = tuple(RUNS)
    """Of the table in this file."""
    data_root: Path = Path("data")
    """Folder of the named datasets."""
    out: Path = Path(__file__).parent / "failures"
    """Folder of the pictures."""


def few(folder: Path, root: Path) -> Path:
    """The first images of the dataset as a folder."""
    from trainer.data import load

    folder.mkdir()
    for number, image in enumerate(load("fashion-mnist", 32, root).images[:FEW]):
        Image.fromarray(image[0].numpy()).save(folder / f"{number}.png")
    return folder


def curves(lines: list[dict[str, float]]) -> Image.Image:
    """The losses of D and G over thousands of images."""
    width, height = PLOT
    canvas = Image.new("RGB", PLOT, "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    left, top, right, bottom = 30, 24, width - 12, height - 24
    last = lines[-1]["kimg"]
    for level in range(0, int(MOST) + 1, 2):
        y = bottom - (bottom - top) * level / MOST
        draw.line((left, y, right, y), fill="#dddddd")
        draw.text((left - 8, y), str(level), fill="#555555", font=font, anchor="rm")
    draw.text((right, height - 10), f"{last:.0f} kimg", fill="#555555", font=font, anchor="rm")
    for place, (name, colour) in enumerate(COLOURS.items()):
        points = [
            (
                left + (right - left) * line["kimg"] / last,
                bottom - (bottom - top) * min(max(line[name], 0), MOST) / MOST,
            )
            for line in lines
            if name in line
        ]
        draw.line(points, fill=colour, width=2)
        draw.text((left + 90 * place, 11), f"loss of {name}", fill=colour, font=font, anchor="lm")
    return canvas


def main(options: Options) -> None:
    """Train, and write a picture for each."""
    options.out.mkdir(exist_ok=True)
    for name in options.runs:
        with tempfile.TemporaryDirectory() as place:
            run = Path(place) / "run"
            words = [*COMMON.split(), *RUNS[name].split(), "--data-root", str(options.data_root), "--out", str(run)]
            if name == "memorised":
                words += ["--data", str(few(Path(place) / "few", options.data_root))]
            subprocess.run([sys.executable, "-m", "trainer", *words], check=True)
            lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
            samples = enlarge(grid(pretrained.load(str(run)).sample(range(32)), 8), 2)
        samples = Image.fromarray(np.broadcast_to(samples, (*samples.shape[:2], 3)))
        plot = curves(lines)
        picture = Image.new("RGB", (samples.width + plot.width, plot.height), "white")
        picture.paste(samples, (0, (plot.height - samples.height) // 2))
        picture.paste(plot, (samples.width, 0))
        picture.save(options.out / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
