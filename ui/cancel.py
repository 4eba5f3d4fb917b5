"""Work that a visitor may wait for, or cancel."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

from pretrained.errors import InputError
from pretrained.progress import layers
from ui.common import DEVICE, Model

PATIENCE = 0.5  # seconds of work until a bar is shown
EVERY = 0.1  # seconds from then on, until the bar moves
WIDTH = 300  # px of it

Made = TypeVar("Made")


def unless_cancelled(key: tuple) -> None:
    """End the page here if the work of this key was cancelled; a button begins it again."""
    if st.session_state.get("cancelled") == key:
        st.info("Cancelled. Change something, or start again.")
        st.button("Start again", on_click=st.session_state.pop, args=("cancelled",), type="primary")
        st.stop()


@contextmanager
def cancellable(key: tuple, words: str, width: int) -> Iterator[tuple[DeltaGenerator, DeltaGenerator]]:
    """While it lasts the page shows a place for a preview, a bar of `width` px and a button; it ends here if pressed.

    Args:
        key: what the work depends on: what was cancelled is not begun again until something changes.
        words: on the bar, at first.
    """
    unless_cancelled(key)
    waiting = st.empty()
    with waiting.container(horizontal=True, vertical_alignment="center"):
        preview, bar = st.empty(), st.progress(0.0, words, width=width)
        # What is pressed in a fragment waits until that has run; what belongs to the whole page ends the run.
        with ThreadState.scoped(fragment_id=None):
            st.button("Cancel", f"cancel {hash(key)}", on_click=st.session_state.update, kwargs={"cancelled": key})
    try:
        yield preview, bar
    except InputError:
        waiting.empty()
        raise
    waiting.empty()


@st.cache_resource(max_entries=64, show_spinner=False)
def _shelf(key: tuple) -> dict[str, object]:
    """Where the result of `key` is put when it is made; a cached function could not show progress meanwhile."""
    return {}


@st.cache_resource(max_entries=32, show_spinner=False, scope="session")
def _own_shelf(key: tuple) -> dict[str, object]:
    """The same for what a visitor brought: nobody else's, and gone when they are."""
    return {}


def made(model: Model, key: tuple, passes: int, words: str, make: Callable[[], Made], is_own: bool = False) -> Made:
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
            bar: DeltaGenerator | None = None

            def tell(share: float) -> None:
                nonlocal bar, next_look
                if time.monotonic() < next_look:
                    return
                bar = bar or stack.enter_context(cancellable(key, words, WIDTH))[1]
                bar.progress(share, f"{words} {share:.0%}")  # a press of the button ends the script here
                next_look = time.monotonic() + EVERY

            with DEVICE, layers(model.pipeline.network, passes, tell):
                next_look = time.monotonic() + PATIENCE
                done["made"] = make()
    return done["made"]


def fingerprint(picture: Image.Image) -> str:
    """What tells a picture from others, for a key."""
    return f"{picture.mode} {picture.size} {hashlib.sha256(picture.tobytes()).hexdigest()}"
