"""Fine-tuning against training from scratch, on five small sets of 100 images each, with the same steps.

    python benchmarks/finetune.py --base letters --sets "letters A-E" --folder ../shared/data \
        --features squeezenet1_0.npz --out runs/finetune

Both runs have the network, the data, the batches and the number of steps of each other, so that they take the same
minutes; the fine-tuned one begins from --base, with half the learning rate. KID is that of 200 samples of the average,
untruncated, against images of the same kind that were not trained on, else, below 50, against the 100 themselves. Bar:
at most half of from-scratch's KID on four of the five sets. The sets lie below --folder as its README says. Where the
base has classes, so have the sets: a letter, a sign or a style of avatars is the base's own class, others are new ones.
"""

from __future__ import annotations

import json
import re
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
import tyro
from PIL import Image, ImageDraw

import pretrained
from pretrained.media.images import grid, open_image
from pretrained.system.errors import InputError, fail
from pretrained.system.files import write_atomic
from trainer import data
from trainer.base import defaults, open_base, recipe_of
from trainer.data.files.reading import Reading
from trainer.loop import train as loop
from trainer.loop.settings import Settings
from trainer.methods.recipes import RECIPES
from trainer.metrics import features, fid_kid
from trainer.recipe import Recipe

SUFFIXES = {".png", ".jpg", ".webp"}
NUM_TRAIN, NUM_SAMPLES, NUM_REFERENCE, SEEDS = 100, 200, 200, range(16)
FACES = re.compile(r"emoji_u1f(60|61|62|63|64|91|92|97)[0-9a-f]\.png")


def folder(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)


def members(archive: Path, wanted: Callable[[str], bool], target: Path) -> list[Path]:
    """The images of an archive, written below `target`."""
    with zipfile.ZipFile(archive) as opened:
        names = [name for name in sorted(opened.namelist()) if wanted(name) and Path(name).suffix.lower() in SUFFIXES]
        return [Path(opened.extract(name, target)) for name in names]


def letters(path: Path, target: Path) -> list[Path]:
    """A to E of 20 typefaces first, then of others."""
    found = members(path / "letters.zip", lambda name: Path(name).parent.name in "ABCDE", target)
    return sorted(found, key=lambda file: (file.name, file.parent.name))[: 5 * 200]


SETS: dict[str, Callable[[Path, Path], list[Path]]] = {
    "motorbikes": lambda path, target: folder(path / "caltech101/Motorbikes"),
    "sign 5": lambda path, target: folder(path / "sign_digits/5"),
    "emoji faces": lambda path, target: [file for file in folder(path / "emoji") if FACES.fullmatch(file.name)],
    "avatars micah": lambda path, target: members(path / "avatars.zip", lambda name: "micah/" in name, target),
    "letters A-E": letters,
}


@dataclass(frozen=True)
class Command:
    """Compare fine-tuning with training from scratch on five small sets."""

    base: str
    """What is fine-tuned: a bundled name, or the folder of a run."""
    folder: Path
    """Where caltech101, sign_digits, emoji, avatars.zip and letters.zip lie."""
    features: Path
    """SqueezeNet's weights, .npz."""
    out: Path
    """Where runs and figures are written."""
    kimg: float = 20.0
    """Thousands of images of each run."""
    penalty_weight: float | None = None
    """Of R1 in both runs, where the one of the base is too strong for another set."""
    sets: tuple[str, ...] = tuple(SETS)
    """Which of the sets."""


def arrange(files: list[Path], name: str, folder: Path) -> tuple[Path, Path]:
    """100 of `files` and others in two folders, each in sub-folders by class; letters stay in order of typefaces."""
    if len(files) < NUM_TRAIN:
        raise InputError(f"{name} has {len(files)} images: {NUM_TRAIN} are needed")
    if name != "letters A-E":
        files = [files[i] for i in np.random.RandomState(0).permutation(len(files))]
    parts = {"train": files[:NUM_TRAIN], "rest": files[NUM_TRAIN : NUM_TRAIN + NUM_REFERENCE]}
    if len(parts["rest"]) < 50:
        parts["rest"] = parts["train"]
    for part, chosen in parts.items():
        for number, file in enumerate(chosen):
            (folder / part / file.parent.name).mkdir(parents=True, exist_ok=True)
            open_image(file, 3).save(folder / part / file.parent.name / f"{number:04}.png")
    return folder / "train", folder / "rest"


