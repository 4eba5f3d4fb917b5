"""Pictures side by side, each a button that shows it large."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from pretrained.inputs.latents import MAX_SEED
from pretrained.pipelines import image_grid
from pretrained.pipelines.generate import BATCH_SIZE
from ui.state.cache import cached
from ui.state.models import Model, escape_markdown, file_name
from ui.widgets.component import component

LARGE = 448  # px of one picture alone, at most: what a small dialog has room for

_gallery = component("gallery", '<div class="gallery"></div>')


def table(png: bytes, size: int, columns: int, titles: Sequence[str | None], gap: int = 0) -> int | None:
    """Show the pictures of a sheet, each a button with its title -> the place of the one that is clicked just now.

    Args:
        png: pictures of `size` px in rows of `columns`, those of the first row and column `gap` px away from the rest.
        titles: one for each picture, row by row; None is a place that stays empty.
    """
    return _gallery(
        key="gallery",
        data={
            "source": f"data:image/png;base64,{base64.b64encode(png).decode()}",
            "columns": columns,
            "size": size,
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
    clicked = table(png, model.size, min(columns, len(seeds)), [f"Seed {seed}" for seed in seeds])
    if clicked is not None and clicked < len(seeds):
        show_seed(model, seeds[clicked], how)
    return png


def show_seed(model: Model, seed: int, how: Mapping[str, Any]) -> None:
    """The picture of a seed in a dialog."""
    st.dialog(f"Seed {seed}")(_show)(model, seed, how)


def render(model: Model, seeds: Sequence[int], columns: int, scale: int, how: Mapping[str, Any]) -> bytes:
    """The pictures of `seeds` in rows, each pixel repeated `scale` times both ways, PNG."""
    draw = partial(image_grid.render, model.pipeline, model.id, seeds, columns=columns, scale=scale, **how)
    key = (*model.key, tuple(seeds), columns, scale, *how.items())
    return cached(model, key, -(-len(seeds) // BATCH_SIZE), "Drawing …", draw)


def show_large(png: bytes, width: int) -> None:
    """A picture that is `width` px wide, no wider than the dialog."""
    st.image(png, width=min(LARGE, width), output_format="PNG")  # the automatic choice is JPEG, with losses


def download_png(png: bytes, name: str, help: str | None = None) -> None:
    st.download_button("Download PNG", png, name, "image/png", on_click="ignore", icon=":material/download:", help=help)


def _show(model: Model, seed: int, how: Mapping[str, Any]) -> None:
    scale = max(1, LARGE // model.size)
    show_large(render(model, [seed], 1, scale, how), scale * model.size)
    about = [*_told(model, seed, how), f"{model.size} × {model.size} px"]
    st.caption(" · ".join(map(escape_markdown, about)))
    with st.container(horizontal=True, vertical_alignment="center"):
        download_png(render(model, [seed], 1, 1, how), file_name(model, f"seed-{seed}", ".png"))
        st.page_link(
            "walk.py",
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
