"""Folders and .zip files as people have them: plain, wrapped, zipped, with what systems leave behind."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

GHOST = bytes.fromhex("0005160700020000") + bytes(80)  # AppleDouble: attributes of a file, no picture
Files = dict[str, bytes]


def image(number: int, size: tuple[int, int] = (16, 16), mode: str = "RGB") -> Image.Image:
    """One that differs with the number: a disc on a gradient."""
    width, height = size
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    made = Image.fromarray((np.stack([x, y, (x + number * 0.13) % 1], -1) * 255).astype(np.uint8))
    colour = (number * 53 % 256, (number * 97 + 80) % 256, (number * 29 + 160) % 256)
    ImageDraw.Draw(made).ellipse([width // 4, height // 4, width // 2, height // 2], fill=colour)
    return made.convert(mode)


def encode(picture: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def many(names: list[str], start: int = 0, size: tuple[int, int] = (16, 16)) -> Files:
    return {name: encode(image(start + number, size)) for number, name in enumerate(names)}


def named(folder: str, count: int, start: int = 0) -> Files:
    return many([f"{folder}/{number}.png".lstrip("/") for number in range(count)], start)


def beside(folder: str, count: int) -> Files:
    """Two pictures side by side in each file."""
    files = {}
    for number in range(count):
        both = Image.new("RGB", (32, 16))
        both.paste(image(number), (0, 0))
        both.paste(image(number).point(lambda level: 255 - level), (16, 0))
        files[f"{folder}/{number}.png".lstrip("/")] = encode(both)
    return files


def pairs(first: str, second: str, count: int, start: int = 0) -> Files:
    return named(first, count, start) | named(second, count, start + 40)


def with_ghosts(files: Files) -> Files:
    """What macOS, Windows, Jupyter and NAS boxes leave beside pictures."""
    ghosts = {}
    for name in files:
        folder, _, file = name.rpartition("/")
        ghosts[f"__MACOSX/{folder}/._{file}".replace("//", "/")] = GHOST
        ghosts[f"{folder}/._{file}".lstrip("/")] = GHOST
    folder = next(iter(files)).rpartition("/")[0]
    litter = {".DS_Store": b"x", "Thumbs.db": b"x", "desktop.ini": b"x", ".ipynb_checkpoints/a-checkpoint.png": b"x"}
    return files | ghosts | {f"{folder}/{name}".lstrip("/"): data for name, data in litter.items()} | litter


def wrapped(files: Files) -> Files:
    return {f"my set/{name}": data for name, data in files.items()}


def write_folder(path: Path, files: Files) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def write_zip(path: Path, files: Files, separator: str = "/") -> Path:
    path = path.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo("x")
            info.filename = name.replace("/", separator)
            archive.writestr(info, data)
    return path


FORMS: dict[str, Callable[[Path, Files], Path]] = {
    "plain": write_folder,
    "wrapped": lambda path, files: write_folder(path, wrapped(files)),
    "ghosts": lambda path, files: write_folder(path, with_ghosts(files)),
    "zip": write_zip,
    "wrapped zip with ghosts": lambda path, files: write_zip(path, with_ghosts(wrapped(files))),
    "wrapped zip with backslashes": lambda path, files: write_zip(path, wrapped(files), "\\"),
}
