"""Explore: the image of a seed under sliders, one for each direction that comes with the model or is found in it."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Mapping
from functools import partial
from typing import Any

import gradio as gr

from gradio_ui import controls
from gradio_ui.endpoints import api_fields, open_upload, save, save_image
from gradio_ui.models import GPU, as_input_error, find, offered, resolve
from pretrained.checkpoint import SAMPLES
from pretrained.inputs.latents import MAX_SEED
from pretrained.media.images import open_image
from pretrained.networks.sizes import sides
from pretrained.pipelines import directions, image_grid
from pretrained.pipelines.directions import Direction
from pretrained.pipelines.registry import Generate
from pretrained.system.errors import InputError
from pretrained.verbs.drawing import Sample
from pretrained.verbs.parameter import read
from pretrained.verbs.shared import takes

FIRST = 1  # seed
COUNT = 8  # sliders
REACH, STEP = 5.0, 0.1
MAX_SURPRISE = 100_000  # seeds that a surprise chooses from: short enough to be said
HOW = ("label", "text", "truncation")
MOVE = "move "  # before the name of a direction, which may be called as a parameter is


def names_of(name: str) -> list[str]:
    """What the sliders are called: the directions that come with the model, else the first of those that SeFa finds."""
    most = min(COUNT, directions.dim(offered()[name].config))
    return list(_named(name)) or [f"sefa-{number}" for number in range(1, 1 + most)]


def _named(name: str) -> dict[str, Direction]:
    kept = directions.read(resolve(name)[0].with_name(directions.FILE), offered()[name].config)
    return dict(itertools.islice(kept.items(), COUNT))


@functools.cache
def _known(name: str) -> dict[str, Direction]:
    return _named(name) or directions.expand(offered()[name], names_of(name))


@GPU(duration=15)
@as_input_error()
def _render(name: str, seed: int, moves: Mapping[str, float], how: Mapping[str, Any]) -> bytes:
    return image_grid.render(offered()[name], name, [seed], moves=moves, named=_known(name), **how)


@as_input_error()
def moved(model: str, seed: Any, size: Any, **given: Any) -> gr.FileData:
    """The image of a seed, moved along the directions whose strengths are not 0."""
    find(model, "noise")
    seed = min(max(int(seed or 0), 0), MAX_SEED)
    fields = api_fields(Sample)
    how = {name: read(fields[name], given[name], open_upload, online=True) for name in HOW if name in given}
    strengths = {name: min(max(float(given[MOVE + name] or 0), -REACH), REACH) for name in names_of(model)}
    png = _render(model, seed, {name: strength for name, strength in strengths.items() if strength}, how)
    return controls.enlarged(save(png, f"seed-{seed}.png"), size)


def fill(name: str, pipeline: Generate) -> None:
    """The controls, and the image that follows them."""
    fields = api_fields(Sample)
    with gr.Row(**controls.OUTPUT_FIRST):
        with gr.Column(min_width=280):
            with gr.Row():
                seed = gr.Number(FIRST, label="Seed", precision=0, minimum=0, maximum=MAX_SEED, min_width=120)
                surprise = gr.Button("Surprise me", min_width=120)
            info = "1 is as much as images of seeds usually differ along it."
            sliders = {
                MOVE + direction: gr.Slider(-REACH, REACH, 0, step=STEP, label=direction, info=None if place else info)
                for place, direction in enumerate(names_of(name))
            }
            back = gr.Button("Back to the start")
            how = {
                parameter: controls.control(parameter, fields[parameter], pipeline)
                for parameter in HOW
                if takes(pipeline.config, fields[parameter].about.needs)
            }
            size = controls.size_of_file(pipeline)
        with gr.Column(scale=2, min_width=320):
            output = controls.image(first_image(name, pipeline))
    given = {"seed": seed, "size": size, **how, **sliders}
    for one in given.values():
        one.interactive = True
    draw = {"fn": partial(moved, name), "inputs_kwargs": given, "outputs": output} | controls.LIVE
    gr.on([one.input for one in given.values()], **draw)
    hidden = {"api_visibility": "private", "queue": False}
    gr.on(surprise.click, lambda: random.randrange(MAX_SURPRISE), None, seed, **hidden).then(**draw)
    gr.on(back.click, lambda: [0.0] * len(sliders), None, list(sliders.values()), **hidden).then(**draw)


def first_image(name: str, pipeline: Generate) -> str | None:
    """The image of FIRST, cut from the sheet that came with the checkpoint: a look costs no computing."""
    path, (height, width) = resolve(name)[0].with_name(SAMPLES), sides(pipeline.config.size)
    try:
        file = save_image(open_image(path).crop((FIRST * width, 0, (FIRST + 1) * width, height)))
    except InputError:
        return None
    return controls.enlarged(file, controls.sizes(pipeline)[0]).path
