"""Translate: a picture that is drawn, uploaded or photographed, and what the network makes of it."""

from __future__ import annotations

import io
import os
import random
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import streamlit as st
from PIL import Image, ImageColor, ImageOps

from pretrained.media.files import is_litter, natural
from pretrained.media.images import encode_png
from pretrained.pipelines.degradations import DEGRADATIONS
from pretrained.pipelines.translator_input import DRAWN, KINDS, pen_for
from pretrained.system.errors import InputError
from pretrained.titles import title_of
from pretrained.verbs.drawing import Translate
from pretrained.verbs.parameter import fields_of
from pretrained.verbs.shared import takes
from ui.state.models import Model, as_input_error, chosen_model, error_text, escape_markdown, file_name, shell
from ui.state.translation import WIDTH, Done, examples, translate
from ui.widgets.canvas import canvas, curtain, drawing_to_text, text_to_drawing
from ui.widgets.controls import control, copy_link, surprise
from ui.widgets.image_grid import download_png
from ui.widgets.upload import MAX_FILES, MAX_MEGABYTES, read

DRAWING = "drawing"  # what a link may say: a drawing as a whole
Named = list[tuple[str, Image.Image, dict[str, Image.Image]]]  # a name, a picture, and what goes with it


def draw(model: Model) -> Named:
    """What is on the canvas, as soon as drawing stops; before the first stroke, the link's drawing or an example."""
    pen, found = pen_for(model.pipeline.config), examples(model) if begins_drawn(model) else []
    linked = text_to_drawing(st.query_params.get(DRAWING, ""), (pen.width, pen.height))
    numbers = [str(number) for number in range(1, len(found) + 1)]
    place = st.query_params.get("example")
    place = place if place in numbers else next(iter(numbers), None)
    begins: Named = [("drawing", linked, {})] if linked else []
    if place and not linked:
        begins = [(f"example-{place}", *found[int(place) - 1])]
    start = encode_png(begins[0][1]) if begins else None
    # Each beginning has a canvas of its own, and what was drawn on it is kept.
    key = f"{model.id} {zlib.crc32(start) if start else ''}"

    def another() -> dict[str, Any]:
        st.query_params.pop(DRAWING, None)
        st.query_params["example"] = random.choice([number for number in numbers if number != place])
        return {}

    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Add to it, or press Clear and draw your own." if begins else "Draw here.", width="stretch")
        if len(numbers) > 1:
            surprise(another, "Another example to begin with, at random")
    drawing = canvas(
        f"canvas {key}",
        "Draw here",
        (pen.width, pen.height),
        pen.palette,
        pen.paper,
        brush=pen.brush,
        start=start,
        store=f"ganvas {key}",
    )
    if drawing is None:
        return begins
    is_empty = drawing.getcolors(1) == [(pen.width * pen.height, ImageColor.getrgb(pen.paper))]
    return [] if is_empty else [("drawing", drawing, {})]


def begins_drawn(model: Model) -> bool:
    """Whether its sources are what people draw, so that an example can be gone on with."""
    return model.pipeline.kind in DRAWN and bool(examples(model))


def upload(model: Model) -> Named:
    """The pictures that the visitor has chosen."""
    files = st.file_uploader("Pictures", accept_multiple_files=True, max_upload_size=MAX_MEGABYTES)
    if len(files) > MAX_FILES:
        raise InputError(f"{len(files)} files are too many at once: at most {MAX_FILES}")
    images: Named = []
    files = sorted((file for file in files if not is_litter(file.name)), key=lambda file: natural(file.name))
    for file in files:
        try:
            images.append((os.path.splitext(file.name)[0], read(file), {}))
        except InputError as error:  # the others are none the worse for it
            st.error(error_text(error), icon=":material/error:")
    return images


def photograph(model: Model) -> Named:
    """What the camera sees."""
    photo = st.camera_input("Camera")
    return [] if photo is None else [("photo", read(photo), {})]


def choose(model: Model) -> Named:
    """One of the sources that came with the checkpoint."""
    found = examples(model)
    numbers = range(1, len(found) + 1)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        place = st.segmented_control("Example", numbers, default=1, key="example", bind="query-params")
        if len(numbers) > 1:
            others = [number for number in numbers if number != place]
            surprise(lambda: {"example": random.choice(others)}, "Another example, at random")
    return [] if place is None else [(f"example-{place}", *found[place - 1])]


WAYS = {"Draw": draw, "Upload": upload, "Camera": photograph, "Examples": choose}


def ways(model: Model) -> list[str]:
    """How a picture can come here; the first is that of arrival, with an example of what is done."""
    missing = set() if pen_for(model.pipeline.config) else {"Draw"}
    missing |= set() if examples(model) else {"Examples"}
    first = "Draw" if begins_drawn(model) else "Examples"
    return sorted((way for way in WAYS if way not in missing), key=lambda way: way != first)


def controls(model: Model, way: str) -> dict[str, Any]:
    """The arguments of `Translate.translate`, as far as this checkpoint takes them."""
    config, kind, how = model.pipeline.config, model.pipeline.kind, {}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if takes(config, "degradation") and way in ("Upload", "Camera"):
            how["degrade"] = control(Translate, "degrade", label=DEGRADATIONS[kind].label)
        if how.get("degrade") and takes(config, "random degradation"):
            how["seed"] = control(Translate, "seed")
        if takes(config, "strength"):
            how["strength"] = control(Translate, "strength")
        if way in ("Upload", "Camera"):
            fits = ["crop", "stretch", "tile"] if model.pipeline.size else ["crop", "tile"]
            how["fit"] = control(Translate, "fit", options=fits)
    return how