def curve(recipe: Recipe, run: Path, score: Callable[[Path], float]) -> tuple[list[tuple[float, float]], float]:
    """(kimg, KID) at an eighth, a quarter, a half and the whole of a run, and the minutes it took."""
    points, total, started = [], recipe.kimg, time.monotonic()
    for share in (1 / 8, 1 / 4, 1 / 2, 1):
        settings = Settings(threads=1, snapshots=1, resume=run.exists(), on_collapse="ignore", device="cpu")
        loop.train(replace(recipe, kimg=total * share), settings, run, "python benchmarks/finetune.py")
        points.append((total * share, score(run)))
    return points, (time.monotonic() - started) / 60


def run(command: Command) -> None:
    base = open_base(command.base)
    extractor = features.load("squeezenet", command.features, torch.device("cpu"))
    tuned = defaults(RECIPES[recipe_of(base, RECIPES)], base)
    if command.penalty_weight is not None:
        tuned = replace(tuned, options=replace(tuned.options, penalty_weight=command.penalty_weight))
    tuned = replace(tuned, kimg=command.kimg, decay=0.0, ema_kimg=2.0, batch_size=32, reading=Reading(layout="classes"))
    usual = RECIPES[tuned.name].learning_rate
    report, rows = {}, []
    for name in command.sets:
        place = command.out / name.replace(" ", "-")
        train, rest = arrange(SETS[name](command.folder, place / "archive"), name, place)
        real = extractor.extract(data.load(str(rest), tuned.size, Path(), tuned.channels).images.split(64))

        def score(folder: Path, real: torch.Tensor = real) -> float:
            images = pretrained.load(str(folder), "cpu").sample(range(NUM_SAMPLES))
            fake = extractor.extract(torch.from_numpy(images).permute(0, 3, 1, 2).split(64))
            return fid_kid.kid(fake, real, subsets=50, subset_size=min(len(real), 100))[0]

        found = {}
        for kind, recipe in (
            ("scratch", replace(tuned, data=str(train), learning_rate=usual)),
            ("tuned", replace(tuned, data=str(train), base=command.base)),
        ):
            points, minutes = curve(recipe, place / kind, score)
            found[kind] = {"curve": points, "kid": points[-1][1], "minutes": round(minutes, 1)}
            rows.append((f"{name}, {kind}", pretrained.load(str(place / kind), "cpu").sample(SEEDS)))
        found["ratio"] = round(found["tuned"]["kid"] / found["scratch"]["kid"], 3)
        report[name] = found
        print(json.dumps({name: found}), flush=True)
        write_atomic(command.out / "finetune.json", (json.dumps(report, indent=2) + "\n").encode())
    held = sum(found["ratio"] <= 0.5 for found in report.values())
    print(f"at most half of the KID from scratch: {held} of {len(report)} sets")
    sheet(rows).save(command.out / "finetune.png")


def sheet(rows: list[tuple[str, np.ndarray]]) -> Image.Image:
    """A strip of samples for each run, with its name beside it."""
    strips = [Image.fromarray(grid(np.repeat(images, 3 // images.shape[-1], -1), len(SEEDS))) for _, images in rows]
    made = Image.new("RGB", (160 + strips[0].width, len(rows) * (strips[0].height + 4)), "white")
    for row, ((name, _), strip) in enumerate(zip(rows, strips)):
        ImageDraw.Draw(made).text((4, row * (strip.height + 4) + 8), name, "black")
        made.paste(strip, (160, row * (strip.height + 4)))
    return made


if __name__ == "__main__":
    try:
        run(tyro.cli(Command, description=__doc__))
    except InputError as error:
        fail(error)
