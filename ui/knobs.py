"""Widgets that more than one page has; each writes its value into the link."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pretrained.errors import InputError
from pretrained.seeds import parse_seeds
from ui.common import Model

OWN = "each seed's own"


def conditions(model: Model) -> dict[str, Any]:
    """What the pages tell the network beside seeds: the arguments of `Generate.sample`, as far as it takes them."""
    text = {"text": text_field(model)} if model.pipeline.config.input.get("text") else {}
    return {**text, "label": label_picker(model), "truncation": truncation_slider()}


def text_field(model: Model) -> str | None:
    """What a network that reads is to draw; the examples of its config are suggested."""
    return st.selectbox(
        "Text",
        model.pipeline.config.input["text"]["examples"],
        index=None,
        key="text",
        bind="query-params",
        accept_new_options=True,
        placeholder=OWN,
        width=300,
        help="Choose an example, or type words of your own and press Enter. Words it has never read are left out.",
    )


def label_picker(model: Model, own: str = OWN) -> int | None:
    """The class to draw, offered only by a checkpoint that has some; `own` stands for none in particular."""
    return class_picker(model.pipeline.config.classes, own)


def class_picker(classes: list[str], own: str = OWN) -> int | None:
    """One of `classes`, if there are any; None is none in particular."""
    if not classes:
        return None
    names = [own, *(f"{label} {name}" for label, name in enumerate(classes))]
    help = "What all of the pictures are to show."
    chosen = st.selectbox("Label", names, key="label", bind="query-params", width=200, help=help)
    return names.index(chosen) - 1 if chosen != own else None


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


def seeds_field(label: str, default: str, key: str) -> str:
    """Seeds as text, for `few_seeds` to read."""
    return st.text_input(label, default, max_chars=400, key=key, bind="query-params", width=180, help="0-3, or 1,2,5-9")


def few_seeds(text: str | None, most: int) -> list[int]:
    """The seeds that a visitor has typed; InputError when there are none, or more than `most`."""
    seeds = parse_seeds(text or "")
    if len(seeds) > most:
        raise InputError(f"{len(seeds):,} seeds are too many for this page: at most {most}")
    return seeds


def film_fields(num_frames: int, most: int) -> tuple[int, int]:
    """How many frames, and how many in a second."""
    frames = st.number_input("Frames", 2, most, num_frames, 10, key="frames", bind="query-params", width=130)
    return frames, st.number_input("Frames per second", 1, 60, 30, key="fps", bind="query-params", width=150)
