"""What a model is called in words: a title and a one-line caption, from its config or from the table of the bundle."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from pretrained.checkpoint import Config

TABLE = Path(__file__).parent / "weights" / "titles.json"
MAX_TITLE, MAX_CAPTION = 80, 200  # characters


class Title(NamedTuple):
    """What a model is called, and one sentence on what it does ("" where nobody has said it)."""

    title: str
    caption: str


@cache
def table() -> dict[str, dict[str, Any]]:
    """The bundled models, those that are shown first at the top: {name: {"data": [names], "title", "caption"}}."""
    return json.loads(TABLE.read_text("utf-8"))


def title_of(config: Config) -> Title:
    """The words of `config.training["title"]` and `["caption"]`, else of the table, else the name.

    A row of the table is for a model of that name that was trained on one of the row's data sets, since a run is called
    as its recipe is.
    """
    title, caption = (config.training.get(name) for name in ("title", "caption"))
    if isinstance(title, str) and title.strip():
        return Title(_line(title, MAX_TITLE), _line(caption, MAX_CAPTION) if isinstance(caption, str) else "")
    row = table().get(config.name)
    if row and PurePath(str(config.training.get("data", ""))).stem in row["data"]:
        return Title(row["title"], row["caption"])
    return Title(config.name, "")


def is_pixel_art(config: Config) -> bool:
    """Whether its pictures are meant to be seen as squares when they are enlarged, not smoothly."""
    return bool(config.training.get("pixel_art", table().get(config.name, {}).get("pixel_art", False)))


def _line(text: str, most: int) -> str:
    return " ".join(text.split())[:most]
