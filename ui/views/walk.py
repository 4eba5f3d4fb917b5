"""Walk: a film that wanders from seed to seed."""

from functools import partial

import streamlit as st

from pretrained.inputs.seeds import few_seeds
from ui.state.models import Model, as_input_error, chosen_model, shell
from ui.widgets.controls import conditions, copy_link, film_fields, random_seeds, say_what, seeds_field, surprise
from ui.widgets.image_grid import gallery
from ui.widgets.video_player import MAX_FRAMES, film, film_downloads, play

MAX_SEEDS = 32


@st.fragment
def work(model: Model) -> None:
    """Fields, film and pictures: all that runs again when one of them is changed."""
    config = model.pipeline.config
    with st.container(horizontal=True, vertical_alignment="bottom"):
        typed = seeds_field("Seeds", "0-3", "seeds")
        num_frames, fps = film_fields(120, MAX_FRAMES)
        how = conditions(model)
        loop = st.toggle("Loop", True, key="loop", bind="query-params")
        surprise(lambda: {"seeds": random_seeds(4)}, "Other seeds, at random")
    with as_input_error():
        seeds = few_seeds(typed or "", MAX_SEEDS)

    draw = partial(model.pipeline.walk, seeds, num_frames, loop=loop, **how)
    key = (*model.key, *seeds, num_frames, loop, *how.values())
    mp4 = film(key, draw, num_frames, fps)
    player, beside = st.columns(2, gap="medium")
    with player:
        play(mp4)
    with beside:
        st.markdown(f"**{num_frames / fps:.1f} seconds**, by way of")
        kept = dict(how)
        if "text" in kept and kept["text"] is None:  # a walk keeps what its first seed is told
            examples = config.input["text"]["examples"]
            kept["text"] = examples[seeds[0] % len(examples)]
        gallery(model, seeds, min(5, len(seeds)), kept)
        copy_link()
        film_downloads(model, key, draw, num_frames, fps, f"walk-{typed}")
    shell("walk", model, "walk.mp4", seeds=typed, frames=num_frames, fps=fps, **how, open=not loop)


st.title("Walk")
model = chosen_model()
say_what(model, "A film that wanders from seed to seed.")
work(model)
