"""Work that a visitor may wait for, or cancel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


@contextmanager
def cancellable(key: tuple, words: str, width: int) -> Iterator[tuple[DeltaGenerator, DeltaGenerator]]:
    """While it lasts the page shows a place for a preview, a bar of `width` px and a button; it ends here if pressed.

    Args:
        key: what the work depends on: what was cancelled is not begun again until something changes.
        words: on the bar, at first.
    """
    if st.session_state.get("cancelled") == key:
        st.info("Cancelled. Change something, or start again.")
        st.button("Start again", on_click=st.session_state.pop, args=("cancelled",), type="primary")
        st.stop()
    waiting = st.empty()
    with waiting.container(horizontal=True, vertical_alignment="center"):
        preview, bar = st.empty(), st.progress(0.0, words, width=width)
        st.button("Cancel", on_click=st.session_state.update, kwargs={"cancelled": key})
    yield preview, bar
    waiting.empty()
