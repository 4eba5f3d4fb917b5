"""What command lines read, each a type for argparse, and a check of where they are to write."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from pretrained.inputs.seeds import parse_seeds
from pretrained.media import video
from pretrained.media.images import open_image
from pretrained.system.errors import InputError


def check_out(options: argparse.Namespace) -> None:
    """Refuse at once what could not be written after the work is done, or would be written over what is read."""
    path, suffix, source = options.out, options.out.suffix.lower(), getattr(options, "input", None)
    if isinstance(source, Path) and source.is_dir():
        if path.exists() and not path.is_dir():
            raise InputError(f"--out {path} is a file: give the name of a folder, since --input is one")
        if path.resolve().is_relative_to(source.resolve()):
            raise InputError(f"--out {path} lies in --input {source}: give another folder")
    elif not options.suffixes:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(f"--out {path} is not empty: give the name of a new folder")
    elif suffix not in options.suffixes:
        raise InputError(f"--out {path} has no suffix that can be written: {', '.join(options.suffixes)}")
    elif path.is_dir():
        raise InputError(f"--out {path} is a folder: give the name of a file")
    elif isinstance(source, Path) and path.resolve() == source.resolve():
        raise InputError(f"--out {path} is the picture that is read: give another name")
    if not path.parent.is_dir():
        raise InputError(f"--out {path} lies in no folder that exists: create {path.parent} first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"--out {path} cannot be written: you may not write in {path.parent}")
    if "fps" in options:
        video.check(suffix, options.fps)


def seeds(text: str) -> list[int]:
    """Seeds, as `parse_seeds` reads them."""
    try:
        return parse_seeds(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def image(path: str) -> Image.Image:
    """A picture file of any kind."""
    try:
        return open_image(path)
    except InputError as error:
        raise argparse.ArgumentTypeError(f"{path}: {error}") from None


def number(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], Any]:
    """A reader of numbers from `low` to `high`."""

    def read(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low:,} to {high:,}".replace(",", ""))
        return value

    return read


def assigned(kind: type[int] | type[float]) -> Callable[[str], tuple[str, Any]]:
    """A reader of NAME=NUMBER."""

    def read(text: str) -> tuple[str, int | float]:
        name, _, number = text.rpartition("=")
        try:
            value = kind(number)
        except ValueError:
            value = None
        if not name or value is None:
            raise argparse.ArgumentTypeError(f"{text[:60]!r} is not NAME=NUMBER, as in slant=2")
        return name, value

    return read
