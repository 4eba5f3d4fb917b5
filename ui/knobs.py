"""Widgets that more than one page has; each writes its value into the link."""

from __future__ import annotations

import streamlit as st

from ui.common import Model

OWN = "each seed's own"


def label_picker(model: Model) -> int | None:
    """The class to draw, offered only by a checkpoint that has some."""
    classes = model.pipeline.config.classes
    if not classes:
        return None
    names = [OWN, *(f"{label} {name}" for label, name in enumerate(classes))]
    chosen = st.selectbox("Label", names, key="label", bind="query-params", width=200)
    return names.index(chosen) - 1 if chosen != OWN else None


def truncation_slider() -> float:
    return st.slider(
        "Truncation",
        0.0,
        2.0,
        1.0,
        0.05,
        key="truncation",
        bind="query-params",
        width=200,
        help="Below 1 pictures are more typical and less varied, at 0 all the same.",
    )
