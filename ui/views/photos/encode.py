"""Encode: an image of the visitor's, encoded and drawn again, and a video from one image to another."""

from functools import partial

import streamlit as st
from PIL import Image

from pretrained.inputs.latents import MAX_SEED
from pretrained.media.images import fit, to_pil, to_uint8
from pretrained.pipelines import image_grid
from pretrained.verbs.drawing import Interpolate, Reconstruct
from ui.state.models import DEVICE, Model, as_input_error, chosen_model, escape_markdown, file_name, shell
from ui.widgets.controls import control, copy_link, random_seed, say_what, surprise, whole_number
from ui.widgets.image_grid import download_png
from ui.widgets.upload import MAX_MEGABYTES, read
from ui.widgets.video_player import play, render_video, video_downloads

SIDE = 160  # px of an image on the page, about: two beside each other on a phone


@st.cache_data(max_entries=64, show_spinner="Drawing …")
def reconstruct(_model: Model, key: tuple, image: Image.Image, label: int | None) -> tuple[bytes, int | None]:
    """The reconstruction, PNG, and the label that is read from the image."""
    with DEVICE:
        png = image_grid.reconstruct(_model.pipeline, _model.id, image, label)
        return png, _model.pipeline.classify(image) if _model.pipeline.config.classes else None


def upload(label: str) -> Image.Image | None:
    """The part of an image that the network reads."""
    file = st.file_uploader(label, max_upload_size=MAX_MEGABYTES)
    if file is None:
        return None
    config = model.pipeline.config
    return to_pil(to_uint8(fit(read(file), config.size, config.network["channels"]))[0])


@st.cache_data(max_entries=16, show_spinner=False)
def examples(_model: Model, key: tuple, seed: int) -> list[Image.Image]:
    """Two images of the model's own, to try it with before any are uploaded: of a seed and of the next."""
    with DEVICE:
        return [to_pil(image) for image in _model.pipeline.sample([seed, seed + 1])]


st.title("Encode")
model = chosen_model("encode")
classes = model.pipeline.config.classes
say_what(model, "Your image, encoded and drawn again.")
with as_input_error(Reconstruct):
    boxes = st.columns(2, gap="medium")
    with boxes[0]:
        first = upload("An image")
    with boxes[1]:
        last = upload("Another image, for a video from one to the other")
is_example = first is None and last is None
if is_example:
    st.caption(
        "Two images of the model's own, as an example: upload yours. They are processed in memory and not stored."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        help = "The examples are the images of this seed and of the next."
        seed = whole_number("Example, image of seed", 0, MAX_SEED - 1, 1003, "example", width=200, help=help)
        surprise(lambda: {"example": random_seed()}, "Other examples, at random")
        copy_link()
    first, last = examples(model, model.key, seed)
# Samples and other pages have a field of that name with other choices.
label = control(Reconstruct, "label", model.pipeline.config, key="drawn_as") if classes else None
width = model.frame[0] * max(1, SIDE // max(model.frame))
with st.container(horizontal=True, gap="large"):
    for place, image in enumerate((first, last)):
        if image is None:
            continue
        png, seen = reconstruct(model, model.key, image, label)
        with st.container(width="content"):
            with st.container(horizontal=True, width="content"):
                st.image(image, "Example" if is_example else "Yours", width=width, output_format="PNG")
                drawn = escape_markdown(classes[seen if label is None else label]) if classes else ""
                st.image(png, f"Drawn as {drawn}" if classes else "Drawn again", width=width, output_format="PNG")
            download_png(
                model,
                png,
                file_name(model, f"reconstruction-{place + 1}", ".png"),
                key=None if place and first else "save",
            )
shell("reconstruct", model, "out.png", input="in.png", label=label)

if first is not None and last is not None:
    st.subheader("From one to the other")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        num_frames, fps = (control(Interpolate, name, step=step) for name, step in (("frames", 10), ("fps", 1)))
    draw = partial(model.pipeline.interpolate, first, last, num_frames)
    key = (*model.key, first.tobytes(), last.tobytes(), num_frames)
    play(render_video(key, draw, num_frames, fps))
    video_downloads(model, key, draw, num_frames, fps, "interpolation")
    shell("interpolate", model, "video.mp4", input=["a.png", "b.png"], frames=num_frames, fps=fps)
