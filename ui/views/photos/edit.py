"""Edit: a picture of the visitor's, redrawn by the generator, and moved along its directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
import streamlit as st
from PIL import Image

from pretrained.inputs.latents import MAX_SEED
from pretrained.media import provenance
from pretrained.media.images import encode_png, fit, to_pil, to_uint8
from pretrained.pipelines import image_grid
from pretrained.pipelines.directions import Direction
from pretrained.pipelines.projection import Step, encoded, project
from pretrained.verbs.keeping import Project
from pretrained.verbs.parameter import fields_of
from ui.state.cancel import cancellable
from ui.state.models import DEVICE, Model, alone, as_input_error, chosen_model, escape_markdown, file_name, shell
from ui.widgets import direction_controls
from ui.widgets.canvas import png_url
from ui.widgets.controls import control, copy_link, random_seed, say_what, surprise, whole_number
from ui.widgets.image_grid import download_png
from ui.widgets.upload import MAX_MEGABYTES, read

SIDE = 160  # px of a picture on the page, about: two beside each other on a phone
STEPS = [50, 100, 200, 400, 800]
SHOWN_EVERY = 10  # steps


@st.cache_resource(max_entries=64, show_spinner=False)
def _cache(key: tuple) -> dict[str, Step]:
    """Where the result of `key` is kept once it is found; a cached function could not show progress meanwhile."""
    return {}


@st.cache_data(max_entries=128, show_spinner=False)
def draw(
    _model: Model,
    key: tuple,
    point: np.ndarray,
    condition: int | list[int],
    moves: dict[str, float],
    vectors: list[np.ndarray],
    _known: Mapping[str, Direction],
) -> bytes:
    """The picture of a point, moved; `vectors` are those of `moves`."""
    with DEVICE:
        return image_grid.redraw(_model.pipeline, _model.id, point, condition, moves, _known)


def show(png: bytes, caption: str) -> None:
    # Within the page: a file of its own may be gone before a browser that falls behind asks for it.
    st.image(png_url(png), caption, width=model.frame[0] * max(1, SIDE // max(model.frame)), alt=caption)


def choose() -> tuple[Image.Image, bool]:
    """The picture to redraw, and whether it is the visitor's; before an upload, one that the generator has drawn.

    The field for uploads is there before anything is looked for: whoever brings a picture need not wait for an example.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        help = f"Any kind of picture, {MAX_MEGABYTES} MB at most. Its middle is redrawn, in the model's shape."
        file = st.file_uploader("A picture", max_upload_size=MAX_MEGABYTES, help=help, width=420)
        if file is not None:
            return read(file), True
        help = "Until you upload one: a picture of this generator. The model does not know the seed."
        seed = whole_number("Example, picture of seed", 0, MAX_SEED, 1000, "example", width=200, help=help)
        surprise(lambda: {"example": random_seed()}, "Another example, at random")
    return own(model, model.key, seed), False


@st.cache_data(max_entries=16, show_spinner=False)
def own(_model: Model, key: tuple, seed: int) -> Image.Image:
    with DEVICE:
        return to_pil(_model.pipeline.sample([seed])[0])


def find(key: tuple, descend: Callable[[], Iterator[Step]]) -> Step:
    """The last step, from the cache or made now with a bar and a preview; the page ends here when that is cancelled."""
    done = _cache(key)
    if "last" not in done:
        with cancellable(key, "Looking for it …") as (preview, move):
            for step in alone(descend()):
                if step.number % SHOWN_EVERY == 0:
                    with preview.container(width="content"):
                        show(provenance.mark(encode_png(step.image)), "So far")
                move(step.number / step.num_steps, f"Step {step.number} of {step.num_steps}")
        done["last"] = step
    return done["last"]


@st.fragment
def turn(
    square: Image.Image, is_own: bool, step: Step, known: Mapping[str, Direction], flags: Mapping[str, object]
) -> None:
    """Pad, sliders and the pictures before and after: all that runs again when one of them is moved."""
    images, controls = st.columns([2, 3], gap="medium")
    with controls:
        moves = direction_controls.steer(model, known)
    with images, as_input_error(Project):
        vectors = [known[name].vector for name in moves]
        png = draw(model, model.key, step.point, step.condition, moves, vectors, known)
        with st.container(horizontal=True):
            with st.container(width="content"):
                show(encode_png(square), "Yours" if is_own else "Example")
            with st.container(width="content"):
                show(png, "Redrawn, moved" if moves else "Redrawn")
        if model.pipeline.config.classes:
            st.caption(f"Drawn as {escape_markdown(model.pipeline.config.classes[step.condition])}.")
        error = np.abs(step.image.astype(int) - np.asarray(square).reshape(step.image.shape)).mean()
        st.caption(f"Before it is moved, pixels are {error:.1f} of 255 away from it on average.")
    with st.container(horizontal=True, vertical_alignment="center"):
        download_png(model, png, file_name(model, "edited", ".png"))
        if not is_own:  # of an upload no link can tell
            copy_link()
    direction_controls.keep(model, known, moves)
    shell("project", model, "out.png", input="in.png", **flags, **direction_controls.shell_moves(model, moves))


st.title("Edit a photo")
model = chosen_model()
config = model.pipeline.config
say_what(
    model,
    "The generator looks for its own image that is most like yours, and that one is changed. "
    "Your image is processed in memory and not stored.",
)
with as_input_error(Project):
    image, is_own = choose()
with st.container(horizontal=True, vertical_alignment="bottom"):
    text = control(Project, "text", config) if config.input.get("text") else None
    label = control(Project, "label", config) if config.classes else None
    steps = fields_of(Project)["steps"]
    how = {"key": "steps", "bind": "query-params", "width": 200, "help": steps.about.help}
    num_steps = st.select_slider(steps.label, STEPS, steps.default, **how)
    only = bool(config.input.get("encode")) and control(Project, "encoder_only", key="only")
    known = direction_controls.choose(model)
with as_input_error(Project):
    fitted = fit(image, config.size, config.network["channels"])
    square = to_pil(to_uint8(fitted)[0])
    if only:
        with DEVICE:
            step = encoded(model.pipeline, square, label)
    else:
        key = (*model.key, square.tobytes(), label, text, num_steps)
        step = find(key, partial(project, model.pipeline, square, label, text, num_steps))
flags = {"label": label, "text": text, "steps": None if only else num_steps, "encoder-only": only}
turn(square, is_own, step, known, flags)
