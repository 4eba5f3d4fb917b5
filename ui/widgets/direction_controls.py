"""Moving a picture: which directions there are, a pad and sliders for them, and a form to keep one under a name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import streamlit as st

import pretrained
from pretrained.pipelines import directions
from pretrained.pipelines.directions import Direction
from pretrained.system.errors import InputError
from ui.state.models import DEVICE, Model, error_text, escape_markdown, file_name
from ui.widgets.canvas import png_url
from ui.widgets.controls import spelt
from ui.widgets.pad import pad

COUNT = 8  # directions that are offered of those that a method finds
REACH, STEP = 5.0, 0.1
BESIDE = 150  # px of a slider, and of the images beside it: both fit on a phone
METHODS = {"named": "Named", "sefa": "SeFa", "pca": "PCA"}
ABOUT = {
    "named": "Named directions come with the model, and change what they are called after.",
    "sefa": "SeFa finds what changes the first layers of the network most.",
    "pca": "PCA finds what differs most among styles.",
}


@st.cache_data(max_entries=32, show_spinner="Finding directions …")
def _find(_model: Model, key: tuple, method: str) -> np.ndarray:
    with DEVICE:
        return directions.find(_model.pipeline, method)


def dim(model: Model) -> int:
    """How many numbers a point has."""
    return len(_find(model, model.key, "axis"))


def found(model: Model, method: str, numbers: list[int]) -> dict[str, Direction]:
    """The directions of these numbers, from 1, by name."""
    rows = _find(model, model.key, method)
    return {f"{method}-{number}": Direction(rows[number - 1], {f"{method}-{number}": 1.0}) for number in numbers}


def _file(model: Model) -> Path:
    return Path(model.key[0]).with_name(directions.FILE)


def _is_own(model: Model) -> bool:
    """Whether directions can be kept beside the checkpoint: in a run, not in what is bundled or on the Hub."""
    is_run = not model.pipeline.revision and model.id not in pretrained.available()
    return is_run and os.access(_file(model).parent, os.W_OK)


def _session(model: Model) -> dict[str, Direction]:
    """What was named on this visit, for a checkpoint whose folder is not ours to write in."""
    return st.session_state.setdefault(f"kept {model.key}", {})


def _kept(model: Model) -> dict[str, Direction]:
    try:
        return directions.read(_file(model), model.pipeline.config) | _session(model)
    except InputError as error:
        st.warning(error_text(error), icon=":material/warning:")
        return _session(model)


def choose(model: Model) -> dict[str, Direction]:
    """The directions that can be moved along, by name: those that are kept, and those that a method finds."""
    offered = [name for name in directions.methods(model.pipeline) if name in METHODS]
    if model.id in pretrained.available() and _file(model).exists():
        offered = ["named", *offered]
    # A link that moves along sefa-1 opens with those; the named ones come first else.
    linked = (name for name in offered if any(key.startswith(f"move-{name}-") for key in st.query_params))
    method = next(linked, offered[0])
    if len(offered) > 1:
        method = st.segmented_control(
            "Found by",
            offered,
            default=method,
            format_func=METHODS.get,
            key="method",
            bind="query-params",
            help=" ".join(ABOUT[name] for name in offered),
        )
    if (method or offered[0]) == "named":
        return _kept(model)
    kept = _session(model) if "named" in offered else _kept(model)
    return kept | found(model, method or offered[0], list(range(1, 1 + min(COUNT, dim(model)))))


def steer(model: Model, known: Mapping[str, Direction], strips: Mapping[str, bytes] | None = None) -> dict[str, float]:
    """A pad for two of the directions, and a slider for each -> strengths by name, those that are not 0.

    Args:
        strips: what stands beside each slider, a PNG of what it does, by name.
    """
    key = lambda name: f"move-{name}"
    names = list(known)
    left, right = st.columns([2, 3] if strips else 2, gap="medium")
    with left:
        with st.container(horizontal=True):
            across, up = (
                st.selectbox(
                    label,
                    names,
                    place,
                    key=label.lower(),
                    bind="query-params",
                    width=130,
                    help=f"What the pad moves {way}.",
                )
                for label, place, way in (("Across", 0, "to the right"), ("Up", min(1, len(names) - 1), "upwards"))
            )
        beside = st.container()
        st.button(
            "Back to the start",
            on_click=lambda: st.session_state.update({key(name): 0.0 for name in names}),
            icon=":material/restart_alt:",
            help="Sets all strengths to 0.",
        )
    strengths = {}
    with right, st.container(height=600 if len(names) > COUNT else "content", border=False):
        for name in names:
            row = st.container(horizontal=True, vertical_alignment="center", gap="small")
            strengths[name] = row.slider(
                spelt(name),
                -REACH,
                REACH,
                0.0,
                STEP,
                key=key(name),
                bind="query-params",
                width=BESIDE if strips else "stretch",
                help="The strength: 1 is as much as pictures of seeds usually differ. " + _made_of(known[name], name),
            )
            if strips:
                row.image(png_url(strips[name]), width=BESIDE, alt=f"{name}, from little to much")
    with beside:
        pad(
            "pad",
            "Two directions at once; the arrow keys move the dot, Home brings it back",
            (across, up),
            (strengths[across], strengths[up]),
            REACH,
            STEP,
            lambda x, y: st.session_state.update({key(up): y, key(across): x}),
        )
    return {name: strength for name, strength in strengths.items() if strength}


def _made_of(direction: Direction, name: str) -> str:
    parts = [f"{strength:g} {part}" for part, strength in direction.moves.items()]
    return "" if list(direction.moves) == [name] else f"Made of {escape_markdown(' + '.join(parts))}."


def keep(model: Model, known: Mapping[str, Direction], moves: Mapping[str, float]) -> None:
    """A form that gives what the sliders show a name: a direction whose strength 1 is just that."""
    with st.expander("Keep this as a direction", icon=":material/bookmark_add:"):
        st.caption("Give what the sliders show a name. It gets a slider of its own, of which 1 is what you see now.")
        with st.form("keep", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input("Name", max_chars=directions.MAX_NAME, width=220, help="Slant, sleeves, smile …")
            asked = st.form_submit_button("Keep", icon=":material/bookmark_add:")
        if asked:
            try:
                _add(model, name.strip(), known, moves)
            except InputError as error:
                st.error(error_text(error), icon=":material/error:")
            else:
                st.rerun()
        named = _kept(model)
        if named:
            st.download_button(
                f"Download {directions.FILE}",
                directions.encode(named, model.pipeline.config),
                file_name(model, "directions", ".safetensors"),
                on_click="ignore",
                icon=":material/download:",
                help="Put it beside model.safetensors as directions.safetensors, or name it with --directions.",
            )
        if not _is_own(model):
            st.caption("This checkpoint is not yours to write to: names last as long as this visit. Download the file.")


def _add(model: Model, name: str, known: Mapping[str, Direction], moves: Mapping[str, float]) -> None:
    vector = sum((known[part].vector * np.float32(strength) for part, strength in moves.items()), np.float32(0))
    vector = np.broadcast_to(vector, next(iter(known.values())).vector.shape)
    parts: dict[str, float] = {}
    for part, strength in moves.items():
        for source, share in known[part].moves.items():
            parts[source] = parts.get(source, 0.0) + strength * share
    direction = Direction(vector, {part: round(strength, 6) for part, strength in parts.items()})
    if _is_own(model):
        directions.keep(_file(model), model.pipeline.config, name, direction)
    else:
        _session(model).update(directions.add(_kept(model), name, direction))


def shell_moves(model: Model, moves: Mapping[str, float]) -> dict[str, object]:
    """The flags of a command that moves a picture as the sliders do."""
    if not moves:
        return {}
    visiting = any(name in _session(model) for name in moves)
    file = {"directions": file_name(model, "directions", ".safetensors")} if visiting else {}
    return {"move": [f"{name}={strength:g}" for name, strength in moves.items()], **file}
