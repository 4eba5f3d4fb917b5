"""The page: choose a checkpoint, set the parameters that it takes, see pixels."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component
from PIL import Image, ImageOps

from gradio_ui import controls, endpoints, explore
from gradio_ui.components import Canvas
from gradio_ui.controls import LIVE, QUEUED, SHARP
from gradio_ui.dropped import SUFFIXES, link_of, set_as
from gradio_ui.endpoints import ENDPOINTS, open_upload, save_image
from gradio_ui.models import Pipeline, as_input_error, fitting, offered, resolve
from pretrained.checkpoint import SAMPLES, Config
from pretrained.media.examples import examples, rows
from pretrained.pipelines import registry
from pretrained.pipelines.registry import Generate
from pretrained.pipelines.translator_input import DRAWN, KINDS, pen_for
from pretrained.pipelines.write import characters
from pretrained.titles import title_of
from pretrained.verbs.drawing import DRAWINGS, Sample, Translate
from pretrained.verbs.parameter import fields_of
from pretrained.verbs.shared import Drawing, Filming, takes

CACHE_SECONDS = 3600  # how long a picture can be fetched
CANVAS = 512  # px of a side of the canvas, about
VISIT = "name => { location.search = new URLSearchParams({ model: name }) }"
FOLLOW = "link => { location.search = new URLSearchParams(link) }"

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
        gr.render([name, link], triggers=[name.change])(partial(_show, titles=titles, model=model))
        _drop()
        for title, function in ENDPOINTS.items():
            gr.api(function, api_name=title, **{name: QUEUED[name] for name in ("concurrency_id", "concurrency_limit")})
    return page


def _gallery(titles: Mapping[str, str], model: gr.Dropdown) -> None:
    """The models as pictures; a press on one opens it."""
    sheets = {name: resolve(name)[0].with_name(SAMPLES) for name in titles}
    shown = {name: path for name, path in sheets.items() if path.exists()}
    cards = [(endpoints.save(path.read_bytes(), path.name).path, titles[name]) for name, path in shown.items()]
    gallery = gr.Gallery(
        cards, show_label=False, columns=4, height="auto", object_fit="cover", allow_preview=False, interactive=False
    )
    names = list(shown)

    def pick(chosen: gr.SelectData) -> str:
        return names[chosen.index]

    gallery.select(pick, None, model, api_visibility="private").then(None, model, js=VISIT, api_visibility="private")


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


def _show(name: str, link: Mapping[str, str], titles: Mapping[str, str], model: gr.Dropdown) -> None:
    """The tabs of a checkpoint; Draw, Explore and Gallery are there for each, with one that fits."""
    pipeline = offered()[name]
    caption = title_of(pipeline.config).caption
    gr.Markdown(f"{html.escape(caption)} {_about(pipeline)}".strip())
    own = [tab for tab in TABS if takes(pipeline.config, tab.kind.needs) and tab.is_for(pipeline.config)]
    asked = next((tab.title for tab in own if tab.title.lower() == link.get("verb")), None)
    said = lambda tab: link if tab.title == asked else {}
    with gr.Tabs(selected=asked):
        for tab in own[:1]:
            _fill(tab, name, pipeline, said(tab))
        if DRAW not in own and (other := fitting(name, _can_be_drawn_for)):
            _fill(DRAW, other, offered()[other], {}, f"With {titles[other]}.")
        if other := fitting(name, lambda one: takes(one.config, "noise")):
            with gr.Tab("Explore", id="Explore"):
                if other != name:
                    gr.Markdown(f"With {html.escape(titles[other])}.")
                explore.fill(other, offered()[other])
        with gr.Tab("Gallery", id="Gallery"):
            _gallery(titles, model)
        for tab in own[1:]:
            _fill(tab, name, pipeline, said(tab))


def _can_be_drawn_for(pipeline: Pipeline) -> bool:
    return takes(pipeline.config, "source") and pen_for(pipeline.config) is not None


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
    first: Callable[[str, Any], str | None] = lambda name, pipeline: None  # the file of what is shown at first


def _fill(tab: Tab, name: str, pipeline: Pipeline, link: Mapping[str, str], said: str = "") -> None:
    is_film = issubclass(tab.kind, Filming)
    with gr.Tab(tab.title, id=tab.title) as opened:
        if said:
            gr.Markdown(html.escape(said))
        with gr.Row(**({} if tab.kind is Translate else controls.OUTPUT_FIRST)):
            with gr.Column(min_width=280):
                given = tab.controls(tab.kind, name, pipeline)
                set_as(link, given)
                for control in given.values():
                    control.interactive = True  # Gradio would see it from `inputs`, not from `inputs_kwargs`
                button = gr.Button(tab.kind.__name__, variant="primary")
                if not is_film:
                    given["size"] = controls.size_of_file(pipeline)
            with gr.Column(scale=2, min_width=320):
                output = _video() if is_film else controls.image(tab.first(name, pipeline))
    # What comes back lies in the cache already.
    draw = {"fn": partial(_made, tab.function, name), "inputs_kwargs": given, "outputs": output}
    button.click(**draw, **QUEUED)
    if tab is DRAW:  # at each stroke
        given["drawing"].input(**draw, **LIVE)
    if tab.kind not in UPLOADED and tab.kind is not Sample:  # it has all that it needs
        opened.select(**draw, **QUEUED)


def _made(function: Callable[..., gr.FileData], model: str, size: str = controls.PLAIN, **given: Any) -> gr.FileData:
    return controls.enlarged(function(model=model, **given), size)


def _sheet(name: str, pipeline: Pipeline) -> str | None:
    """The grid that came with the checkpoint, of seeds 0 to 63: a look costs no computing."""
    path = resolve(name)[0].with_name(SAMPLES)
    return endpoints.save(path.read_bytes(), path.name).path if path.exists() else None


def _example(name: str, pipeline: Pipeline) -> str | None:
    """What the checkpoint made of the first of its examples."""
    first = next(iter(rows(resolve(name)[0], pipeline.scale)), {})
    return save_image(first["output"]).path if "output" in first else None


def _video() -> gr.Video:
    return gr.Video(show_label=False, interactive=False, autoplay=True, loop=True, buttons=["download"], **SHARP)


def _controls(kind: type[Drawing], name: str, pipeline: Pipeline) -> Controls:
    """A control for each parameter that the checkpoint takes; a mask is painted on the image that it belongs to.

    The values of black and white, for few images, are left to the API.
    """
    return {
        parameter: controls.control(parameter, field, pipeline)
        for parameter, field in endpoints.api_fields(kind).items()
        if parameter not in ("model", "mask", "black", "white") and takes(pipeline.config, field.about.needs)
    }


def _write_controls(kind: type[Drawing], name: str, pipeline: Generate) -> Controls:
    """As of any verb, with a text that this model can write."""
    given, known = _controls(kind, name, pipeline), characters(pipeline.config)
    if not set(given["text"].value) <= known.keys():
        given["text"].value = "GANVAS" if set("GANVAS") <= known.keys() else "".join(known)[:6]
    return given


def _translate_controls(kind: type[Drawing], name: str, pipeline: registry.Translate) -> Controls:
    given = _controls(kind, name, pipeline)
    _offer_examples(name, pipeline, given)
    return given


def _draw_controls(kind: type[Drawing], name: str, pipeline: registry.Translate) -> Controls:
    pen = pen_for(pipeline.config)
    has_palette = bool(pipeline.config.input["source"].get("palette"))
    # Lines are smooth when they are made smaller.
    zoom = 1 if has_palette else max(1, CANVAS // max(pen.width, pen.height))
    sides = zoom * pen.width, zoom * pen.height
    paper = Image.new("RGB", sides, pen.paper)
    found = examples(resolve(name)[0]) if pipeline.kind in DRAWN else []
    colours = sorted(pen.palette.values(), key=lambda colour: colour == pen.paper)  # the paper's comes last
    canvas = Canvas(
        found[0][0].resize(sides) if found else paper,
        label="Draw here",
        sources=(),
        canvas_size=sides,
        fixed_canvas=True,
        transforms=(),
        layers=False,
        brush=gr.Brush(max(1, zoom * pen.brush // 2), colours, colours[0], "fixed"),
        eraser=gr.Eraser(zoom * pen.brush),
        buttons=[],
        format="png",
        **SHARP,
    )
    if has_palette:
        # The colours are checked when the config is read; the names may be a stranger's.
        swatches = [f"<li style='--colour: {colour}'>{html.escape(label)}" for label, colour in pen.palette.items()]
        gr.HTML(f"<ul class='palette'>{''.join(swatches)}</ul>")
    if found:
        gr.Button("Clear").click(lambda: paper, None, canvas, api_visibility="private", queue=False)
    field = fields_of(kind)["strength"]
    has_strength = takes(pipeline.config, field.about.needs)
    strength = {"strength": controls.control("strength", field, pipeline)} if has_strength else {}
    return {"drawing": canvas} | strength


def _offer_examples(name: str, pipeline: registry.Translate, given: Controls) -> None:
    """Sources that came with the checkpoint; they are poor enough."""
    ready = {"degrade": False}
    inputs = [control for control in ("picture", "second", "degrade") if control in given]
    table = []
    for source, beside in examples(resolve(name)[0], pipeline.scale):
        files = {"picture": source, **beside}
        table.append([save_image(files[control]).path if control in files else ready[control] for control in inputs])
    if table and "mask" not in pipeline.config.input:
        gr.Examples(table, [given[control] for control in inputs], label="Examples")


def _draw(drawing: dict[str, gr.FileData | None], **how: Any) -> gr.FileData:
    return ENDPOINTS["draw"](drawing=drawing["composite"], **how)


@as_input_error()
def _translate(picture: Any, **how: Any) -> gr.FileData:
    if isinstance(picture, dict):  # a canvas: what is painted on it is the hole
        if picture["layer"] and not how.get("degrade"):
            how["mask"] = save_image(ImageOps.invert(open_upload(picture["layer"], channels=1)))
        picture = picture["background"]
    return ENDPOINTS["translate"](picture=picture, **how)


UPLOADED = {verb for verb in DRAWINGS.values() if "input" in fields_of(verb)}  # they begin with an image of yours
OTHERS = {name: verb for name, verb in DRAWINGS.items() if verb is not Translate}
DRAW = Tab("Draw", Translate, _draw_controls, _draw, pen_for, _example)
TABS = [
    *(
        Tab(
            name.capitalize(),
            verb,
            _write_controls if verb.needs == "characters" else _controls,
            ENDPOINTS[name],
            **({"first": _sheet} if verb is Sample else {}),
        )
        for name, verb in OTHERS.items()
    ),
    DRAW,
    Tab("Translate", Translate, _translate_controls, _translate, first=_example),
]
