"""Watch it learn: the losses, the scores and the pictures of a run, while it trains or later."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image

from pretrained.checkpoint import SAMPLES
from pretrained.hub import model_card
from pretrained.media.images import encode_png, open_image
from pretrained.system import server
from pretrained.system.errors import InputError
from pretrained.system.symlinks import reject_escaping_symlink
from ui.state import runs
from ui.state.models import RUNS, as_input_error, escape_markdown
from ui.widgets.controls import spelt

EVERY = 3.0  # seconds from one look at a run that is training to the next
SHEET = 512  # px of a sheet on the page, about
MAX_PIXELS = 16_000_000
MAX_TIMELAPSE = 64 * 2**20  # bytes
NEWEST = "newest"
RECORDED = {"recorded: letters": Path(__file__).parents[1] / "recorded" / "letters"}  # made by docs/recording.py
COLOURS = ["#d9603f", "#3f86c6", "#4a9d63", "#a06cc0", "#c9962a", "#38a3a5", "#c65b8f", "#8c8c8c"]  # on light and dark


@st.cache_data(max_entries=128, show_spinner=False)
def read_sheet(path: str, modified: int) -> tuple[bytes, tuple[int, int], list[str]]:
    """A sheet as PNG, its size, and what its columns show where it says so."""
    image = open_image(path, max_pixels=MAX_PIXELS)
    with Image.open(path) as file:
        said = file.info.get("ganvas")
    try:
        columns = json.loads(said)["columns"]
    except (TypeError, ValueError, KeyError):
        columns = []
    return (
        encode_png(image),
        image.size,
        [str(name)[:40] for name in columns] if isinstance(columns, list) else [],
    )


def duration(seconds: float) -> str:
    """About how long: 45 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def curves(
    title: str,
    lines: list[runs.Line],
    names: list[str],
    all_names: list[str],
    is_log: bool = False,
    points: bool = False,
) -> None:
    """A chart of the terms `names` over kimg; each of `all_names` keeps its colour."""
    rows = [(line["kimg"], name, line[name]) for line in lines for name in names if name in line]
    if is_log and (left_out := sorted({name for _, name, value in rows if value <= 0})):
        st.caption(f"A log scale has no place for {escape_markdown(', '.join(left_out))} where it is 0 or below.")
        rows = [row for row in rows if row[2] > 0]
    data = {name: [row[place] for row in rows] for place, name in enumerate(("kimg", "term", "value"))}
    encoding: dict[str, Any] = {
        "x": {"field": "kimg", "type": "quantitative", "title": "thousands of pictures seen", "scale": {"nice": False}},
        "y": {
            "field": "value",
            "type": "quantitative",
            "title": None,
            "scale": {"type": "log" if is_log else "linear", "zero": False},
        },
        "color": {
            "field": "term",
            "type": "nominal",
            "title": None,
            "scale": {"domain": all_names, "range": COLOURS},
            "legend": {"orient": "top", "values": names},
        },
        "tooltip": [{"field": field, "format": ".4~g"} for field in ("kimg", "value")] + [{"field": "term"}],
    }
    spec = {
        "mark": {"type": "line", "point": points, "strokeWidth": 1.5},
        "encoding": encoding,
    }
    alt = f"{title}: {', '.join(names)} over thousands of pictures seen"
    st.vega_lite_chart(data, spec, width="stretch", height=300, key=title, alt=alt)


def show_progress(progress: runs.Progress) -> None:
    """How far the run is, in figures and as a bar."""
    state = "Training" if progress.is_live else "Finished" if progress.is_finished else "Stopped"
    share = progress.kimg / progress.total if progress.total else None
    left = duration(progress.seconds_left) if progress.seconds_left is not None else None
    figures = {
        "State": state,
        "Seen": f"{progress.kimg:,.4g}" + (f" of {progress.total:,.4g}" if progress.total else "") + " kimg",
        "Speed": f"{progress.speed:,.3g} pictures/s" if progress.speed else None,
        "Time left, about": left,
    }
    with st.container(horizontal=True, gap="medium", key="figures"):
        for name, value in figures.items():
            if value:
                st.metric(name, value, width="content")
    if progress.is_live and share is not None:
        st.progress(min(share, 1.0), f"{share:.0%}")


