"""Drag editing: points pulled across a picture, the rest following; all that is set stands in the link."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from pretrained.media.images import encode_png
from pretrained.pipelines.latent.drag import MAX_POINTS, Step, drag
from pretrained.titles import is_pixel_art
from ui.state.cancel import cancellable
from ui.state.models import DEVICE, Model, alone, file_name
from ui.widgets.canvas import png_url
from ui.widgets.component import component
from ui.widgets.controls import copy_link
from ui.widgets.image_grid import download_png

STEPS = [25, 50, 100, 200]
MASK_SIDE = 16  # cells, as in drag.js
TOOLS = {"pull": "Pull", "mask": "What may move"}

_drag = component("drag", '<div class="drag"></div>')


@st.cache_resource(max_entries=64, show_spinner=False)
def _shelf(key: tuple) -> dict[str, Step]:
    """Where the result of `key` is put when it is found."""
    return {}


def work(model: Model, seed: int, how: Mapping[str, Any]) -> None:
    """The picture of a seed to set points on, and what becomes of it."""
    (width, height), smooth = model.frame, not is_pixel_art(model.pipeline.config)
    pairs, mask = _pairs(st.query_params.get("drag", ""), model.frame), _mask(st.query_params.get("mask", ""))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        help = "Pull: press on a point, draw it to where it is to go. What may move: paint over it; the rest stays."
        tool = st.segmented_control("Tool", list(TOOLS), default="pull", format_func=TOOLS.get, key="tool", help=help)
        help = "At most; it ends when all points have arrived."
        num_steps = st.select_slider("Steps", STEPS, 100, key="steps", bind="query-params", width=160, help=help)
        st.button("Clear", on_click=_clear, icon=":material/restart_alt:", help="Take all points and the mask away.")
    with DEVICE:
        pipeline = model.pipeline
        point = pipeline.to_latents([seed], **how)[0]
        condition = pipeline.conditions([seed], how.get("label"), how.get("text"))[0]
        start = pipeline.draw([point], [condition])[0]
    left, right = st.columns(2, gap="medium")
    with left:
        st.caption("Press on the picture and draw an arrow: red goes to blue.")
        _drag(
            key="drag",
            data={
                "source": png_url(encode_png(start)),
                "label": f"Seed {seed}: set points here",
                "width": width,
                "height": height,
                "smooth": smooth,
                "pairs": [list(pair) for pair in pairs],
                "mask": [int(cell) for cell in mask],
                "tool": tool or "pull",
                "most": MAX_POINTS,
            },
            default={"set": None},
            on_set_change=_take,
        )
    with right, st.container(key="smooth-dragged" if smooth else "dragged"):
        if not pairs:
            st.info("Draw an arrow on the picture, and see it follow.")
            return
        handles, targets = [pair[:2] for pair in pairs], [pair[2:] for pair in pairs]
        allowed = _full(mask, model.frame)
        key = (*model.key, "drag", seed, *how.values(), tuple(pairs), mask, num_steps)
        step = _find(key, partial(drag, pipeline, point, condition, handles, targets, allowed, num_steps), num_steps)
        png = encode_png(step.image)
        arrived = f"after {step.number} steps the farthest point is {step.distance:.1f} px from its target"
        st.image(png_url(png), f"Seed {seed}, dragged: {arrived}", width=384, alt=f"Seed {seed}, dragged")
    download_png(model, png, file_name(model, f"seed-{seed}-dragged", ".png"))
    copy_link()


def _find(key: tuple, begin: Any, num_steps: int) -> Step:
    done = _shelf(key)
    if "last" not in done:
        with cancellable(key, "Dragging …") as (preview, move):
            for step in alone(begin()):
                if step.number % 3 == 0:
                    preview.image(png_url(encode_png(step.image)), "So far", width=384)
                move(step.number / num_steps, f"Step {step.number}: {step.distance:.1f} px to go")
        done["last"] = step
    return done["last"]


def _take() -> None:
    """Write what was set into the link."""
    told = st.session_state["drag"]["set"]
    pairs = told.get("pairs") if isinstance(told, dict) else None
    if isinstance(pairs, (list, tuple)):
        numbers = [[value for value in pair if isinstance(value, (int, float))] for pair in pairs[:MAX_POINTS]]
        text = "_".join(",".join(f"{value:g}" for value in pair) for pair in numbers if len(pair) == 4)
        cells = re.sub("[^01]", "", str(told.get("mask", "")))[: MASK_SIDE**2]
        packed = f"{int(cells, 2):x}" if "1" in cells else ""
        for name, value in (("drag", text), ("mask", packed)):
            if value:
                st.query_params[name] = value
            else:
                st.query_params.pop(name, None)


def _clear() -> None:
    for name in ("drag", "mask"):
        st.query_params.pop(name, None)


def _pairs(text: str, frame: tuple[int, int]) -> list[tuple[float, float, float, float]]:
    """Points and targets of a link: "x,y,x,y_x,y,x,y"; what is none is left out."""
    pairs = []
    for part in text[:400].split("_"):
        try:
            numbers = tuple(float(number) for number in part.split(","))
        except ValueError:
            continue
        if len(numbers) == 4 and all(0 <= number <= side - 1 for number, side in zip(numbers, 2 * frame)):
            pairs.append(numbers)
    return pairs[:MAX_POINTS]


def _mask(text: str) -> str:
    """The cells of a link's mask as 0 and 1, row by row; empty where there is none."""
    if not re.fullmatch(f"[0-9a-f]{{1,{MASK_SIDE**2 // 4}}}", text):
        return ""
    return f"{int(text, 16):0{MASK_SIDE**2}b}"


def _full(mask: str, frame: tuple[int, int]) -> np.ndarray | None:
    """The cells of a mask as bool (height, width)."""
    if not mask:
        return None
    cells = np.array([cell == "1" for cell in mask]).reshape(MASK_SIDE, MASK_SIDE)
    columns, rows = (np.arange(side) * MASK_SIDE // side for side in frame)
    return cells[rows][:, columns]
