"""Walk: a video of a smooth walk from seed to seed."""

from functools import partial

import streamlit as st

from pretrained.inputs.seeds import few_seeds
from pretrained.verbs.drawing import Walk
from pretrained.verbs.parameter import fields_of
from ui.state.models import Model, as_input_error, chosen_model, shell
from ui.widgets.controls import conditions, control, copy_link, random_seeds, say_what, surprise
from ui.widgets.image_grid import gallery
from ui.widgets.video_player import play, render_video, video_downloads

MAX_SEEDS = fields_of(Walk)["seeds"].about.max_seeds


def show(model: Model) -> None:
    """Fields, video and images."""
    config = model.pipeline.config
    with st.container(horizontal=True, vertical_alignment="bottom", key="video-fields"):
        typed = control(Walk, "seeds")
        num_frames, fps = (control(Walk, name, step=step) for name, step in (("frames", 10), ("fps", 1)))
        how = conditions(model, Walk)
        loop = control(Walk, "loop")
        surprise(lambda: {"seeds": random_seeds(4)}, "Other seeds, at random")
    with as_input_error(Walk):
        seeds = few_seeds(typed, MAX_SEEDS)

    draw = partial(model.pipeline.walk, seeds, num_frames, loop=loop, **how)
    key = (*model.key, *seeds, num_frames, loop, *how.values())
    mp4 = render_video(key, draw, num_frames, fps)
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
        video_downloads(model, key, draw, num_frames, fps, f"walk-{typed}")
    shell("walk", model, "walk.mp4", seeds=typed, frames=num_frames, fps=fps, **how, open=not loop)


@st.fragment
def work(model: Model) -> None:
    """All that runs again when a field is changed."""
    with st.container(key="video-page"):
        show(model)


st.title("Walk")
model = chosen_model()
say_what(model, "A video that walks smoothly from seed to seed.")
work(model)
