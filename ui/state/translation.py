"""What the Translate page shows: of one image, and the examples that came with a translator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image, ImageOps

from pretrained.media import examples as reader
from pretrained.media import provenance
from pretrained.media.images import encode_png
from pretrained.pipelines import image_grid
from ui.state.cache import cached, fingerprint
from ui.state.models import Model

WIDTH = 384  # px of a picture on the page


@dataclass(frozen=True)
class Done:
    """PNGs: what the network saw and what it made of it, as large as the page has room for, and what it made, whole."""

    source: bytes
    shown: bytes
    output: bytes


def translate(model: Model, image: Image.Image, how: dict[str, Any]) -> Done:
    """What the network makes of a picture; `how` is what `Translate.translate` is given beside it."""
    seen = {name: value for name, value in how.items() if name in ("mask", "degrade", "seed", "fit")}
    condition = tuple((name, fingerprint(it) if isinstance(it, Image.Image) else it) for name, it in how.items())

    def make() -> Done:
        source, drawn = model.pipeline.source(image, **seen), model.pipeline.translate(image, **how)
        output = image_grid.encode(drawn, image_grid.translation_recipe(model.pipeline, model.id, image, **how))
        return Done(encode_png(_small(source)), provenance.mark(encode_png(_small(drawn))), output)

    passes = model.pipeline.passes(image.size, how.get("degrade", False), how.get("fit", "crop"))
    return cached(model, (*model.key, fingerprint(image), condition), passes, "Translating …", make, is_own=True)


def _small(image: Image.Image) -> Image.Image:
    return ImageOps.contain(image, (WIDTH, WIDTH)) if max(image.size) > WIDTH else image


def examples(model: Model) -> list[tuple[Image.Image, dict[str, Image.Image]]]:
    """The sources that came with the checkpoint, and what goes with each, by name."""
    return _read(Path(model.key[0]), model.key, model.pipeline.scale)


@st.cache_data(max_entries=16, show_spinner=False)
def _read(path: Path, key: tuple, scale: int) -> list[tuple[Image.Image, dict[str, Image.Image]]]:
    return reader.examples(path, scale)
