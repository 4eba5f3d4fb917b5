"""The sources that a translator's samples.png shows, to try it with."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from pretrained.checkpoint import SAMPLES
from pretrained.media.images import open_image
from pretrained.system.errors import InputError

MAX_ROWS, MAX_COLUMNS = 16, 16
MAX_CHARACTERS = 100_000


def examples(checkpoint: Path, scale: int = 1) -> list[tuple[Image.Image, dict[str, Image.Image]]]:
    """Sources, and what goes with each by name; as `rows`."""
    beside = ("mask", "second")
    return [(row["source"], {name: row[name] for name in beside if name in row}) for row in rows(checkpoint, scale)]


def rows(checkpoint: Path, scale: int = 1) -> list[dict[str, Image.Image]]:
    """The rows of the sheet beside a checkpoint, "source", "output" and what else is there by name; none where it does
    not say what they are.

    Args:
        checkpoint: its file.
        scale: how many times larger than its source an image is; the sources are shown as large as the outputs.
    """
    path = checkpoint.with_name(SAMPLES)
    if not path.exists():
        return []
    try:
        with Image.open(path, formats=["PNG"]) as file:
            said = json.loads(file.info.get("ganvas", "{}")[:MAX_CHARACTERS])
            columns, height = said.get("columns", []), said.get("height")
        sheet = open_image(path)
    except (InputError, OSError, ValueError, AttributeError, TypeError, RecursionError, Image.DecompressionBombError):
        return []
    is_table = isinstance(columns, list) and 1 <= len(columns) <= MAX_COLUMNS and "source" in columns
    if not is_table or sheet.width % len(columns) or sheet.width // len(columns) < scale:
        return []
    width = sheet.width // len(columns)
    height = height if type(height) is int and height >= scale else width
    found = []
    for top in range(0, min(sheet.height // height, MAX_ROWS) * height, height):
        cells = {
            name: sheet.crop((i * width, top, (i + 1) * width, top + height))
            for i, name in enumerate(columns)
            if isinstance(name, str)
        }
        small = cells["source"].resize((width // scale, height // scale), Image.Resampling.NEAREST)
        found.append(cells | {"source": small})
    return found
