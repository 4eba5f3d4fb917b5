"""A pad: two strengths at once, by the place of a dot."""

from __future__ import annotations

import math
from collections.abc import Callable

import streamlit as st

from ui.widgets.component import component

_pad = component("pad", '<div class="pad"></div>')


def pad(
    key: str,
    label: str,
    names: tuple[str, str],
    place: tuple[float, float],
    reach: float,
    step: float,
    on_move: Callable[[float, float], None],
) -> None:
    """A square whose dot is moved by mouse, touch and arrow keys; Home and a double click bring it back to the middle.

    Args:
        names: what goes across, and what goes up.
        place: where the dot is, each from -reach to reach.
        on_move: called before the page runs again, with the new place in whole steps.
    """

    def moved() -> None:
        told = st.session_state[key]["place"]
        place = [told.get(side) if isinstance(told, dict) else None for side in ("across", "up")]
        if all(isinstance(value, (int, float)) and math.isfinite(value) for value in place):
            on_move(*(round(round(min(max(value, -reach), reach) / step) * step, 6) for value in place))

    told = st.session_state.get(key, {}).get("place")
    _pad(
        key=key,
        data={
            "label": label,
            "names": list(names),
            "place": list(place),
            "reach": reach,
            "step": step,
            "seen": told.get("count") if isinstance(told, dict) else None,
        },
        default={"place": None},
        on_place_change=moved,
    )
