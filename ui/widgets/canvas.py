"""A canvas to draw on, and a curtain between two pictures."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping

import streamlit as st
from PIL import Image

from pretrained.media.images import open_image
from pretrained.system.errors import InputError
from ui.widgets.component import component

PNG_URL = "data:image/png;base64,"
MAX_CHARACTERS = 8_000_000  # of what a browser sends as a drawing
MAX_PIXELS = 4_000_000
MAX_LINKED = 6000  # characters of a drawing in a link: chats and servers cut longer links off

_canvas = component("canvas", '<div class="canvas"></div>')
_curtain = component("curtain", '<div class="curtain"><img><img><input type="range" value="50"></div>')


def canvas(
    key: str,
    label: str,
    size: tuple[int, int],
    palette: Mapping[str, str],
    background: str = "#ffffff",
    backdrop: bytes | None = None,
    brush: int = 3,
    start: bytes | None = None,
    store: str | None = None,
) -> Image.Image | None:
    """A canvas -> what has been drawn, "RGB" of `size`, or None before the first stroke.

    Args:
        palette: CSS colours by name; the first that is not the paper's is on the brush.
        background: the colour of the paper, where nothing is drawn.
        backdrop: a PNG to see below the drawing, which is no part of it.
        brush: width of a stroke in pixels of the drawing.
        start: a PNG that is on the canvas at first; it is not told as a drawing until somebody draws.
        store: the name under which the browser keeps the drawing, for when the page is loaded again.

    Raises:
        InputError: the browser sent something that is no drawing.
    """
    told = st.session_state.get(key, {}).get("drawing")
    drawing = _canvas(
        key=key,
        data={
            "label": label,
            "width": size[0],
            "height": size[1],
            "palette": list(palette.items()),
            "background": background,
            "backdrop": backdrop and png_url(backdrop),
            "brush": brush,
            "start": start and png_url(start),
            "store": store,
            "seen": told.get("count") if isinstance(told, dict) else None,
        },
        default={"drawing": None},
        on_drawing_change=lambda: None,
    ).drawing
    return None if drawing is None else _decode(drawing)


def _decode(drawing: object) -> Image.Image:
    url = drawing.get("url") if isinstance(drawing, dict) else None
    if not isinstance(url, str) or not url.startswith(PNG_URL) or len(url) > MAX_CHARACTERS:
        raise InputError("the browser sent no drawing")
    try:
        data = base64.b64decode(url.removeprefix(PNG_URL), validate=True)
    except binascii.Error:
        raise InputError("the browser sent no drawing") from None
    return open_image(io.BytesIO(data), max_pixels=MAX_PIXELS)


def drawing_to_text(image: Image.Image) -> str:
    """A drawing for a link, base64 of a lossless WebP, with fewer shades if need be; "" where it is too long still."""
    for colours in (256, 16, 4):
        file = io.BytesIO()
        fewer = image.quantize(colours, dither=Image.Dither.NONE) if image.getcolors(colours) is None else image
        fewer.convert("RGB").save(file, "WEBP", lossless=True, method=6)
        text = base64.urlsafe_b64encode(file.getvalue()).decode().rstrip("=")
        if len(text) <= MAX_LINKED:
            return text
    return ""


def text_to_drawing(text: str, size: tuple[int, int]) -> Image.Image | None:
    """What `drawing_to_text` has made, "RGB"; None for anything else, and for a drawing of another size."""
    if not 0 < len(text) <= MAX_LINKED:
        return None
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        image = open_image(io.BytesIO(data), max_pixels=size[0] * size[1])
    except (InputError, ValueError):
        return None
    return image if image.size == size else None


def png_url(png: bytes) -> str:
    return PNG_URL + base64.b64encode(png).decode()


def curtain(key: str, before: bytes, after: bytes, names: tuple[str, str], size: tuple[int, int], width: int) -> None:
    """Two PNGs upon each other: a slider draws the first aside.

    Args:
        size: pixels of both, for their shape alone.
        width: how wide they are shown, where there is room.
    """
    urls = {"before": png_url(before), "after": png_url(after)}
    _curtain(key=key, data={**urls, "names": list(names), "ratio": f"{size[0]} / {size[1]}", "width": width})
