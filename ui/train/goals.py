"""What a visitor can ask for, in words, and the recipe that follows; without a widget."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """A row of GOALS.

    Attributes:
        title, explanation: what is chosen, in words, and what it needs.
        recipe: of the trainer, by name.
        flags: what it is given beside.
        second: another image that it needs, in words; "" where it needs none.
        images: how many make a good start; below it the page says so.
        kimg: thousands of images for a first look, a good result and a long training.
        minutes: for one kimg at `size`, on one thread of a 2.5 GHz server processor; a guide until it is measured.
        size: px, of the recipe.
        sizes: what else can be chosen; nothing where the recipe's network takes any size.
    """

    title: str
    explanation: str
    recipe: str
    images: int
    kimg: tuple[float, float, float]
    minutes: float
    size: int
    sizes: tuple[int, ...] = ()
    flags: tuple[str, ...] = ()
    second: str = ""


GOALS: dict[str, Goal] = {
    "new": Goal(
        "New images like these",
        "A folder of images that have something in common: portraits, textures, characters.",
        "dcgan-64",
        200,
        (40, 240, 800),
        0.1,
        64,
        (32, 64),
        ("--width", "32", "--penalty", "r1", "--penalty-weight", "0.1", "--penalty-every", "8"),
    ),
    "classes": Goal(
        "New images by class",
        "One sub-folder for each class, named as the class: cats/, dogs/.",
        "dcgan-64",
        500,
        (40, 240, 800),
        0.1,
        64,
        (32, 64),
        ("--width", "32", "--conditional", "--penalty", "r1", "--penalty-weight", "0.1", "--penalty-every", "8"),
    ),
    "drawings": Goal(
        "From drawings to these",
        "A folder of images; the drawings are made from them, and later you draw yourself.",
        "pix2pix-emoji",
        100,
        (8, 80, 200),
        0.94,
        128,
        (64, 128),
    ),
    "pairs": Goal(
        "From A to B, with pairs",
        "Two folders A/ and B/ with files of the same names, or each pair side by side in one image.",
        "pix2pix-facades",
        100,
        (4, 20, 80),
        4.0,
        256,
        (128, 256),
        ("--labels", "none"),
    ),
    "domains": Goal(
        "From A to B, without pairs",
        "Two folders trainA/ and trainB/ that show different things in the same way: horses and zebras.",
        "cyclegan-emoji",
        200,
        (4, 40, 100),
        4.2,
        64,
        (64, 128),
    ),
    "style": Goal(
        "In the style of this painting",
        "A folder of photographs of anything, and one painting; later it paints any photograph.",
        "style-transfer",
        500,
        (4, 16, 60),
        0.85,
        128,
        (128, 256),
        ("--perceptual", "squeezenet", "--width", "16", "--blocks", "3"),
        "The painting",
    ),
    "sharper": Goal(
        "Larger and sharper",
        "A folder of sharp images; the small ones are made from them.",
        "srgan-x4",
        200,
        (10, 60, 200),
        0.5,
        96,
    ),
}


def folder_name(text: str) -> str:
    """A name that every file system and the Hub take: "My cats!" is my-cats; "" where nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].strip("-")


def command(
    goal: Goal, data: str, size: int, kimg: float, base: str | None, licence: str, second: str = ""
) -> list[str]:
    """What follows `python -m trainer`.

    Args:
        data: a folder, a .zip or hub:user/dataset.
        size: px.
        kimg: thousands of images to train on.
        base: a checkpoint to start from, or None.
        licence: of the images, for the model card; "" leaves it out.
        second: the file of the image that the goal needs beside.
    """
    words = [goal.recipe, "--data", data, *goal.flags, "--kimg", f"{kimg:g}"]
    if goal.sizes:
        words += ["--size", str(size)]
    if second:
        words += ["--style", second]
    if base:
        words += ["--from", base]
    if licence:
        words += ["--data-licence", licence]
    return words
