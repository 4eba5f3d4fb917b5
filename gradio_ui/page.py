"""The page: choose a checkpoint, set the parameters that it takes, see pixels."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component
from PIL import Image, ImageOps

from gradio_ui import endpoints
from gradio_ui.components import Canvas, Labels, Upload
from gradio_ui.dropped import SUFFIXES, link_of, set_as
from gradio_ui.endpoints import ENDPOINTS, open_upload, save_image
from gradio_ui.models import as_input_error, offered, resolve
from pretrained.checkpoint import SAMPLES, Config
from pretrained.media.examples import examples
from pretrained.pipelines import registry
from pretrained.pipelines.degradations import DEGRADATIONS
from pretrained.pipelines.registry import Generate
from pretrained.pipelines.translator_input import KINDS, pen_for
from pretrained.pipelines.write import characters
from pretrained.titles import title_of
from pretrained.verbs.drawing import DRAWINGS, Sample, Translate
from pretrained.verbs.parameter import MAX_TEXT, Field, choices, fields_of
from pretrained.verbs.shared import Drawing, Filming, takes

CACHE_SECONDS = 3600  # how long a picture can be fetched
# All that computes waits in one line for the one device.
QUEUED = {"concurrency_id": "device", "concurrency_limit": 1}
VISIT = "name => { location.search = new URLSearchParams({ model: name }) }"
FOLLOW = "link => { location.search = new URLSearchParams(link) }"
SHARP = {"elem_classes": "pixels"}

Pipeline = Generate | registry.Translate
Controls = dict[str, Component]  # by the parameter that each sets


def build() -> gr.Blocks:
    """The page, and an endpoint for each function of ENDPOINTS."""
    names = list(offered())
    cache = (CACHE_SECONDS // 4, CACHE_SECONDS)
    with gr.Blocks(title="Ganvas", analytics_enabled=False, delete_cache=cache) as page:
        gr.Markdown("# Ganvas")
        titles = {name: title_of(pipeline.config).title for name, pipeline in offered().items()}
        choices = [(title if title == name else f"{title} · {name}", name) for name, title in titles.items()]
        model = gr.Dropdown(choices, label="Model", visible=len(names) > 1, interactive=True)
        name, link = gr.State(), gr.State({})
        page.load(_asked, None, [model, link, name], api_visibility="private")
        # A new page for each model: one that is rendered again would keep pictures of the last.
        model.input(None, model, js=VISIT, api_visibility="private")
        gr.render([name, link], triggers=[name.change])(_show)
        _drop()
        if len(names) > 1:
            _gallery(titles, model)
        for title, function in ENDPOINTS.items():
            gr.api(function, api_name=title, **QUEUED)
    return page


def _gallery(titles: Mapping[str, str], model: gr.Dropdown) -> None:
    """The models as pictures; a press on one opens it."""
    sheets = {name: resolve(name)[0].with_name(SAMPLES) for name in titles}
    shown = {name: path for name, path in sheets.items() if path.exists()}
    with gr.Accordion("Gallery", open=False):
        cards = [(endpoints.save(path.read_bytes(), path.name).path, titles[name]) for name, path in shown.items()]
        gallery = gr.Gallery(
            cards, show_label=False, columns=4, object_fit="cover", allow_preview=False, interactive=False
        )
        names = list(shown)

        def pick(chosen: gr.SelectData) -> str:
            return names[chosen.index]

        picked = gallery.select(pick, None, model, api_visibility="private")
        picked.then(None, model, js=VISIT, api_visibility="private")


def _drop() -> None:
    """A field for a picture; one that carries its recipe opens the tab where it was made, as it was set there."""
    with gr.Accordion("Open a picture that Ganvas made", open=False):
        file = gr.File(label="Its metadata says how it was made", file_types=SUFFIXES)
        link = gr.JSON(visible=False)
        found = file.upload(as_input_error()(link_of), file, link, api_visibility="private")
        found.success(None, link, js=FOLLOW, api_visibility="private")


def _asked(request: gr.Request) -> tuple[str, dict[str, str], str]:
    """The checkpoint that the link names, or else the first; and all that the link says."""
    link = dict(request.query_params)
    name = link["model"] if link.get("model") in offered() else next(iter(offered()))
    return name, link, name


def _show(name: str, link: Mapping[str, str]) -> None:
    pipeline = offered()[name]
    caption = title_of(pipeline.config).caption
    gr.Markdown(f"{html.escape(caption)} {_about(pipeline)}".strip())
    tabs = [tab for tab in TABS if takes(pipeline.config, tab.kind.needs) and tab.is_for(pipeline.config)]
    asked = next((tab.title for tab in tabs if tab.title.lower() == link.get("verb")), None)
    with gr.Tabs(selected=asked):
        for tab in tabs:
            _fill(tab, name, pipeline, link if tab.title == asked else {})


def _about(pipeline: Pipeline) -> str:
    if isinstance(pipeline, Generate):
        return "One seed is one picture, the same everywhere."
    return f"It reads {KINDS[pipeline.kind]}. Yours is kept for about an hour."


class Tab(NamedTuple):
    """What a page offers for checkpoints that take what a verb needs: controls, and a button that runs it."""

    title: str
    kind: type[Drawing]
    controls: Callable[[type[Drawing], str, Any], Controls]
    function: Callable[..., gr.FileData]
    is_for: Callable[[Config], object] = lambda config: True


def _fill(tab: Tab, name: str, pipeline: Pipeline, link: Mapping[str, str]) -> None:
    with gr.Tab(tab.title, id=tab.title), gr.Row():
        with gr.Column(min_width=280):
            controls = tab.controls(tab.kind, name, pipeline)
            set_as(link, controls)
            for control in controls.values():
                control.interactive = True  # Gradio would see it from a button's `inputs`, not from `inputs_kwargs`
            button = gr.Button(tab.kind.__name__, variant="primary")
        with gr.Column(scale=2, min_width=320):
            output = _video() if issubclass(tab.kind, Filming) else _grid(name) if tab.kind is Sample else _image()
        # What comes back lies in the cache already.
        button.click(
            partial(tab.function, model=name),
            inputs_kwargs=controls,
            outputs=output,
            api_visibility="private",
            postprocess=False,
            **QUEUED,
        )


def _image(value: str | None = None) -> gr.Image:
    return gr.Image(
        value, format="png", show_label=False, interactive=False, buttons=["download", "fullscreen"], **SHARP
    )


def _grid(name: str) -> gr.Image:
    """At first the grid that came with the checkpoint, of seeds 0 to 63: a look costs no computing."""
    path = resolve(name)[0].with_name(SAMPLES)
    return _image(endpoints.save(path.read_bytes(), path.name).path if path.exists() else None)


def _video() -> gr.Video:
    return gr.Video(show_label=False, interactive=False, autoplay=True, loop=True, buttons=["download"], **SHARP)


def _controls(kind: type[Drawing], name: str, pipeline: Pipeline) -> Controls:
    """A control for each parameter that the checkpoint takes; a mask is painted on the image that it belongs to.

    The values of black and white, for few images, are left to the API.
    """
    return {
        parameter: _control(parameter, field, pipeline)
        for parameter, field in endpoints.api_fields(kind).items()
        if parameter not in ("model", "mask", "black", "white") and takes(pipeline.config, field.about.needs)
    }


def _write_controls(kind: type[Drawing], name: str, pipeline: Generate) -> Controls:
    """As of any verb, with a text that this model can write."""
    controls, known = _controls(kind, name, pipeline), characters(pipeline.config)
    if not set(controls["text"].value) <= known.keys():
        controls["text"].value = "GANVAS" if set("GANVAS") <= known.keys() else "".join(known)[:6]
    return controls


def _translate_controls(kind: type[Drawing], name: str, pipeline: registry.Translate) -> Controls:
    controls = _controls(kind, name, pipeline)
    _offer_examples(name, pipeline, controls)
    return controls


def _control(parameter: str, field: Field, pipeline: Pipeline) -> Component:
    """The component for a parameter, by its type; labels and texts are chosen among those of the checkpoint."""
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


def _draw_controls(kind: type[Drawing], name: str, pipeline: registry.Translate) -> Controls:
    pen = pen_for(pipeline.config)
    colours = sorted(pen.palette.values(), key=lambda colour: colour == pen.paper)  # the paper's comes last
    canvas = Canvas(
        Image.new("RGB", (pen.width, pen.height), pen.paper),
        label="Draw here",
        sources=(),
        canvas_size=(pen.width, pen.height),
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
    field = fields_of(kind)["strength"]
    strength = {"strength": _control("strength", field, pipeline)} if takes(pipeline.config, field.about.needs) else {}
    return {"drawing": canvas} | strength


def _offer_examples(name: str, pipeline: registry.Translate, controls: Controls) -> None:
    """Sources that came with the checkpoint; they are poor enough."""
    ready = {"degrade": False}
    inputs = [control for control in ("picture", "second", "degrade") if control in controls]
    rows = []
    for source, beside in examples(resolve(name)[0], pipeline.scale):
        files = {"picture": source, **beside}
        rows.append([save_image(files[control]).path if control in files else ready[control] for control in inputs])
    if rows and "mask" not in pipeline.config.input:
        gr.Examples(rows, [controls[control] for control in inputs], label="Examples")


def _draw(drawing: dict[str, gr.FileData | None], **how: Any) -> gr.FileData:
    return ENDPOINTS["draw"](drawing=drawing["composite"], **how)


@as_input_error()
def _translate(picture: Any, **how: Any) -> gr.FileData:
    if isinstance(picture, dict):  # a canvas: what is painted on it is the hole
        if picture["layer"] and not how.get("degrade"):
            how["mask"] = save_image(ImageOps.invert(open_upload(picture["layer"], channels=1)))
        picture = picture["background"]
    return ENDPOINTS["translate"](picture=picture, **how)


OTHERS = {name: verb for name, verb in DRAWINGS.items() if verb is not Translate}
TABS = [
    *(
        Tab(name.capitalize(), verb, _write_controls if verb.needs == "characters" else _controls, ENDPOINTS[name])
        for name, verb in OTHERS.items()
    ),
    Tab("Draw", Translate, _draw_controls, _draw, pen_for),
    Tab("Translate", Translate, _translate_controls, _translate),
]
