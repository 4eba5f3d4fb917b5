"""Checkpoints as cards: what is at hand, and what somebody offers on the Hub."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from PIL import Image

import pretrained
from pretrained import checkpoint, hub
from pretrained.checkpoint import MODEL, SAMPLES, Config
from pretrained.media.images import encode_png, open_image
from pretrained.networks.sizes import is_size, sides
from pretrained.system import server
from pretrained.system.errors import InputError
from ui.state.download import HUB_PATIENCE
from ui.state.models import local_models

SIDE = 256  # px of a preview
CELLS = 4  # pictures along a side of it, about
MAX_PIXELS = 16_000_000
MOST = 24  # repositories at once: each is asked for its config and its picture
NOT_SAID = (None, "", "unknown")
HUB_NAME = re.compile(r"[\w.-]{1,96}")


@dataclass(frozen=True)
class Card:
    """A checkpoint as the gallery shows it; `samples` is a file, and `problem` says why there is no config."""

    id: str
    config: Config | None = None
    samples: Path | None = None
    problem: str = ""


def preview(card: Card) -> bytes | None:
    """The upper left corner of its samples.png, some pictures wide, as PNG; None where there is no such picture."""
    size = card.config.size if card.config else None
    if not card.samples or not card.samples.exists():
        return None
    side = min(sides(size)) if is_size(size) and size != 0 else SIDE // CELLS
    return _corner(str(card.samples), card.samples.stat().st_mtime_ns, side)


@st.cache_data(max_entries=256, show_spinner=False)
def _corner(path: str, modified: int, side: int) -> bytes | None:
    try:
        image = open_image(path, max_pixels=MAX_PIXELS)
    except InputError:
        return None
    edge = min(*image.size, CELLS * side)
    is_whole = SIDE % edge == 0
    resampling = Image.Resampling.NEAREST if is_whole else Image.Resampling.LANCZOS
    return encode_png(image.crop((0, 0, edge, edge)).resize((SIDE, SIDE), resampling))


def card_of(id: str) -> Card:
    """A bundled checkpoint, or one in the folder of a run."""
    if id in server.listed() and id not in pretrained.available():
        return peek(id)
    path, _ = pretrained.resolve(id)
    try:
        return Card(id, checkpoint.read_config(path), path.with_name(SAMPLES))
    except InputError as error:
        return Card(id, problem=error.named(str))


def at_hand() -> list[Card]:
    """What is bundled and what the runs made; what lies beside the checkpoint of a run belongs to that run."""
    return [card_of(id) for id in local_models() if not (Path(id).parent / MODEL).exists()]


def peek(id: str) -> Card:
    """A checkpoint on the Hub."""
    try:
        return Card(id, *hub.peek(id, as_guest=server.has_strangers() and id not in server.listed()))
    except InputError as error:
        return Card(id, problem=error.named(str))


@st.cache_data(ttl=HUB_PATIENCE, max_entries=64, show_spinner="Asking the Hub …")
def offered(name: str) -> list[Card]:
    """The newest checkpoints of the author `name`, else those with that tag.

    Raises:
        InputError: the Hub is out of reach, or has no such names.
    """
    if not HUB_NAME.fullmatch(name):
        raise InputError(f"{name[:100]!r} is neither a user nor a tag: those have letters, digits, '-', '.' and '_'")
    # What the host's own token could see beside is nobody's business.
    as_guest = server.has_strangers()
    models = hub.list_models(name, limit=MOST, as_guest=as_guest)
    models = models or hub.list_models(None, name, limit=MOST, as_guest=as_guest)
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(peek, [model.id for model in models if not model.private and server.allows(model.id)]))


def facts(config: Config) -> str:
    """One line: the kind of network, the size of the pictures, the data, the labels."""
    training = config.training
    return " · ".join(
        filter(
            None,
            (
                config.network["class"].partition(".")[0],
                f"{config.size} px" if config.size else "any size",
                str(training["data"])[:60] if training.get("data") else None,
                f"{len(config.classes)} labels" if config.classes else None,
            ),
        )
    )


def licence(config: Config) -> str:
    """What is said of the weights, else of the data."""
    said = {"Licence": config.training.get("licence"), "Licence of its data": config.training.get("data_licence")}
    named = (f"{name}: {str(text)[:120]}" for name, text in said.items() if text not in NOT_SAID)
    return next(named, "No licence is named")
