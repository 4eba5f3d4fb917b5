"""A picture that Ganvas made -> the link that shows how, and the controls as that link sets them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from gradio_ui.components import Labels
from gradio_ui.models import offered
from pretrained.media import provenance
from pretrained.system.errors import InputError

SUFFIXES = [".png", ".jpg", ".jpeg", ".webp", ".gif"]
MAX_VALUE = 1000  # characters of a value in the link
Link = dict[str, str]


def link_of(path: str) -> Link:
    """The model of a picture, the verb that drew it, and its arguments, as its recipe has them.

    Raises:
        InputError: the picture carries no recipe, or its model is not offered here.
    """
    _, recipe = provenance.read(Path(path))
    if recipe is None:
        raise InputError("it does not say how it was made: only files that Ganvas wrote, and that nobody stripped, do")
    name = recipe["id"] if isinstance(recipe["id"], str) else ""
    if name not in offered():
        raise InputError(f"it was made by {str(recipe['id'])[:100]!r}, which is not offered here")
    link = {"model": name, "verb": str(recipe.get("verb"))[:MAX_VALUE]}
    for key, value in recipe.items():
        if isinstance(value, list) and all(type(seed) is int for seed in value):
            value = ",".join(map(str, value))
        if key not in link and key != "id" and isinstance(value, (str, int, float)):
            link[key] = str(value)[:MAX_VALUE]
    return link


def set_as(link: Mapping[str, str], controls: Mapping[str, Component]) -> None:
    """Begin with the values of a link, which anybody may have written; those that do not fit are left out."""
    for name, control in controls.items():
        if name in link:
            value = _value(link[name], control)
            control.value = control.value if value is None else value


def _value(text: str, control: Component) -> Any:
    try:
        if isinstance(control, Labels):
            place = 1 + int(text)  # behind the choice of none
            return control.choices[place][1] if 0 < place < len(control.choices) else None
        if isinstance(control, gr.Checkbox):
            return {"True": True, "False": False}.get(text)
        if isinstance(control, (gr.Number, gr.Slider)):
            value = float(text) if "." in text or "e" in text else int(text)
            return value if control.minimum <= value <= control.maximum else None
    except (ValueError, OverflowError, TypeError):
        return None
    return text if isinstance(control, gr.Textbox) else None
