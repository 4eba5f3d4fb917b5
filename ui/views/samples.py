"""Samples: the images of some seeds."""

import math

import streamlit as st

from pretrained.inputs.latents import MAX_SEED
from pretrained.verbs.drawing import Sample
from pretrained.verbs.parameter import fields_of
from pretrained.verbs.shared import MAX_PIXELS
from ui.state.models import Model, as_input_error, chosen_model, file_name, shell
from ui.widgets.controls import conditions, control, copy_link, random_seed, say_what, surprise, whole_number
from ui.widgets.image_grid import download_png, gallery

MAX_COUNT = fields_of(Sample)["seeds"].about.max_seeds


@st.fragment
def work(model: Model) -> None:
    """Fields and images: all that runs again when one of them is changed."""
    most = min(MAX_COUNT, MAX_PIXELS // math.prod(model.frame))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = whole_number("Images", 1, most, min(64, most), "count", width=130)
        first = whole_number("First seed", 0, MAX_SEED, 0, "seed", width=150)
        columns = control(Sample, "columns", width=130)
        how = conditions(model)
        surprise(lambda: {"seed": random_seed()}, "Other seeds, at random")
    seeds = range(first, min(first + count, MAX_SEED + 1))
    with as_input_error(Sample):
        png = gallery(model, list(seeds), columns, how)
    with st.container(horizontal=True, vertical_alignment="center"):
        name = file_name(model, f"seeds-{seeds[0]}-{seeds[-1]}", ".png")
        download_png(model, png, name, "The file says in its metadata how to make it again.")
        copy_link()
    shell("sample", model, "grid.png", seeds=f"{seeds[0]}-{seeds[-1]}", columns=columns, **how)


st.title("Samples")
model = chosen_model()
say_what(model, "One seed is one image. Click it to see it large.")
work(model)
