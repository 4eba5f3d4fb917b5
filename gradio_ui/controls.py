"""Controls and outputs that more than one tab has: one for each parameter, by its type, and the file of an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from gradio_ui.components import Canvas, Labels, Upload
from gradio_ui.endpoints import save
from gradio_ui.models import Pipeline
from pretrained.pipelines import image_grid
from pretrained.pipelines.degradations import DEGRADATIONS
from pretrained.titles import is_pixel_art
from pretrained.verbs.parameter import MAX_TEXT, Field, choices

# All that computes waits in one line for the one device; only the newest of what is asked by moving things is answered.
QUEUED = {"concurrency_id": "device", "concurrency_limit": 1, "api_visibility": "private", "postprocess": False}
LIVE = QUEUED | {"trigger_mode": "always_last", "show_progress": "minimal"}
SHARP = {"elem_classes": "pixels"}
OUTPUT_FIRST = {"elem_classes": "output-first"}  # above its controls, where both have no room side by side
FILE = 512  # px of the longer side of an image, at least
SMOOTH, PIXELS, PLAIN = f"Smooth, {FILE} px", f"Pixels, {FILE} px", "As drawn"


def control(parameter: str, field: Field, pipeline: Pipeline) -> Component:
    """The component for a parameter; labels and texts are chosen among those of the checkpoint."""
    about, start, config = field.about, field.start, pipeline.config
    label = field.label if len(field.api) == 1 else parameter.capitalize()
    label = DEGRADATIONS[pipeline.kind].label if about.needs == "degradation" else label
    shown = {"label": label, "info": about.help}
    if about.needs == "classes":
        names = [about.none, *(f"{label} {name}" for label, name in enumerate(config.classes))]
        return Labels(names, value=about.none, type="index", **shown)
    if about.needs == "text":
        return gr.Dropdown(config.input["text"]["examples"], value=None, allow_custom_value=True, **shown)
    if field.kind is bool:
        return gr.Checkbox(start, **shown)
    if listed := choices(field.kind):
        fits = [choice for choice in listed if choice != "stretch" or pipeline.size]
        return gr.Dropdown(fits, value=start, **shown)
    if field.kind is str:
        return gr.Textbox(start, max_length=MAX_TEXT, **shown)
    if not about.range and config.input.get("mask"):
        brush = gr.Brush(colors=["#000000"], color_mode="fixed")
        return Canvas(label="Paint the hole", layers=False, transforms=(), brush=brush, format="png")
    if not about.range:
        return Upload(label=label)
    low, high = about.range.low, about.range.top(online=True)
    if field.kind is float:
        return gr.Slider(low, high, start, step=0.05, **shown)
    if parameter == "layers":
        return gr.Slider(low, pipeline.network.num_styles, min(start, pipeline.network.num_styles), step=1, **shown)
    return gr.Number(start, precision=0, minimum=low, maximum=high, min_width=120, **shown)


def image(value: str | None = None) -> gr.Image:
    """Where an image is shown, and downloaded from."""
    return gr.Image(
        value, format="png", show_label=False, interactive=False, buttons=["download", "fullscreen"], **SHARP
    )


def sizes(pipeline: Pipeline) -> list[str]:
    """How an image can be enlarged for the file; the first unless it is chosen: pixel art by repeating pixels."""
    return [PIXELS, SMOOTH, PLAIN] if is_pixel_art(pipeline.config) else [SMOOTH, PIXELS, PLAIN]


def size_of_file(pipeline: Pipeline) -> gr.Dropdown:
    """The choice among `sizes`."""
    info = "How the image is enlarged for the file that is shown and downloaded."
    return gr.Dropdown(sizes(pipeline), value=sizes(pipeline)[0], label="Size of the file", info=info, interactive=True)


def enlarged(file: gr.FileData, way: Any) -> gr.FileData:
    """The PNG that an endpoint has made, as large as is wanted."""
    if way not in (SMOOTH, PIXELS):
        return file
    return save(image_grid.enlarge_png(Path(file.path).read_bytes(), FILE, way == SMOOTH), file.orig_name)
