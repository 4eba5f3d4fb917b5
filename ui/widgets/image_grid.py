"""Pictures side by side, each a button that shows it large."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from pretrained.inputs.latents import MAX_SEED
from pretrained.pipelines import image_grid
from pretrained.titles import is_pixel_art, title_of
from ui.state.cache import cached
from ui.state.models import Model, escape_markdown, file_name
from ui.widgets.component import component

FILE = 512  # px of the longer side of a downloaded picture, at least
SMOOTH, PIXELS, PLAIN = f"Smooth, {FILE} px", f"Pixels, {FILE} px", "As drawn"
LARGE = 448  # px of one picture alone, at most: what a small dialog has room for

_gallery = component("gallery", '<div class="gallery"></div>')


def table(png: bytes, frame: tuple[int, int], columns: int, titles: Sequence[str | None], gap: int = 0) -> int | None:
    """Show the pictures of a sheet, each a button with its title -> the place of the one that is clicked just now.

    Args:
        png: pictures in rows of `columns`, those of the first row and column `gap` px away from the rest.
        frame: width and height of a picture, in px.
        titles: one for each picture, row by row; None is a place that stays empty.
    """
    return _gallery(
        key="gallery",
        data={
            "source": f"data:image/png;base64,{base64.b64encode(png).decode()}",
            "columns": columns,
            "frame": frame,
            "titles": list(titles),
            "gap": gap,
        },
        on_opened_change=lambda: None,
    ).opened


def gallery(model: Model, seeds: Sequence[int], columns: int, how: Mapping[str, Any]) -> bytes:
    """Show the pictures of `seeds`, and the one that is clicked in a dialog -> the whole sheet, PNG.

    Args:
        how: what `Generate.sample` is given beside seeds, e.g. {"label": 3, "truncation": 0.7}.
    """
    png = render(model, seeds, columns, 1, how)
    clicked = table(png, model.frame, min(columns, len(seeds)), [f"Seed {seed}" for seed in seeds])
    if clicked is not None and clicked < len(seeds):
        show_seed(model, seeds[clicked], how)
    return png


def show_seed(model: Model, seed: int, how: Mapping[str, Any]) -> None:
    """The picture of a seed in a dialog."""
    st.session_state["large"] = seed
    st.dialog(title_of(model.pipeline.config).title)(_show)(model, how)


def render(model: Model, seeds: Sequence[int], columns: int, scale: int, how: Mapping[str, Any]) -> bytes:
    """The pictures of `seeds` in rows, each pixel repeated `scale` times both ways, PNG."""
    draw = partial(image_grid.render, model.pipeline, model.id, seeds, columns=columns, scale=scale, **how)
    key = (*model.key, tuple(seeds), columns, scale, *how.items())
    return cached(model, key, -(-len(seeds) // model.pipeline.batch_size), "Drawing …", draw)


def show_large(png: bytes, width: int) -> None:
    """A picture that is `width` px wide, no wider than the dialog."""
    st.image(png, width=min(LARGE, width), output_format="PNG")  # the automatic choice is JPEG, with losses


def download_png(model: Model, png: bytes, name: str, help: str | None = None, key: str | None = "save") -> None:
    """A button, and beside it how the file is enlarged to FILE px: pixel art by repeating pixels, unless it is chosen.

    Args:
        key: of the choice, where "save" stands in the link; None for none, where one beside it counts.
    """
    ways = [PIXELS, SMOOTH, PLAIN] if is_pixel_art(model.pipeline.config) else [SMOOTH, PIXELS, PLAIN]
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        place = st.empty()
        way = st.session_state.get("save", ways[0])
        if key:
            way = st.selectbox(
                "Size of the file",
                ways,
                key=key,
                bind="query-params" if key == "save" else None,
                label_visibility="collapsed",
                width=170,
                help="How the picture is enlarged for the file that is downloaded.",
            )
        data = png if way == PLAIN else image_grid.enlarge_png(png, FILE, way != PIXELS)
        place.download_button(
            "Download PNG", data, name, "image/png", on_click="ignore", icon=":material/download:", help=help
        )


def _step(by: int) -> None:
    st.session_state["large"] = min(max(st.session_state["large"] + by, 0), MAX_SEED)


def _show(model: Model, how: Mapping[str, Any]) -> None:
    seed = st.session_state["large"]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Previous", on_click=_step, args=(-1,), disabled=seed == 0, shortcut="Left")
        st.markdown(f"**Seed {seed}**", width="content")
        st.button("Next", on_click=_step, args=(1,), disabled=seed == MAX_SEED, shortcut="Right")
    width, height = model.frame
    scale = max(1, LARGE // max(width, height))
    show_large(render(model, [seed], 1, scale, how), scale * width)
    about = [*_told(model, seed, how), f"{width} × {height} px"]
    st.caption(" · ".join(map(escape_markdown, about)))
    with st.container(horizontal=True, vertical_alignment="center"):
        download_png(
            model, render(model, [seed], 1, 1, how), file_name(model, f"seed-{seed}", ".png"), key="large file"
        )
        st.page_link(
            "views/walk.py",
            label="Walk from here",
            icon=":material/conversion_path:",
            query_params={"model": model.id, "seeds": f"{seed}-{min(seed + 3, MAX_SEED)}"},
        )


def _told(model: Model, seed: int, how: Mapping[str, Any]) -> Iterator[str]:
    """The label and the text that the picture of a seed has."""
    config = model.pipeline.config
    if "text" in how:
        examples = config.input["text"]["examples"]
        yield how["text"] or examples[seed % len(examples)]
    if config.classes:
        yield config.classes[seed % len(config.classes) if how["label"] is None else how["label"]]
