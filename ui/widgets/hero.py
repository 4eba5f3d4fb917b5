"""The moving picture of the home page: a film made beforehand, which the pointer winds to and fro."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

from ui.widgets.component import component

FILM = Path(__file__).parents[1] / "home.mp4"  # made by docs/home.py

_hero = component("hero", '<div class="hero"><video muted loop autoplay playsinline></video></div>')


@cache
def _url() -> str:
    return "data:video/mp4;base64," + base64.b64encode(FILM.read_bytes()).decode()


def hero() -> None:
    """The film, as wide as there is room; it plays by itself, and follows the pointer while that is above it."""
    _hero(key="hero", data={"source": _url(), "label": "Pictures of the bundled models, turning into one another"})
