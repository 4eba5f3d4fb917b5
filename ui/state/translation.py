"""What the Translate page shows of one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageOps

from pretrained.media.images import encode_png
from ui.state.cache import fingerprint, made
from ui.state.models import Model

WIDTH = 384  # px of a picture on the page


@dataclass(frozen=True)
class Done:
    """PNGs: what the network saw and what it made of it, as large as the page has room for, and what it made, whole."""

    source: bytes
    shown: bytes
    made: bytes


def translate(model: Model, picture: Image.Image, how: dict[str, Any]) -> Done:
    """What the network makes of a picture; `how` is what `Translate.translate` is given beside it."""
    seen = {name: value for name, value in how.items() if name in ("mask", "degrade", "seed", "fit")}
    told = tuple((name, fingerprint(it) if isinstance(it, Image.Image) else it) for name, it in how.items())

    def make() -> Done:
        source, drawn = model.pipeline.source(picture, **seen), model.pipeline.translate(picture, **how)
        return Done(encode_png(_small(source)), encode_png(_small(drawn)), encode_png(drawn))

    passes = model.pipeline.passes(picture.size, how.get("degrade", False), how.get("fit", "crop"))
    return made(model, (*model.key, fingerprint(picture), told), passes, "Translating …", make, is_own=True)


def _small(picture: Image.Image) -> Image.Image:
    return ImageOps.contain(picture, (WIDTH, WIDTH)) if max(picture.size) > WIDTH else picture
