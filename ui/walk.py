"""Walk: a film that wanders from seed to seed."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from pretrained import images, video
from pretrained.errors import InputError
from pretrained.seeds import parse_seeds
from ui.common import alone, chosen_model, file_name, plain, sentences, shell
from ui.gallery import gallery
from ui.knobs import label_picker, truncation_slider

MAX_SEEDS, MAX_FRAMES, MAX_FPS = 32, 600, 60


@st.cache_resource(max_entries=32, show_spinner=False)
def shelf(key: tuple) -> dict[str, bytes]:
    """Where the film of `key` is put when it is made; a cached function could not show progress meanwhile."""
    return {}


def make(suffix: str, on_frame: Callable[[float], object] = bool) -> bytes:
    """Draw and encode the walk, telling `on_frame` the share that is done."""
    frames = alone(model.pipeline.walk(seeds, num_frames, label, truncation, loop))
    counted = ((on_frame(index / num_frames), frame)[1] for index, frame in enumerate(frames, 1))
    return video.encode(counted, suffix, fps)


st.title("Walk")
model = chosen_model()
st.caption(f"{plain(model.pipeline.config.name)} · A film that wanders from seed to seed.")
with st.container(horizontal=True, vertical_alignment="bottom"):
    text = st.text_input(
        "Seeds", "0-3", max_chars=400, key="seeds", bind="query-params", width=180, help="0-3, or 1,2,5-9"
    )
    num_frames = st.number_input("Frames", 2, MAX_FRAMES, 120, 10, key="frames", bind="query-params", width=130)
    fps = st.number_input("Frames per second", 1, MAX_FPS, 30, key="fps", bind="query-params", width=150)
    label = label_picker(model)
    truncation = truncation_slider()
    loop = st.toggle("Loop", True, key="loop", bind="query-params")
with sentences():
    seeds = parse_seeds(text or "")
    if len(seeds) > MAX_SEEDS:
        raise InputError(f"a walk through {len(seeds):,} seeds is too long for this page: at most {MAX_SEEDS}")

key = (*model.key, *seeds, num_frames, fps, label, truncation, loop)
done = shelf(key)
if ".mp4" not in done:
    if st.session_state.get("cancelled") == key:
        st.info("Cancelled. Change something, or start again.")
        st.button("Start again", on_click=st.session_state.pop, args=("cancelled",), type="primary")
        st.stop()
    waiting = st.empty()
    with waiting.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(0.0, "Drawing …", width=400)
        st.button("Cancel", on_click=st.session_state.update, kwargs={"cancelled": key})
    done[".mp4"] = make(".mp4", bar.progress)
    waiting.empty()

player, beside = st.columns(2, gap="medium")
with player:
    st.video(done[".mp4"], loop=True, autoplay=True, muted=True, width=384)
with beside:
    st.markdown(f"**{num_frames / fps:.1f} seconds**, by way of")
    # A walk keeps the label of its first seed.
    labels = len(model.pipeline.config.classes)
    gallery(model, seeds, seeds[0] % labels if labels and label is None else label, truncation, min(5, len(seeds)))
    # The other two formats hold all frames in memory while they are made.
    is_short = num_frames * max(video.MIN_SIZE, model.size) ** 2 <= images.MAX_PIXELS
    with st.container(horizontal=True):
        for suffix, format in video.FORMATS.items():
            if suffix == ".mp4" or (is_short and fps <= format.max_fps):
                st.download_button(
                    suffix[1:].upper(),
                    done.get(suffix, partial(make, suffix)),
                    file_name(model, f"walk-{text}", suffix),
                    format.mime,
                    on_click="ignore",
                    icon=":material/download:",
                    help=f"Download the walk as {suffix}",
                )
shell(
    "walk",
    model,
    "walk.mp4",
    seeds=text,
    frames=num_frames,
    fps=fps,
    label=label,
    truncation=truncation,
    open=not loop,
)
