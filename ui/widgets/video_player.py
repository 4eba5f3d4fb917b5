"""Videos: drawn once with a progress bar, played, and offered in every format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np
import streamlit as st

from pretrained.media import video
from pretrained.media.images import MAX_PIXELS
from ui.state.cancel import cancellable
from ui.state.models import Model, alone, as_input_error, file_name

Draw = Callable[[], Iterable[np.ndarray]]


@st.cache_resource(max_entries=32, show_spinner=False)
def _cache(key: tuple) -> dict[str, bytes]:
    """Where the video of `key` is kept once it is made; a cached function could not show progress meanwhile."""
    return {}


def render_video(key: tuple, draw: Draw, num_frames: int, fps: int, suffix: str = ".mp4") -> bytes:
    """The video of these frames, from the cache or made now; the page ends here when that is cancelled.

    Args:
        key: what the video depends on, apart from its speed.
    """
    key = (*key, fps)
    done = _cache(key)
    # What follows stays in its place, whether there is a bar or not.
    with st.container():
        if suffix not in done:
            with cancellable((*key, suffix), "Drawing …") as (_, move), as_input_error():
                counted = ((move(index / num_frames), frame)[1] for index, frame in enumerate(alone(draw()), 1))
                done[suffix] = video.encode(counted, suffix, fps)
    return done[suffix]


def play(mp4: bytes, width: int | Literal["stretch"] = 384) -> None:
    st.video(mp4, loop=True, autoplay=True, muted=True, width=width)


def video_downloads(model: Model, key: tuple, draw: Draw, num_frames: int, fps: int, what: str) -> None:
    """A button for each format; those other than .mp4 are made when they are asked for, and can be had from then on.

    Args:
        key: as for `render_video`.
    """
    # They hold all frames in memory while they are made.
    is_short = num_frames * max(video.MIN_SIZE, *model.frame) ** 2 <= MAX_PIXELS
    done, asked = _cache((*key, fps)), None
    with st.container(horizontal=True):
        places = {suffix: st.empty() for suffix in video.FORMATS}

    def offer(suffix: str) -> None:
        places[suffix].download_button(
            suffix[1:].upper(),
            done[suffix],
            file_name(model, what, suffix),
            video.FORMATS[suffix].mime,
            on_click="ignore",
            icon=":material/download:",
            help=f"Download the video as {suffix}",
        )

    for suffix, format in video.FORMATS.items():
        if suffix in done:
            offer(suffix)
        elif is_short and fps <= format.max_fps:
            begins = places[suffix].button(
                f"Make {suffix[1:].upper()}",
                on_click=st.session_state.pop,
                args=("cancelled", None),
                icon=":material/movie:",
                help=f"Make the video as {suffix}, which can then be downloaded",
            )
            asked = suffix if begins else asked
    if asked:
        render_video(key, draw, num_frames, fps, asked)
        offer(asked)