def complete(model: Model, image: Image.Image, how: dict[str, Any]) -> dict[str, Any]:
    """`how` with the mask or the second picture that the checkpoint also needs; the page waits until it is there."""
    given = model.pipeline.config.input
    if given.get("mask") and not how.get("degrade") and "mask" not in how:
        label, shown = "Paint over what is to be filled", ImageOps.contain(image, (WIDTH, WIDTH))
        st.caption(f"{label}.")
        key = f"mask {model.id} {zlib.crc32(shown.tobytes())}"
        mask = canvas(key, label, shown.size, {"hole": "#ffffff"}, "#000000", encode_png(shown), min(shown.size) // 10)
        if mask is None:
            st.stop()
        how = {**how, "mask": mask}
    if given.get("second") and "second" not in how:
        file = st.file_uploader(fields_of(Translate)["second"].label, max_upload_size=MAX_MEGABYTES)
        if file is None:
            st.stop()
        how = {**how, "second": read(file)}
    return how


def told(way: str, name: str, image: Image.Image) -> dict[str, str] | None:
    """What a link says of a picture: a drawing as a whole, of an example nothing; None of what was uploaded."""
    if way not in ("Draw", "Examples"):
        return None
    if name != "drawing":
        return {}
    text = drawing_to_text(image)
    return {DRAWING: text} if text else None


def _safe(name: str) -> str:
    """A part of a file name, whatever an upload was called."""
    return re.sub(r"[^\w.-]+", "-", name)[:80]


def show(model: Model, name: str, done: Done, beside_canvas: bool, told: Mapping[str, str] | None) -> None:
    """Source and output beside each other, and upon each other; the canvas stands for the source.

    Args:
        told: what a link must say to lead here beside what the page's own says; None where no link can.
    """
    with Image.open(io.BytesIO(done.shown)) as image:
        size = image.size
    if not beside_canvas:
        with st.container(width=WIDTH, key="smooth-source"):
            st.image(done.source, "Source", width=WIDTH, output_format="PNG")
    with st.container(width=WIDTH, key="smooth-output"):
        st.image(done.shown, "Output", width=WIDTH, output_format="PNG")
        download_png(model, done.output, file_name(model, name, ".png"))
        if told is not None:
            copy_link(told=told)
    with st.container(width=WIDTH):
        curtain(f"curtain {model.id}", done.source, done.shown, ("the source", "the output"), size, WIDTH)
        st.caption("Both: drag across to compare")


def show_all(model: Model, done: dict[str, Done]) -> None:
    """Several pictures, and one file that holds them."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, one in done.items():
            file.writestr(f"{name}.png", one.output)
    st.download_button(
        f"Download {len(done)} pictures",
        archive.getvalue(),
        file_name(model, "pictures", ".zip"),
        "application/zip",
        on_click="ignore",
        icon=":material/download:",
    )
    for name, one in done.items():
        st.caption(escape_markdown(name))
        with st.container(horizontal=True):
            st.image([one.source, one.shown], width=WIDTH // 2, output_format="PNG")


@st.fragment
def work(model: Model) -> None:
    """All that a stroke on the canvas runs again."""
    offered = ways(model)
    way = st.segmented_control("A picture", offered, default=offered[0], key="way", bind="query-params") or offered[0]
    row = st.container(horizontal=True, gap="medium")
    with as_input_error(Translate):
        with row.container(width=WIDTH if way == "Draw" else "stretch"):
            images = WAYS[way](model)
            how = controls(model, way)
        if not images:
            st.stop()
        if len(images) == 1:
            name, image, extras = images[0]
            with row, st.spinner("Drawing …", width=WIDTH):
                done = translate(model, image, complete(model, image, {**how, **extras}))
            with row if way == "Draw" else st.container(horizontal=True, gap="medium"):
                show(model, _safe(name), done, way == "Draw", told(way, name, image))
        else:
            bar, done = st.progress(0.0, "Translating …"), {}
            for number, (name, image, extras) in enumerate(images, 1):
                done[f"{number:02}-{_safe(name)}"] = translate(model, image, {**how, **extras})
                bar.progress(number / len(images), f"{number} of {len(images)}")
            bar.empty()
            show_all(model, done)
    flags = {name: value for name, value in how.items() if (name, value) not in {("fit", "crop"), ("strength", 1.0)}}
    files = {name: f"{name}.png" for name in ("mask", "second") if model.pipeline.config.input.get(name)}
    shell("translate", model, "out.png", input="in.png", **({} if how.get("degrade") else files), **flags)


title = st.empty()
model = chosen_model("source")
title.title("Draw" if model.pipeline.kind in DRAWN else "Translate")
kind, config = model.pipeline.kind, model.pipeline.config
made = escape_markdown(str(config.input["source"].get("target", "a picture")))[:100]
st.caption(
    f"**{escape_markdown(title_of(config).title)}** · From {KINDS[kind]} to {made}. "
    "Your image is processed in memory and not stored."
)
work(model)
