"""Mix: images with the coarse styles of one seed and the fine ones of another."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from pretrained.inputs.seeds import parse_seeds
from pretrained.pipelines import image_grid
from pretrained.verbs.drawing import Mix
from ui.state.cache import cached
from ui.state.models import Model, as_input_error, chosen_model, file_name, shell
from ui.widgets.controls import (
    conditions,
    control,
    copy_link,
    random_seeds,
    say_what,
    surprise,
)
from ui.widgets.image_grid import LARGE, download_png, show_large, show_seed, table


def render(model: Model, rows: list[int], columns: list[int], layers: int, scale: int, how: Mapping[str, Any]) -> bytes:
    """The grid of `image_grid.mix`, PNG."""
    draw = partial(image_grid.mix, model.pipeline, model.id, rows, columns, layers, scale=scale, **how)
    passes = sum(
        -(-count // model.pipeline.batch_size) for count in (len(rows) * len(columns), len(rows), len(columns))
    )
    key = (*model.key, "mix", tuple(rows), tuple(columns), layers, scale, *how.items())
    return cached(model, key, passes, "Drawing …", draw)


def show_pair(model: Model, row: int, column: int, layers: int, how: Mapping[str, Any]) -> None:
    """The mixture of two seeds in a dialog, with what it is made of."""
    gap = image_grid.rim_gap(model.pipeline.config.size)
    width, height = (2 * side + gap for side in model.frame)
    scale = max(1, LARGE // max(width, height))
    show_large(render(model, [row], [column], layers, scale, how), scale * width)
    st.caption(f"On the left the seed of the coarse styles, {row}; above it that of the fine ones, {column}.")
    png = render(model, [row], [column], layers, 1, how)
    download_png(model, png, file_name(model, f"mix-{row}-{column}-{layers}", ".png"), key="large file")


@st.fragment
def work(model: Model) -> None:
    """Fields and the grid of images: all that runs again when one of them is changed."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        typed = {
            "rows": control(Mix, "rows", key="coarse"),
            "columns": control(Mix, "columns", key="fine"),
        }
        layers = control(Mix, "layers", most=model.pipeline.network.num_styles, slider=True)
        how = conditions(model, Mix)
        surprise(lambda: {"coarse": random_seeds(4), "fine": random_seeds(6)}, "Other seeds, at random")
    with as_input_error(Mix):
        Mix(id=model.id, out=Path("mix.png"), **typed).check_online(model.pipeline.config)
        rows, columns = (parse_seeds(text, name) for name, text in typed.items())
        png = render(model, rows, columns, layers, 1, how)
    titles = [None, *(f"Seed {seed}" for seed in columns)]
    for row in rows:
        titles += [f"Seed {row}", *(f"Seed {row} with the fine styles of seed {column}" for column in columns)]
    clicked = table(png, model.frame, 1 + len(columns), titles, image_grid.rim_gap(model.pipeline.config.size))
    if clicked is not None and clicked < len(titles):
        down, across = divmod(clicked, 1 + len(columns))
        if down and across:
            st.dialog("Two seeds mixed")(show_pair)(model, rows[down - 1], columns[across - 1], layers, how)
        else:
            show_seed(model, rows[down - 1] if down else columns[across - 1], how)
    download_png(
        model,
        png,
        file_name(model, f"mix-{typed['rows']}-{typed['columns']}-{layers}", ".png"),
        "All images, pixel for pixel. Its metadata says how to make it again.",
    )
    copy_link()
    shell("mix", model, "mix.png", **typed, layers=layers, **how)


st.title("Mix")
model = chosen_model("style")
say_what(model, "Each image takes the coarse styles of the seed on its left, and the fine ones of the seed above it.")
work(model)
