"""Work that a visitor may wait for, or cancel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pretrained.system.errors import InputError

PATIENCE = 0.5  # seconds of work until a bar is shown
EVERY = 0.1  # seconds from one move of the bar to the next, at least
WIDTH = 300  # px of it


def unless_cancelled(key: tuple) -> None:
    """End the page here if the work of this key was cancelled; a button begins it again."""
    if st.session_state.get("cancelled") == key:
        st.info("Cancelled. Change something, or start again.")
        st.button("Start again", on_click=st.session_state.pop, args=("cancelled",), type="primary")
        st.stop()


def _of_the_whole_page() -> AbstractContextManager[object]:
    """What is made in it belongs to no fragment.

    What is pressed in a fragment waits until that has run; what belongs to the whole page ends the run. Streamlit has
    no public name for it: where this one is gone, a press in a fragment comes late.
    """
    try:
        from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

        return ThreadState.scoped(fragment_id=None)
    except (ImportError, AttributeError, TypeError):
        return nullcontext()


@contextmanager
def cancellable(key: tuple, words: str) -> Iterator[tuple[DeltaGenerator, Callable[..., None]]]:
    """While it lasts the page shows a place for a preview, a bar and a button; it ends here if that is pressed.

    Args:
        key: what the work depends on: what was cancelled is not begun again until something changes.
        words: on the bar.

    Yields:
        The place, and what moves the bar to a share of 0 to 1, with other words if they are given. It is there that a
        press of the button ends the page, so that it is to be called often.
    """
    unless_cancelled(key)
    waiting = st.empty()
    with waiting.container(horizontal=True, vertical_alignment="center"):
        preview, bar = st.empty(), st.progress(0.0, words, width=WIDTH)
        with _of_the_whole_page():
            st.button("Cancel", f"cancel {hash(key)}", on_click=st.session_state.update, kwargs={"cancelled": key})
    next_move = 0.0

    def move(share: float, said: str | None = None) -> None:
        nonlocal next_move
        # A browser that is told of each layer or frame is too busy to take the press of the button.
        if time.monotonic() >= next_move:
            bar.progress(share, said or f"{words} {share:.0%}", width=WIDTH)
            next_move = time.monotonic() + EVERY

    try:
        yield preview, move
    except InputError:
        waiting.empty()
        raise
    waiting.empty()
