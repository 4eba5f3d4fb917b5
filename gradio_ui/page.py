"""The page: choose a checkpoint, turn the knobs that its config offers, see pixels."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component
from PIL import Image, ImageOps

from gradio_ui import endpoints
from gradio_ui.components import Canvas, Labels, Upload
from gradio_ui.endpoints import ENDPOINTS, opened, save_picture
from gradio_ui.models import as_input_error, offered, resolve
from pretrained.checkpoint import SAMPLES, Config
from pretrained.inputs.latents import MAX_SEED
from pretrained.media.examples import examples
from pretrained.pipelines.degradations import DEGRADATIONS
from pretrained.pipelines.registry import Generate, Translate
from pretrained.pipelines.translator_input import KINDS, pen_for

OWN = "each seed's own"
CACHE_SECONDS = 3600  # how long a picture can be fetched
# All that computes waits in one line for the one device.
QUEUED = {"concurrency_id": "device", "concurrency_limit": 1}
VISIT = "name => { location.search = new URLSearchParams({ model: name }) }"
SHARP = {"elem_classes": "pixels"}

Knobs = dict[str, Component]  # by the parameter that each sets


def build() -> gr.Blocks:
    """The page, and an endpoint for each function of ENDPOINTS."""
    names = list(offered())
    cache = (CACHE_SECONDS // 4, CACHE_SECONDS)
    with gr.Blocks(title="Ganvas", analytics_enabled=False, delete_cache=cache) as page:
        gr.Markdown("# Ganvas")
        model = gr.Dropdown(names, label="Model", visible=len(names) > 1, interactive=True)
        name = gr.State()
        page.load(_asked, None, [model, name], api_visibility="private")
        # A new page for each model: one that is rendered again would keep pictures of the last.
        model.input(None, model, js=VISIT, api_visibility="private")
        gr.render(name, triggers=[name.change])(_show)
        for title, function in ENDPOINTS.items():
            gr.api(function, api_name=title, **QUEUED)
    return page


def _asked(request: gr.Request) -> tuple[str, str]:
    """The checkpoint that the link names, or else the first."""
    asked = request.query_params.get("model")
    name = asked if asked in offered() else next(iter(offered()))
    return name, name


def _show(name: str) -> None:
    pipeline = offered()[name]
    gr.Markdown(_about(pipeline))
    with gr.Tabs():
        for tab in TABS:
            if tab.is_for(pipeline.config):
                _fill(tab, name, pipeline)


def _about(pipeline: Generate | Translate) -> str:
    if isinstance(pipeline, Generate):
        return "One seed is one picture, the same everywhere."
    return f"It reads {KINDS[pipeline.kind]}. Yours is kept for about an hour."


class Tab(NamedTuple):
    """For checkpoints whose config says so: knobs, a button and what it calls with them, and where that is shown."""

    title: str
    is_for: Callable[[Config], bool]
    knobs: Callable[[str, Any], Knobs]
    button: str
    function: Callable[..., gr.FileData]
    output: Callable[[str], Component]


def _fill(tab: Tab, name: str, pipeline: Generate | Translate) -> None:
    with gr.Tab(tab.title), gr.Row():
        with gr.Column(min_width=280):
            knobs = tab.knobs(name, pipeline)
            for knob in knobs.values():
                knob.interactive = True  # Gradio would see it from a button's `inputs`, not from `inputs_kwargs`
            button = gr.Button(tab.button, variant="primary")
        with gr.Column(scale=2, min_width=320):
            output = tab.output(name)
        # What comes back lies in the cache already.
        button.click(
            partial(tab.function, model=name),
            inputs_kwargs=knobs,
            outputs=output,
            api_visibility="private",
            postprocess=False,
            **QUEUED,
        )


def _picture(name: str, value: str | None = None) -> gr.Image:
    return gr.Image(
        value, format="png", show_label=False, interactive=False, buttons=["download", "fullscreen"], **SHARP
    )


def _sheet(name: str) -> gr.Image:
    """At first the sheet that came with the checkpoint, of seeds 0 to 63: a look costs no computing."""
    path = resolve(name)[0].with_name(SAMPLES)
    return _picture(name, endpoints.save(path.read_bytes(), path.name).path if path.exists() else None)


def _film(name: str) -> gr.Video:
    return gr.Video(show_label=False, interactive=False, autoplay=True, loop=True, buttons=["download"], **SHARP)


def _conditions(config: Config) -> Knobs:
    """What a generator is told beside its seeds."""
    text = config.input.get("text")
    info = f"While it is empty, {OWN}."
    knobs = (
        {"text": gr.Dropdown(text["examples"], value=None, allow_custom_value=True, label="Text", info=info)}
        if text
        else {}
    )
    truncation = gr.Slider(
        0, 2, 1, step=0.05, label="Truncation", info="Below 1 more typical pictures, less varied; at 0 all the same."
    )
    return knobs | _label(config) | {"truncation": truncation}


def _label(config: Config, own: str = OWN) -> Knobs:
    if not config.classes:
        return {}
    names = [own, *(f"{label} {name}" for label, name in enumerate(config.classes))]
    return {"label": Labels(names, value=own, type="index", label="Label")}


def _seeds(label: str, value: str) -> gr.Textbox:
    return gr.Textbox(value, label=label, info="As in 0-63 or 1,2,5-9.", max_length=400)


def _whole(label: str, value: int, low: int, high: int) -> gr.Number:
    return gr.Number(value, label=label, precision=0, minimum=low, maximum=high, min_width=120)


def _speed(frames: int) -> Knobs:
    with gr.Row():
        return {
            "frames": _whole("Frames", frames, 2, endpoints.MAX_FRAMES),
            "fps": _whole("Frames per second", 30, 1, endpoints.MAX_FPS),
        }


def _sample_knobs(name: str, pipeline: Generate) -> Knobs:
    knobs = {"seeds": _seeds("Seeds", "0-63"), "columns": _whole("Columns", 8, 1, 32)}
    return knobs | _conditions(pipeline.config)


def _walk_knobs(name: str, pipeline: Generate) -> Knobs:
    knobs = {"seeds": _seeds("Seeds", "0-3")} | _speed(120) | _conditions(pipeline.config)
    return knobs | {"loop": gr.Checkbox(True, label="Back to the first, as a loop")}


def _mix_knobs(name: str, pipeline: Generate) -> Knobs:
    most = pipeline.network.num_styles
    knobs = {"rows": _seeds("Rows, coarse", "0-3"), "columns": _seeds("Columns, fine", "10-15")}
    knobs["layers"] = gr.Slider(
        0, most, min(3, most), step=1, label="Coarse layers", info="The first shape the picture, the last colour it."
    )
    return knobs | _conditions(pipeline.config)


def _reconstruct_knobs(name: str, pipeline: Generate) -> Knobs:
    return {"picture": Upload(label="A picture")} | _label(pipeline.config, "as it is read")


def _interpolate_knobs(name: str, pipeline: Generate) -> Knobs:
    return {"first": Upload(label="From"), "last": Upload(label="To")} | _speed(60)


def _draw_knobs(name: str, pipeline: Translate) -> Knobs:
    pen = pen_for(pipeline.config)
    colours = sorted(pen.palette.values(), key=lambda colour: colour == pen.paper)  # the paper's comes last
    canvas = Canvas(
        Image.new("RGB", (pen.side, pen.side), pen.paper),
        label="Draw here",
        sources=(),
        canvas_size=(pen.side, pen.side),
        fixed_canvas=True,
        transforms=(),
        layers=False,
        brush=gr.Brush(max(1, pen.brush // 2), colours, colours[0], "fixed"),
        eraser=gr.Eraser(pen.brush),
        buttons=[],
        format="png",
        **SHARP,
    )
    if pipeline.config.input["source"].get("palette"):
        # The colours are checked when the config is read; the names may be a stranger's.
        swatches = [f"<li style='--colour: {colour}'>{html.escape(label)}" for label, colour in pen.palette.items()]
        gr.HTML(f"<ul class='palette'>{''.join(swatches)}</ul>")
    return {"drawing": canvas} | _strength(pipeline.config)


def _strength(config: Config) -> Knobs:
    info = "How far to go: 0 leaves the picture nearly as it is."
    return (
        {"strength": gr.Slider(0, 1, 1, step=0.05, label="Strength", info=info)} if config.input.get("strength") else {}
    )


def _translate_knobs(name: str, pipeline: Translate) -> Knobs:
    given, knobs = pipeline.config.input, {}
    if given.get("mask"):
        brush = gr.Brush(colors=["#000000"], color_mode="fixed")
        knobs["picture"] = Canvas(label="Paint the hole", layers=False, transforms=(), brush=brush, format="png")
    else:
        knobs["picture"] = Upload(label="A picture")
    if given.get("second"):
        knobs["second"] = Upload(label="The second picture")
    if pipeline.kind in DEGRADATIONS:
        knobs["degrade"] = gr.Checkbox(True, label=DEGRADATIONS[pipeline.kind].label)
        if DEGRADATIONS[pipeline.kind].is_random:
            knobs["seed"] = _whole("Seed", 0, 0, MAX_SEED)
    fits = ["crop", "stretch", "tile"] if pipeline.size else ["crop", "tile"]
    knobs |= _strength(pipeline.config)
    knobs["fit"] = gr.Dropdown(
        fits,
        value="crop",
        label="Fit",
        info="crop takes the square in the middle, stretch the whole as a square, tile goes over it in pieces.",
    )
    _offer_examples(name, pipeline, knobs)
    return knobs


def _offer_examples(name: str, pipeline: Translate, knobs: Knobs) -> None:
    """Sources that came with the checkpoint; they are poor enough."""
    ready = {"degrade": False}
    inputs = [knob for knob in ("picture", "second", "degrade") if knob in knobs]
    rows = []
    for source, beside in examples(resolve(name)[0], pipeline.scale):
        files = {"picture": source, **beside}
        rows.append([save_picture(files[knob]).path if knob in files else ready[knob] for knob in inputs])
    if rows and "mask" not in pipeline.config.input:
        gr.Examples(rows, [knobs[knob] for knob in inputs], label="Examples")


def _draw(drawing: dict[str, gr.FileData | None], **how: Any) -> gr.FileData:
    return endpoints.draw(drawing=drawing["composite"], **how)


@as_input_error()
def _translate(picture: Any, **how: Any) -> gr.FileData:
    if isinstance(picture, dict):  # a canvas: what is painted on it is the hole
        if picture["layer"] and not how.get("degrade"):
            how["mask"] = save_picture(ImageOps.invert(opened(picture["layer"], channels=1)))
        picture = picture["background"]
    return endpoints.translate(picture=picture, **how)


TABS = [
    Tab("Samples", lambda config: "noise" in config.input, _sample_knobs, "Draw", endpoints.sample, _sheet),
    Tab("Walk", lambda config: "noise" in config.input, _walk_knobs, "Film", endpoints.walk, _film),
    Tab("Mix", lambda config: config.input.get("style"), _mix_knobs, "Mix", endpoints.mix, _picture),
    Tab(
        "Reconstruct",
        lambda config: config.input.get("encode"),
        _reconstruct_knobs,
        "Reconstruct",
        endpoints.reconstruct,
        _picture,
    ),
    Tab(
        "Interpolate",
        lambda config: config.input.get("encode"),
        _interpolate_knobs,
        "Film",
        endpoints.interpolate,
        _film,
    ),
    Tab("Draw", lambda config: "source" in config.input and pen_for(config), _draw_knobs, "Translate", _draw, _picture),
    Tab("Translate", lambda config: "source" in config.input, _translate_knobs, "Translate", _translate, _picture),
]
