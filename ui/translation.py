"""What the Translate page shows of one picture."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import streamlit as st
from PIL import Image, ImageOps

from ui.common import DEVICE, Model

WIDTH = 384  # px of a picture on the page


@dataclass(frozen=True)
class Done:
    """PNGs: what the network saw and what it made of it, as large as the page has room for, and what it made, whole."""

    source: bytes
    shown: bytes
    made: bytes


@st.cache_data(max_entries=64, show_spinner="Translating …")
def translate(_model: Model, key: tuple, picture: Image.Image, how: dict[str, Any]) -> Done:
    """What the network makes of a picture; `how` is what `Translate.translate` is given beside it."""
    seen = {name: value for name, value in how.items() if name in ("mask", "degrade", "seed", "fit")}
    with DEVICE:
        source, made = _model.pipeline.source(picture, **seen), _model.pipeline.translate(picture, **how)
    return Done(png(_small(source)), png(_small(made)), png(made))


def _small(picture: Image.Image) -> Image.Image:
    return ImageOps.contain(picture, (WIDTH, WIDTH)) if max(picture.size) > WIDTH else picture


def png(picture: Image.Image) -> bytes:
    """A picture as a PNG file."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
