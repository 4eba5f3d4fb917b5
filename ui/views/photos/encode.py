"""Encode: a picture of the visitor's as the network sees it, and a film from one picture to another."""

from functools import partial

import streamlit as st
from PIL import Image

from pretrained.media.images import fit, to_pil, to_uint8
from pretrained.pipelines import image_grid
from ui.state.models import DEVICE, Model, as_input_error, chosen_model, escape_markdown, file_name, shell
from ui.widgets.controls import film_fields, label_picker
from ui.widgets.image_grid import download_png
from ui.widgets.upload import MAX_MEGABYTES, read
from ui.widgets.video_player import MAX_FRAMES, film, film_downloads, play

SIDE = 160  # px of a picture on the page, about: two beside each other on a phone


@st.cache_data(max_entries=64, show_spinner="Drawing …")
def reconstruct(_model: Model, key: tuple, image: Image.Image, label: int | None) -> tuple[bytes, int | None]:
    """The reconstruction, PNG, and the label that is read from the picture."""
    with DEVICE:
        png = image_grid.reconstruct(_model.pipeline, _model.id, image, label)
        return png, _model.pipeline.classify(image) if _model.pipeline.config.classes else None


def upload(label: str) -> Image.Image | None:
    """The square of a picture that the network looks at."""
    file = st.file_uploader(label, max_upload_size=MAX_MEGABYTES)
    if file is None:
        return None
    squares = fit(read(file), model.size, model.pipeline.config.network["channels"])
    return to_pil(to_uint8(squares)[0])


st.title("Encode")
model = chosen_model("encode")
classes = model.pipeline.config.classes
st.caption(
    f"{escape_markdown(model.pipeline.config.name)} · Your picture as the network sees it: encoded, and drawn again."
)
with as_input_error():
    boxes = st.columns(2, gap="medium")
    with boxes[0]:
        first = upload("A picture")
    with boxes[1]:
        last = upload("Another one, for a film from one to the other")
if first is None and last is None:
    st.info("Upload a picture. It is looked at in memory, and kept nowhere.")
    st.stop()
label = label_picker(model, "as it is read")
width = model.size * max(1, SIDE // model.size)
with st.container(horizontal=True, gap="large"):
    for place, image in enumerate((first, last)):
        if image is None:
            continue
        png, seen = reconstruct(model, model.key, image, label)
        with st.container(width="content"):
            with st.container(horizontal=True, width="content"):
                st.image(image, "Yours", width=width, output_format="PNG")
                drawn = escape_markdown(classes[seen if label is None else label]) if classes else ""
                st.image(png, f"Drawn as {drawn}" if classes else "Drawn again", width=width, output_format="PNG")
            download_png(
                model,
                png,
                file_name(model, f"reconstruction-{place + 1}", ".png"),
                key=None if place and first else "file",
            )
shell("reconstruct", model, "out.png", input="in.png", label=label)

if first is not None and last is not None:
    st.subheader("From one to the other")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        num_frames, fps = film_fields(60, MAX_FRAMES)
    draw = partial(model.pipeline.interpolate, first, last, num_frames)
    key = (*model.key, first.tobytes(), last.tobytes(), num_frames)
    play(film(key, draw, num_frames, fps))
    film_downloads(model, key, draw, num_frames, fps, "interpolation")
    shell("interpolate", model, "film.mp4", input=["a.png", "b.png"], frames=num_frames, fps=fps)
