"""Pictures side by side, each a button that shows it large."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from pretrained import sheet
from pretrained.latents import MAX_SEED
from ui.common import DEVICE, Model, file_name, plain

HERE = Path(__file__).parent
LARGE = 448  # px of one picture alone, at most: what a small dialog has room for

_component = st.components.v2.component(
    "gallery",
    html='<div class="gallery"></div>',
    css=(HERE / "gallery.css").read_text(),
    js=(HERE / "gallery.js").read_text(),
)


def gallery(model: Model, seeds: Sequence[int], label: int | None, truncation: float, columns: int) -> bytes:
    """Show the pictures of `seeds`, and the one that is clicked in a dialog -> the whole sheet, PNG."""
    png = _render(model, model.key, seeds, label, truncation, columns, 1)
    clicked = _component(
        key="gallery",
        data={
            "source": f"data:image/png;base64,{base64.b64encode(png).decode()}",
            "columns": min(columns, len(seeds)),
            "size": model.size,
            "seeds": list(seeds),
        },
        on_opened_change=lambda: None,
    ).opened
    if clicked is not None and clicked in seeds:
        st.dialog(f"Seed {clicked}")(_show)(model, clicked, label, truncation)
    return png


@st.cache_data(max_entries=64, show_spinner="Drawing …")
def _render(
    _model: Model,
    key: tuple[str, str, int],
    seeds: Sequence[int],
    label: int | None,
    truncation: float,
    columns: int,
    scale: int,
) -> bytes:
    with DEVICE:
        return sheet.render(_model.pipeline, _model.id, seeds, label, truncation, columns, scale)


def _show(model: Model, seed: int, label: int | None, truncation: float) -> None:
    classes = model.pipeline.config.classes
    scale = max(1, LARGE // model.size)
    st.image(
        _render(model, model.key, [seed], label, truncation, 1, scale),
        width=min(LARGE, scale * model.size),
        output_format="PNG",  # the automatic choice is JPEG, with losses
    )
    about = f"{model.size} × {model.size} px"
    st.caption(f"{plain(classes[seed % len(classes) if label is None else label])} · {about}" if classes else about)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download PNG",
            _render(model, model.key, [seed], label, truncation, 1, 1),
            file_name(model, f"seed-{seed}", ".png"),
            "image/png",
            on_click="ignore",
            icon=":material/download:",
        )
        st.page_link(
            "ui/walk.py",
            label="Walk from here",
            icon=":material/conversion_path:",
            query_params={"model": model.id, "seeds": f"{seed}-{min(seed + 3, MAX_SEED)}"},
        )
