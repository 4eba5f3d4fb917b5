"""Widgets that more than one page has; each writes its value into the link."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from pretrained.titles import title_of
from ui.state.models import Model, escape_markdown
from ui.widgets.component import component

OWN = "each seed's own"
MAX_SURPRISE = 100_000  # seeds that a surprise chooses from: short enough to be said

_link = component("link", '<div class="link"><button type="button">Copy link</button></div>')


def say_what(model: Model, line: str) -> None:
    """Below the title of a page: what the model is called, and what can be done with it here."""
    st.caption(f"**{escape_markdown(title_of(model.pipeline.config).title)}** · {line}")


def surprise(values: Callable[[], Mapping[str, Any]], help: str) -> None:
    """A button that sets widgets to values drawn at random, by their keys."""
    st.button("Surprise me", on_click=lambda: st.session_state.update(values()), icon=":material/casino:", help=help)


def random_seed() -> int:
    """A seed that a surprise goes to."""
    return random.randrange(MAX_SURPRISE)


def random_seeds(count: int) -> str:
    """As many seeds that a surprise goes to, as a field for seeds takes them."""
    return ",".join(str(random_seed()) for _ in range(count))


def copy_link(key: str = "copy link") -> None:
    """A button that copies the address of the page, in which all is said that is set on it."""
    _link(key=key, data={})


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
    """Seeds as text, for `few_seeds` of pretrained to read."""
    return st.text_input(label, default, max_chars=400, key=key, bind="query-params", width=180, help="0-3, or 1,2,5-9")


def spelt(name: str) -> str:
    """A stranger's name as the label of a widget: escaped where need be, since escaped signs are read aloud."""
    return name if re.fullmatch(r"\w[\w -]*", name) else escape_markdown(name)


def whole_number(label: str, low: int, high: int, default: int, key: str, **shown: Any) -> int:
    """A field for a whole number from `low` to `high`; what a link says that is none is the default.

    Args:
        shown: what `st.number_input` takes beside, e.g. width=130.
    """
    bind = "query-params"
    if _is_endless(st.query_params.get(key, "")):  # which ends Streamlit's own reading in an OverflowError
        del st.query_params[key]
        bind = None
    return st.number_input(label, low, high, default, key=key, bind=bind, **shown)


def _is_endless(text: str) -> bool:
    try:
        return math.isinf(float(text))
    except ValueError:
        return False


def film_fields(num_frames: int, most: int) -> tuple[int, int]:
    """How many frames, and how many in a second."""
    frames = whole_number("Frames", 2, most, num_frames, "frames", step=10, width=130)
    return frames, whole_number("Frames per second", 1, 60, 30, "fps", width=150)