def show_losses(log: runs.Log) -> None:
    """The terms that are chosen, as curves."""
    if not log.terms:
        st.info("No line in its log yet: one comes every 50 steps.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = st.pills(
            "Curves",
            log.names,
            selection_mode="multi",
            default=log.names,
            format_func=spelt,
            key="curves",
            bind="query-params",
            help="Which terms of its losses to show. Press one to show or hide it.",
        )
        is_log = st.toggle(
            "Log scale", key="log", bind="query-params", help="Equal steps upwards are equal factors: for wide ranges."
        )
    if names:
        curves("Losses", log.terms, [name for name in log.names if name in names], log.names, is_log)
    if log.every > 1:
        st.caption(f"One line of its log in {log.every} is shown.")


def show_scores(log: runs.Log, rows: list[Any]) -> None:
    """What was measured while it trained, and afterwards."""
    names = list(dict.fromkeys(name for line in log.scores for name in line if name not in runs.COUNTERS))
    if not names and not rows:
        return
    st.subheader("Scores")
    if names:
        curves("Scores", log.scores, names, names, points=True)
    if rows:
        st.caption(
            "  \n".join(
                escape_markdown(f"{row['name']} {row['value']:.4g}, {row.get('data', 'data unknown')}") for row in rows
            )
        )


def show_images(folder: Path) -> None:
    """The fixed pictures at one moment, with a slider through all of them."""
    taken = runs.moments(folder)
    paths = {f"{moment / 1000:g} kimg": runs.snapshot(folder, moment) for moment in taken[:-1]}
    paths[NEWEST] = folder / SAMPLES
    if not paths[NEWEST].exists():
        st.info("No picture yet: the first comes as soon as training begins.")
        return
    chosen = NEWEST
    if len(paths) > 1:
        chosen = st.select_slider(
            "Moment",
            list(paths),
            value=NEWEST,
            key="moment",
            bind="query-params",
            help="Drag, or use the arrow keys, to see the same pictures earlier in training. "
            "At its right end it follows the newest.",
        )
    path = paths[chosen]
    try:
        sheet, (width, _), columns = read_sheet(str(path), path.stat().st_mtime_ns)
    except InputError as error:
        st.error(escape_markdown(f"{path}: {error}"), icon=":material/error:")
        return
    when = f"after {taken[-1] / 1000:g} kimg, the newest" if chosen == NEWEST and taken else f"after {chosen}"
    caption = f"The same pictures, {when}" + (f": {', '.join(columns)}" if columns else "")
    st.image(sheet, escape_markdown(caption), width=width * max(1, SHEET // width), output_format="PNG", alt=caption)


def offer_timelapse(folder: Path) -> None:
    """All moments as one animation, once training has ended."""
    with as_input_error():
        path = reject_escaping_symlink(folder / runs.TIMELAPSE)
    if path.exists() and path.stat().st_size <= MAX_TIMELAPSE:
        st.download_button(
            "Timelapse",
            path.read_bytes,
            f"{folder.name}-timelapse.gif",
            "image/gif",
            on_click="ignore",
            icon=":material/download:",
            help="All moments as one animation, .gif",
        )


def show(folder: Path, was_live: bool) -> None:
    """All that changes while the run goes on."""
    if not (folder / runs.LOG).exists():
        st.rerun()  # somebody has taken the run away
    log, config = runs.log_of(folder), runs.config(folder)
    progress = runs.progress(folder, config, log)
    if was_live and not progress.is_live:
        st.rerun()  # the whole page, which then no longer looks every few seconds
    show_progress(progress)
    losses, images = st.columns(2, gap="large")
    with losses:
        st.subheader("Losses")
        show_losses(log)
        show_scores(log, model_card.metrics(config.training) if config else [])
    with images:
        st.subheader("Pictures")
        show_images(folder)
        offer_timelapse(folder)
    if progress.is_live:
        st.caption(f"Looked at {time.strftime('%H:%M:%S')}, and again every {EVERY:g} seconds.")


st.title("Watch it learn")
found = runs.folders(RUNS) if server.allows_folder(str(RUNS)) else []
own = {name: Path(name) for name in found}
st.caption("Losses, scores and the same pictures over and over, while a run trains or afterwards.")
if not own:
    st.info(
        "No run in runs/ yet, so that one is shown which was recorded. `python -m trainer` starts one of yours, "
        "and it can be watched here from its first minute."
    )
offered = own | RECORDED
name = st.selectbox(
    "Run",
    list(offered),
    key="run",
    bind="query-params",
    width=420,
    help="The folders in runs/, the newest first; and one that was recorded.",
)
if name in offered:
    folder = offered[name]
    is_live = runs.progress(folder, runs.config(folder), runs.log_of(folder)).is_live
    st.fragment(show, run_every=EVERY if is_live else None)(folder, is_live)
