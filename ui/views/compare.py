"""Compare: two to four checkpoints side by side, on the same seeds or on the same picture."""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image

from pretrained import checkpoint
from pretrained.checkpoint import Config
from pretrained.hub import model_card
from pretrained.inputs.seeds import few_seeds
from pretrained.media.images import encode_png, open_image
from pretrained.pipelines.degradations import DEGRADATIONS
from pretrained.system import server
from pretrained.system.errors import InputError
from pretrained.verbs.drawing import Sample, Translate
from pretrained.verbs.shared import MAX_PIXELS, takes
from ui.state import comparisons
from ui.state.comparisons import MOST
from ui.state.models import RUNS, as_input_error, error_text, escape_markdown, load, local_models, locate
from ui.state.translation import examples, translate
from ui.widgets.controls import control, copy_link, random_seeds, surprise
from ui.widgets.image_grid import render
from ui.widgets.model_cards import card_of, facts
from ui.widgets.upload import MAX_MEGABYTES, read

MAX_SEEDS, MAX_SURPRISE = 64, 16


@dataclass(frozen=True)
class Chosen:
    """A checkpoint that is compared: its file, and what that says of it."""

    id: str
    path: Path
    revision: str
    config: Config


@st.cache_data(max_entries=32, show_spinner=False)
def read_sheet(path: str, modified: int) -> bytes:
    return encode_png(open_image(path, max_pixels=MAX_PIXELS))


def first_choice(ready: dict[str, list[str]]) -> list[str]:
    """What is compared before anything is chosen: a set that is ready, else the sidebar's model and one like it.

    Like it is one that learnt the same data by another network, else the same data, else what does the same.
    """
    if ready:
        return next(iter(ready.values()))
    configs = {id: config for id in local_models() if (config := card_of(id).config)}
    id = st.session_state.get("model")
    firsts = [id] if id in configs else [id for id, config in configs.items() if config.pipeline == "generate"]

    def unlike(pair: list[str]) -> tuple[bool, bool]:
        one, other = (configs[id] for id in pair)
        return (
            one.training.get("data") != other.training.get("data"),
            one.network["class"] == other.network["class"],
        )

    pairs = [[id, other] for id in firsts for other in configs if other != id]
    alike = [pair for pair in pairs if len({configs[id].pipeline for id in pair}) == 1]
    return min(alike, key=unlike, default=firsts[:1])


def choose() -> list[Chosen]:
    """The checkpoints to compare; the page ends in a sentence where there are too few, or one is refused."""
    ready = comparisons.sets(RUNS) if server.allows_folder(str(RUNS)) else {}
    if "checkpoints" not in st.session_state and not st.query_params.get_all("checkpoints"):
        st.session_state["checkpoints"] = first_choice(ready)
    if ready:

        def take() -> None:
            st.session_state["checkpoints"] = ready.get(st.session_state["ready"], [])

        st.selectbox(
            "Ready to compare",
            list(ready),
            index=None,
            key="ready",
            on_change=take,
            placeholder="losses, raw weights, snapshots",
            help="The runs of `python -m trainer compare`; averaged against raw weights; the best against the last.",
        )
    offered = list(dict.fromkeys([*local_models(), *st.session_state.get("checkpoints", [])]))
    ids = st.multiselect(
        "Checkpoints",
        offered,
        key="checkpoints",
        bind="query-params",
        max_selections=MOST,
        accept_new_options=True,
        placeholder="two to four",
        help="Choose two to four, or type a Hugging Face Hub repository, user/name or user/name@revision. "
        "A run whose weights are averaged keeps those before averaging in its folder raw.",
    )
    ids = list(dict.fromkeys(id.strip() for id in ids))[:MOST]
    if len(ids) < 2:
        st.info("Choose two checkpoints at least.")
        st.stop()
    with as_input_error():
        found = [(id, *locate(id)) for id in ids]
        chosen = [Chosen(id, path, revision, checkpoint.read_config(path)) for id, path, revision in found]
        if len({one.config.pipeline for one in chosen}) > 1:
            named = ", ".join(f"{one.id} {VERBS.get(one.config.pipeline, '')}" for one in chosen)
            raise InputError(f"these cannot be compared: {named}")
    return chosen


VERBS = {"generate": "draws from seeds", "translate": "translates pictures"}


def describe(one: Chosen) -> None:
    """Below its pictures: what it is, and how it was made."""
    training = one.config.training
    options = training.get("options") if isinstance(training.get("options"), dict) else {}
    condition = [
        str(options["loss"]) if options.get("loss") else None,
        f"{training['kimg']:,.4g} kimg" if isinstance(training.get("kimg"), (int, float)) else None,
        *(f"{row['name']} {row['value']:.4g}" for row in model_card.metrics(training)[:2]),
    ]
    st.caption(
        "  \n".join(escape_markdown(line) for line in (facts(one.config), " · ".join(filter(None, condition))) if line)
    )


def beside(chosen: list[Chosen], show: Callable[[Chosen], None]) -> None:
    """A column for each; one that cannot show says why, and the others still do."""
    with st.container(key="beside"):
        for column, one in zip(st.columns(len(chosen), gap="small"), chosen):
            with column:
                try:
                    show(one)
                except InputError as error:
                    st.error(f"{escape_markdown(one.id)}: {error_text(error)}", icon=":material/error:")
                describe(one)


