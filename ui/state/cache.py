"""What a network makes: kept on a shelf, or made now with a bar that tells how far it is."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

import streamlit as st
from PIL import Image

from pretrained.pipelines.progress import layers
from ui.state.cancel import PATIENCE, cancellable, unless_cancelled
from ui.state.models import DEVICE, Model

Made = TypeVar("Made")


@st.cache_resource(max_entries=64, show_spinner=False)
def _shelf(key: tuple) -> dict[str, object]:
    """Where the result of `key` is put when it is made; a cached function could not show progress meanwhile."""
    return {}


@st.cache_resource(max_entries=32, show_spinner=False, scope="session")
def _own_shelf(key: tuple) -> dict[str, object]:
    """The same for what a visitor brought: nobody else's, and gone when they are."""
    return {}


def cached(model: Model, key: tuple, passes: int, words: str, make: Callable[[], Made], is_own: bool = False) -> Made:
    """What `make` gives, from the shelf or made now while nobody else uses the device.

    If it lasts, the page shows how far the network is, and a button that ends it.

    Args:
        key: what it depends on.
        passes: how often the network is run for it.
        words: on the bar.
        is_own: whether it is of this visit alone.
    """
    done = (_own_shelf if is_own else _shelf)(key)
    if "made" not in done:
        unless_cancelled(key)
        with ExitStack() as stack:
            move: Callable[..., None] | None = None

            def tell(share: float) -> None:
                nonlocal move
                if time.monotonic() >= first_look:
                    move = move or stack.enter_context(cancellable(key, words))[1]
                    move(share)

            with DEVICE, layers(model.pipeline.network, passes, tell):
                first_look = time.monotonic() + PATIENCE
                done["made"] = make()
    return done["made"]


def fingerprint(image: Image.Image) -> str:
    """What tells a picture from others, for a key."""
    return f"{image.mode} {image.size} {hashlib.sha256(image.tobytes()).hexdigest()}"
