"""Write: a text in the typeface of a seed, as an image and as a video from typeface to typeface."""

from functools import partial

import streamlit as st

from pretrained.inputs.latents import MAX_SEED
from pretrained.pipelines import image_grid
from pretrained.pipelines.write import MAX_TEXT, characters, film, lines_of
from ui.state.cache import cached
from ui.state.models import DEVICE, Model, as_input_error, chosen_model, file_name, shell
from ui.widgets.controls import copy_link, random_seed, say_what, surprise, whole_number
from ui.widgets.video_player import play, render_video, video_downloads

SHOWN, FILMED, PRINT = 256, 128, 1024  # px of a letter on the page, in the video and in the file, about
FRAMES, FPS, NUM_SEEDS = 150, 30, 5


def times(model: Model, side: int) -> int:
    """How many times as large as the network draws it."""
    return max(1, side // max(model.frame))


def default_text(model: Model) -> str:
    known = characters(model.pipeline.config)
    return "GANVAS" if "A" in known else "31415" if "1" in known else "".join(list(known)[:6])


@st.fragment
def work(model: Model) -> None:
    """Fields, image and video: all that runs again when one of them is changed."""
    known = "".join(characters(model.pipeline.config))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Text",
            default_text(model),
            max_chars=MAX_TEXT,
            key="text",
            bind="query-params",
            width=300,
            help=f"It can write {known}. Long texts are broken into lines.",
        )
        seed = whole_number("Typeface", 0, MAX_SEED, 1, "seed", width=150, help="The seed: each is a typeface.")
        surprise(lambda: {"seed": random_seed()}, "Another typeface at random")
        help = "Below 1 typefaces are plainer and easier to read, above 1 wilder."
        truncation = st.slider(
            "Truncation", 0.0, 2.0, 0.7, 0.05, key="truncation", bind="query-params", width=200, help=help
        )
        is_grey = model.pipeline.config.network.get("channels") == 1
        invert = is_grey and st.toggle("Black on white", True, key="invert", bind="query-params")
    how = {"truncation": truncation, "invert": invert}
    with as_input_error():
        lines_of(text, model.pipeline.config)
        draw = partial(image_grid.write, model.pipeline, model.id, text, seed, scale=times(model, SHOWN), **how)
        png = cached(model, (*model.key, "write", text, seed, *how.values()), 1, "Writing …", draw)
    with st.container(key="written"):
        st.image(png, width="stretch", output_format="PNG", alt=f"{text} in typeface {seed}")
    with st.container(horizontal=True, vertical_alignment="center"):

        def printed() -> bytes:
            with DEVICE:
                return image_grid.write(model.pipeline, model.id, text, seed, scale=times(model, PRINT), **how)

        st.download_button(
            "Download PNG",
            printed,  # when it is pressed: it takes longer than all else here
            file_name(model, f"{text}-{seed}", ".png"),
            "image/png",
            on_click="ignore",
            icon=":material/download:",
            help=f"At print size: letters of {model.frame[1] * times(model, PRINT):,} px",
        )
        copy_link()
        moves = st.toggle("Video", key="film", bind="query-params", help="From typeface to typeface, and back.")
    if moves:
        seeds = [min(seed + step, MAX_SEED) for step in range(NUM_SEEDS)]
        frames = partial(film, model.pipeline, text, seeds, FRAMES, scale=times(model, FILMED), **how)
        key = (*model.key, "film", text, seed, *how.values())
        play(render_video(key, frames, FRAMES, FPS), "stretch")
        video_downloads(model, key, frames, FRAMES, FPS, f"{text}-{seed}")
    shell("write", model, "text.png", text=text, seed=seed, scale=times(model, PRINT), **how)


st.title("Write")
model = chosen_model("characters")
say_what(model, "Type a text, and see it in a typeface that a network has drawn.")
work(model)