@st.fragment
def compare_seeds(chosen: list[Chosen]) -> None:
    """The same seeds, drawn by each."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        typed = control(Sample, "seeds", value="0-15")
        columns = control(Sample, "columns", most=16, value=4)
        classes = chosen[0].config.classes
        same = all(one.config.classes == classes for one in chosen)
        how = {"label": control(Sample, "label", chosen[0].config)} if same and classes else {}
        how["truncation"] = control(Sample, "truncation")
        surprise(lambda: {"seeds": random_seeds(MAX_SURPRISE)}, "Other seeds, at random")
    with as_input_error():
        seeds = few_seeds(typed, MAX_SEEDS)

    def show(one: Chosen) -> None:
        shown = render(load(one.id, one.path, one.revision), seeds, columns, 1, how)
        alt = f"Seeds {typed} of {one.id}"
        st.image(shown, f"**{escape_markdown(one.id)}**", width="stretch", output_format="PNG", alt=alt)

    beside(chosen, show)
    copy_link()
    flags = [f"--{name} {value}" for name, value in how.items() if value is not None]
    lines = [
        " ".join([*("python -m pretrained sample", shlex.quote(one.id), "--seeds", shlex.quote(typed)), *flags])
        + f" --columns {columns} --out {place}.png"
        for place, one in enumerate(chosen, 1)
    ]
    with st.expander("The same from a shell", icon=":material/terminal:"):
        st.code("\n".join(lines), "bash", wrap_lines=True)


def a_image(chosen: list[Chosen]) -> tuple[Image.Image, dict[str, Any], bool]:
    """What all translate: a picture, what goes with it, and whether it was uploaded."""
    first = load(chosen[0].id, chosen[0].path, chosen[0].revision)
    found = examples(first)
    offered = ["Upload", *(["Examples"] if found else [])]
    help = "A picture of yours, or one of those that the first checkpoint shows in its samples.png."
    way = st.segmented_control(
        "A picture", offered, default=offered[-1], key="way", bind="query-params", required=True, help=help
    )
    if way == "Examples":
        places = range(1, len(found) + 1)
        place = st.segmented_control(
            "Example", places, default=1, key="example", bind="query-params", required=True, help="Which one"
        )
        if len(places) > 1:
            surprise(lambda: {"example": random.choice(places)}, "Another example, at random")
        return *found[place - 1], False
    file = st.file_uploader(
        "Picture", max_upload_size=MAX_MEGABYTES, help="It is looked at in memory, and kept nowhere."
    )
    if file is None:
        st.stop()
    return read(file), {}, True


@st.fragment
def compare_image(chosen: list[Chosen]) -> None:
    """The same picture, translated by each."""
    with as_input_error():
        image, extras, is_mine = a_image(chosen)
    kinds = [one.config.input["source"]["kind"] for one in chosen]
    how: dict[str, Any] = dict(extras)
    degrades = is_mine and any(kind in DEGRADATIONS for kind in kinds)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if degrades:
            help = (
                "First make of it what each of them reads: a sketch, a smaller picture, a noisy one, one with a hole."
            )
            degrades = control(Translate, "degrade", label="Prepare it", help=help)
            how["seed"] = control(Translate, "seed")
        if all(takes(one.config, "strength") for one in chosen):
            how["strength"] = control(Translate, "strength")

    def show(one: Chosen) -> None:
        given = one.config.input
        condition = {**how, "degrade": degrades and given["source"]["kind"] in DEGRADATIONS}
        for name in ("mask", "second"):
            if not given.get(name):
                condition.pop(name, None)
            elif name not in condition and not (name == "mask" and condition["degrade"]):
                raise InputError(f"it also needs a {name}: open it on its own page, Translate")
        done = translate(load(one.id, one.path, one.revision), image, condition)
        for what, shown in (("What {} reads", done.source), ("What {} makes", done.shown)):
            caption = what.format(f"**{escape_markdown(one.id)}**")
            st.image(shown, caption, width="stretch", output_format="PNG", alt=what.format(one.id))

    beside(chosen, show)
    if not is_mine:  # of an upload no link can tell
        copy_link()


def memorised(chosen: list[Chosen]) -> None:
    """What is known of each: the training pictures nearest to its samples, or how to find them."""
    st.subheader("Memorised training pictures")
    st.caption(
        "The training pictures nearest to samples. A network that has memorised pictures comes nearer to them "
        "than real pictures do that it has not seen."
    )
    local = local_models()
    places = [one.id for one in chosen if one.id in local and not server.has_strangers()]
    for id in places:
        found = comparisons.nearest(Path(id))
        if found:
            with st.expander(f"{escape_markdown(id)}: nearest training pictures", expanded=True):
                st.write(escape_markdown(found.sentence()))
                try:
                    shown = read_sheet(str(found.sheet), found.sheet.stat().st_mtime_ns)
                except InputError as error:
                    st.error(error_text(error), icon=":material/error:")
                    continue
                caption = "Each row: a sample, and the five training pictures nearest to it, with their distances"
                st.image(shown, caption, width="content", output_format="PNG", alt=caption)
    missing = [one for one in chosen if one.id in places and not comparisons.nearest(Path(one.id))]
    if missing:
        st.markdown("This looks for them, on the machine that has the training pictures:")
        lines = [
            f"python -m trainer nearest {shlex.quote(one.id)} --data "
            + shlex.quote(str(one.config.training.get("data", "DATA")))
            for one in missing
        ]
        st.code("\n".join(lines), "bash", wrap_lines=True)


KINDS = {"generate": (compare_seeds, memorised), "translate": (compare_image,)}

st.title("Compare")
st.caption("Two to four checkpoints side by side: the same seeds, or the same picture.")
chosen = choose()
for part in KINDS[chosen[0].config.pipeline]:
    part(chosen)
