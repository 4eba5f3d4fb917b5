"""Explore: the picture of a seed moved along directions, one number after the other, or by other seeds."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from pretrained.inputs.latents import MAX_SEED
from pretrained.media.images import encode_png
from pretrained.pipelines import image_grid
from pretrained.pipelines.directions import Direction
from ui.state.cache import cached
from ui.state.models import DEVICE, Model, as_input_error, chosen_model, escape_markdown, file_name, shell
from ui.widgets import direction_controls, dragging
from ui.widgets.canvas import png_url
from ui.widgets.controls import conditions, copy_link, random_seed, say_what, surprise, whole_number
from ui.widgets.image_grid import LARGE, download_png, show_large, table

FIRST = 1  # seed
SIDE = 256  # px of the picture that is moved, about
SMALL = 128  # and of those that are added up
STRENGTHS = [float(strength) for strength in range(-4, 5)]
STRIP = [0, 2, 4, 6, 8]  # of STRENGTHS: those that stand beside a slider
SHEET = 640  # px of a sheet of directions on the page, at most

How = Mapping[str, Any]


@st.cache_data(max_entries=256, show_spinner=False)
def render(
    _model: Model, key: tuple, seed: int, moves: dict[str, float], vectors: list[np.ndarray], _known: Mapping, how: How
) -> bytes:
    """The picture of a seed, moved; `vectors` are those of `moves`."""
    with DEVICE:
        return image_grid.render(_model.pipeline, _model.id, [seed], moves=moves, named=_known, **how)


def sweep(seed: int, known: Mapping[str, Direction], how: How) -> bytes:
    """A row for each direction."""
    rows = {name: Direction(row.vector, {name: 1.0}) for name, row in known.items()}
    draw = partial(image_grid.sweep, model.pipeline, model.id, rows, STRENGTHS, seed, **how)
    key = (*model.key, "sweep", seed, *((name, row.vector.tobytes()) for name, row in known.items()), *how.items())
    return cached(model, key, 1 - (-len(rows) * len(STRENGTHS) // model.pipeline.batch_size), "Drawing …", draw)


def moved(seed: int, moves: Mapping[str, float], known: Mapping[str, Direction], how: How) -> bytes:
    vectors = [known[name].vector for name in moves if name in known]
    return render(model, model.key, seed, dict(moves), vectors, known, how)


def seed_field(label: str, default: int, key: str, help: str) -> int:
    return whole_number(label, 0, MAX_SEED, default, key, width=150, help=help)


def show(png: bytes, side: int, caption: str, alt: str) -> None:
    """A picture, each pixel a whole number of those of the screen."""
    # Within the page: a file of its own may be gone before a browser that falls behind asks for it.
    st.image(png_url(png), caption, width=model.frame[0] * max(1, side // max(model.frame)), alt=alt)


def strips(seed: int, known: Mapping[str, Direction], how: How) -> dict[str, bytes]:
    """Of the sheet of directions each row, a few pictures of it, as PNG."""
    with Image.open(io.BytesIO(sweep(seed, known, how))) as sheet:
        width, height = model.frame
        cells = np.asarray(sheet).reshape(len(known), height, len(STRENGTHS), width, -1)[:, :, STRIP]
    rows = cells.reshape(len(known), height, len(STRIP) * width, -1)
    return {name: encode_png(row) for name, row in zip(known, rows)}


def rows_of(seed: int, known: Mapping[str, Direction], how: How) -> tuple[str, float] | None:
    """The sheet of directions -> name and strength of the picture that is clicked just now."""
    png = sweep(seed, known, how)
    titles = [f"{name} at {strength:g}" for name in known for strength in STRENGTHS]
    with st.container(width=SHEET):
        clicked = table(png, model.frame, len(STRENGTHS), titles)
    if clicked is None or clicked >= len(titles):
        return None
    return list(known)[clicked // len(STRENGTHS)], STRENGTHS[clicked % len(STRENGTHS)]


@st.fragment
def turn(seed: int, known: Mapping[str, Direction], how: How) -> None:
    """Pad, sliders and the picture: all that runs again when one of them is moved."""
    for name, strength in st.session_state.pop("jump", {}).items():
        st.session_state[f"move-{name}"] = strength
    image, controls = st.columns([3, 7], gap="medium")
    with controls, as_input_error():
        panel, waiting = st.container(), st.container()  # the pad stays in its place, whether there is a bar or not
        with waiting:
            rows = strips(seed, known, how)
        with panel:
            moves = direction_controls.steer(model, known, rows)
    with image, as_input_error():
        png = moved(seed, moves, known, how)
        said = ", ".join(f"{name} {strength:g}" for name, strength in moves.items())
        show(
            png,
            SIDE,
            f"Seed {seed}" + (", moved" if moves else ""),
            f"Seed {seed}" + (said and f" moved: {said}"),
        )
        download_png(model, png, file_name(model, f"seed-{seed}-moved", ".png"))
        copy_link()
    direction_controls.keep(model, known, moves)
    shell("sample", model, "moved.png", seeds=seed, **how, **direction_controls.shell_moves(model, moves))


@st.fragment
def overview(seed: int, known: Mapping[str, Direction], how: How) -> None:
    st.subheader("What each direction does")
    order = (
        f"A row for each, {escape_markdown(next(iter(known)))} at the top, from {STRENGTHS[0]:g} to {STRENGTHS[-1]:g}."
    )
    st.caption(f"{order} Click a picture to go there.")
    with as_input_error():
        clicked = rows_of(seed, known, how)
    if clicked:
        st.session_state["jump"] = dict([clicked])
        st.rerun()


@st.fragment
def by_directions() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = seed_field("Seed", FIRST, "seed", "The picture to start from.")
        surprise(lambda: {"seed": random_seed()}, "Another seed, at random")
        known = direction_controls.choose(model)
        how = conditions(model)
    turn(seed, known, how)
    overview(seed, known, how)


@st.fragment
def one_number() -> None:
    space, dim = model.pipeline.space, direction_controls.dim(model)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = seed_field("Seed", FIRST, "seed", "The picture in the middle.")
        surprise(
            lambda: {"seed": random_seed(), "number": 1 + random_seed() % dim}, "Another seed and number, at random"
        )
        help = f"Which of the {dim} numbers of {space} is changed; all others stay."
        number = whole_number(f"Number of {space}", 1, dim, 1, "number", width=150, help=help)
        how = conditions(model)
    known = direction_controls.found(model, "axis", [number])
    st.caption(f"From {STRENGTHS[0]:g} to {STRENGTHS[-1]:g}. Click a picture to see it large.")
    with as_input_error():
        clicked = rows_of(seed, known, how)
        if clicked:
            png = moved(seed, dict([clicked]), known, how)
            scale = max(1, LARGE // max(model.frame))
            st.dialog(f"{clicked[0]} at {clicked[1]:g}")(show_large)(png, scale * model.frame[0])
    png = sweep(seed, known, how)
    download_png(model, png, file_name(model, f"seed-{seed}-axis-{number}", ".png"))
    copy_link()
    shell("directions", model, "strip.png", rows=f"axis-{number}", seed=seed, **how)


@st.fragment
def arithmetic() -> None:
    st.caption("The first seed, without what makes the second, with what makes the third.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        a = seed_field("Seed", 0, "a", "The picture to start from.")
        b = seed_field("minus seed", 1, "b", "What is taken away.")
        c = seed_field("plus seed", 2, "c", "What is added.")
        surprise(lambda: {name: random_seed() for name in "abc"}, "Other seeds, at random")
        how = conditions(model)
    moves = {} if b == c else {f"seed-{b}": -1.0, f"seed-{c}": 1.0}
    with as_input_error(), st.container(horizontal=True, vertical_alignment="center"):
        for sign, seed in (("", a), ("−", b), ("+", c)):
            with st.container(width="content"):
                show(moved(seed, {}, {}, how), SMALL, f"{sign} Seed {seed}".strip(), f"Seed {seed}")
        with st.container(width="content"):
            png = moved(a, moves, {}, how)
            show(png, SMALL, f"= {a} − {b} + {c}", f"Seed {a} minus seed {b} plus seed {c}")
    download_png(model, png, file_name(model, f"seeds-{a}-{b}-{c}", ".png"))
    copy_link()
    signed = [f"{name}={strength:g}" for name, strength in moves.items()] or None
    shell("sample", model, "sum.png", seeds=a, **how, move=signed)


@st.fragment
def by_hand() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = seed_field("Seed", FIRST, "seed", "The picture to pull at.")
        surprise(lambda: {"seed": random_seed()}, "Another seed, at random")
        how = conditions(model)
    with as_input_error():
        dragging.work(model, seed, how)


WAYS = {"Directions": by_directions, "Drag": by_hand, "One number": one_number, "Arithmetic": arithmetic}

st.title("Explore")
model = chosen_model()
say_what(model, "Move the picture of a seed, and see what the network has found.")
way = st.segmented_control(
    "Way",
    list(WAYS),
    default="Directions",
    key="way",
    bind="query-params",
    label_visibility="collapsed",
    help="Along directions that change one thing, by hand, by one number at a time, or by sums of seeds.",
)
WAYS[way or "Directions"]()
if model.pipeline.space == "w":
    st.page_link(
        "views/mix.py", label="Mix styles of two seeds", icon=":material/blender:", query_params={"model": model.id}
    )
