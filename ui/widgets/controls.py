"""Widgets that more than one page has; each writes its value into the link."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from pretrained.checkpoint import Config
from pretrained.titles import title_of
from pretrained.verbs.drawing import Sample
from pretrained.verbs.parameter import MAX_TEXT, choices, fields_of
from pretrained.verbs.shared import Verb, takes
from ui.state.models import Model, escape_markdown
from ui.widgets.component import component

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


def copy_link(told: Mapping[str, str] = {}) -> None:
    """A button that copies the address of the page, in which all is said that is set on it.

    Args:
        told: what the copied link says beside that, by name.
    """
    _link(key="copy link", data=told)


def conditions(model: Model, verb: type[Verb] = Sample) -> dict[str, Any]:
    """The controls of what a network is given beside seeds: the arguments of `Generate.sample` that it takes."""
    config, fields = model.pipeline.config, fields_of(verb)
    names = [name for name in ("text", "label", "truncation") if name in fields]
    return {name: control(verb, name, config) for name in names if takes(config, fields[name].about.needs)}


def control(
    verb: type[Verb],
    name: str,
    config: Config | None = None,
    most: int | None = None,
    step: int | None = None,
    slider: bool = False,
    **shown: Any,
) -> Any:
    """The value of a parameter, from a widget that its type chooses; label, help and limits are those of the verb.

    Args:
        config: of the checkpoint, for a label or a text to be chosen.
        most: of a whole number, by default the most that may be online.
        step: of a field for a whole number.
        slider: for a whole number.
        shown: what the widget takes instead of what is described, e.g. label="Prepare it", key="coarse".
    """
    field = fields_of(verb)[name]
    about, start = field.about, shown.pop("value", field.start)
    shown = {"label": field.label, "key": name, "help": about.help, **shown}
    bound = {"bind": "query-params", **shown}
    if about.needs == "classes":
        names = [about.none, *(f"{label} {name}" for label, name in enumerate(config.classes))]
        chosen = st.selectbox(options=names, **{"width": 200, **bound})
        return names.index(chosen) - 1 if chosen != about.none else None
    if about.needs == "text":
        examples = config.input["text"]["examples"]
        free = {"index": None, "accept_new_options": True, "placeholder": about.none, "width": 300}
        return st.selectbox(options=examples, **free, **bound)
    if field.kind is bool:
        return st.toggle(value=start, **bound)
    if listed := choices(field.kind):
        return st.selectbox(**{"options": listed, "width": 120, **bound})
    if field.kind is str:
        return st.text_input(value=start, max_chars=MAX_TEXT, **{"width": 180, **bound}) or ""
    low, high = about.range.low, most or about.range.top(online=True)
    if field.kind is float:
        return st.slider(min_value=float(low), max_value=float(high), value=start, step=0.05, **{"width": 200, **bound})
    if slider:
        return st.slider(min_value=low, max_value=high, value=min(start, high), **{"width": 200, **bound})
    return whole_number(low=low, high=high, default=min(start, high), step=step, **{"width": 150, **shown})


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
