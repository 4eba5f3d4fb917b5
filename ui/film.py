"""Films: drawn once with a bar that shows how far they are, played, and offered in every format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import streamlit as st

from pretrained import images, video
from ui.cancel import cancellable
from ui.common import Model, alone, file_name, sentences

MAX_FRAMES = 600

Draw = Callable[[], Iterable[np.ndarray]]


@st.cache_resource(max_entries=32, show_spinner=False)
def _shelf(key: tuple) -> dict[str, bytes]:
    """Where the film of `key` is put when it is made; a cached function could not show progress meanwhile."""
    return {}


def _make(draw: Draw, num_frames: int, fps: int, suffix: str, on_frame: Callable[[float], object] = bool) -> bytes:
    """Draw and encode the film, telling `on_frame` the share that is done."""
    counted = ((on_frame(index / num_frames), frame)[1] for index, frame in enumerate(alone(draw()), 1))
    return video.encode(counted, suffix, fps)


def film(key: tuple, draw: Draw, num_frames: int, fps: int) -> bytes:
    """The film of these frames as .mp4, from the shelf or made now; the page ends here when that is cancelled.

    Args:
        key: what the film depends on, apart from its speed.
    """
    key = (*key, fps)
    done = _shelf(key)
    if ".mp4" not in done:
        with cancellable(key, "Drawing …", 400) as (_, bar), sentences():
            done[".mp4"] = _make(draw, num_frames, fps, ".mp4", bar.progress)
    return done[".mp4"]


def play(mp4: bytes) -> None:
    st.video(mp4, loop=True, autoplay=True, muted=True, width=384)


def film_downloads(model: Model, mp4: bytes, draw: Draw, num_frames: int, fps: int, what: str) -> None:
    """A button for each format; those other than .mp4 are made when they are asked for."""
    # They hold all frames in memory while they are made.
    is_short = num_frames * max(video.MIN_SIZE, model.size) ** 2 <= images.MAX_PIXELS
    with st.container(horizontal=True):
        for suffix, format in video.FORMATS.items():
            if suffix == ".mp4" or (is_short and fps <= format.max_fps):
                st.download_button(
                    suffix[1:].upper(),
                    mp4 if suffix == ".mp4" else partial(_make, draw, num_frames, fps, suffix),
                    file_name(model, what, suffix),
                    format.mime,
                    on_click="ignore",
                    icon=":material/download:",
                    help=f"Download the film as {suffix}",
                )
