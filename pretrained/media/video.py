"""Frames to a film: H.264 in .mp4, VP9 in .webm, or an animated .gif or .webp, chosen by the suffix of the file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pretrained.media import provenance
from pretrained.media.images import enlarge, to_pil
from pretrained.system.errors import InputError
from pretrained.system.files import write_atomic

Recipe = Mapping[str, Any] | None
MIN_SIZE = 256
MAX_HELD = 500_000_000  # pixels of a film that is held in memory as a whole


def _h264(frames: Iterator[np.ndarray], fps: int, recipe: Recipe) -> bytes:
    return provenance.mark(_film(frames, fps, recipe, "mp4", "libx264", {"crf": "16", "preset": "medium"}), recipe)


def _vp9(frames: Iterator[np.ndarray], fps: int, recipe: Recipe) -> bytes:
    return _film(frames, fps, recipe, "webm", "libvpx-vp9", {"crf": "18", "b": "0", "cpu-used": "4"})


def _film(
    frames: Iterator[np.ndarray], fps: int, recipe: Recipe, format: str, codec: str, options: dict[str, str]
) -> bytes:
    """One frame is held at a time; colours are BT.709, said in the file, since players guess otherwise."""
    import av
    from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

    first = next(frames)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=format) as container:
        container.metadata["comment"] = provenance.comment(recipe)
        stream = container.add_stream(codec, rate=fps, options=options)
        # H.264 with half-resolution colour wants even sizes.
        stream.height, stream.width = (size + size % 2 for size in first.shape[:2])
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        for index, image in enumerate(chain([first], frames)):
            height, width, channels = image.shape
            even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            frame = av.VideoFrame.from_ndarray(even.repeat(3, axis=-1) if channels == 1 else even, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def _animation(frames: Iterator[np.ndarray], fps: int, recipe: Recipe, format: str, tick: int, **options: Any) -> bytes:
    """Durations are whole multiples of `tick` milliseconds, rounded so that they do not drift."""
    images = []
    for frame in frames:
        images.append(to_pil(frame))
        if len(images) * frame.shape[0] * frame.shape[1] > MAX_HELD:
            raise InputError(f"a video of {len(images):,} frames is too long for {format}: make it an .mp4")
    first, *rest = images
    ends = np.round(np.arange(2 + len(rest)) * 1000 / fps / tick).astype(int) * tick
    buffer = io.BytesIO()
    first.save(buffer, format, save_all=True, append_images=rest, duration=np.diff(ends).tolist(), loop=0, **options)
    return provenance.mark(buffer.getvalue(), recipe)


def _gif(frames: Iterator[np.ndarray], fps: int, recipe: Recipe) -> bytes:
    return _animation(frames, fps, recipe, "GIF", tick=10)


def _webp(frames: Iterator[np.ndarray], fps: int, recipe: Recipe) -> bytes:
    return _animation(frames, fps, recipe, "WEBP", tick=1, lossless=True)


class Format(NamedTuple):
    """How a kind of film is written; browsers slow a GIF down that is faster than its `max_fps`."""

    encode: Callable[[Iterator[np.ndarray], int, Recipe], bytes]
    mime: str
    max_fps: int


FORMATS = {
    ".mp4": Format(_h264, "video/mp4", 120),
    ".webm": Format(_vp9, "video/webm", 120),
    ".gif": Format(_gif, "image/gif", 50),
    ".webp": Format(_webp, "image/webp", 120),
}


def check(suffix: str, fps: int) -> Format:
    """The format of `suffix`; InputError when there is none, or it cannot show that many frames per second."""
    if suffix not in FORMATS:
        raise InputError(f"a video cannot be {suffix or 'without a suffix'}: one of {', '.join(FORMATS)}")
    if not 1 <= fps <= FORMATS[suffix].max_fps:
        raise InputError(f"{fps} frames per second are out of range for {suffix}: 1 to {FORMATS[suffix].max_fps}")
    return FORMATS[suffix]


def encode(frames: Iterable[np.ndarray], suffix: str = ".mp4", fps: int = 30, recipe: Recipe = None) -> bytes:
    """A film of uint8 frames (H, W, 1 or 3), which loops where the format can say so.

    Small frames are enlarged by a whole factor to MIN_SIZE px at least, so that they stay crisp. An .mp4 holds one
    frame in memory, the others all of them. It says that it was generated, and from what recipe.

    Raises:
        InputError: an unknown suffix, a speed out of range, no frames, or too many to be held.
    """
    format = check(suffix, fps)
    frames = iter(frames)
    if (first := next(frames, None)) is None:
        raise InputError("a video needs one frame at least")
    scale = max(1, -(-MIN_SIZE // min(first.shape[:2])))
    return format.encode((enlarge(frame, scale) for frame in chain([first], frames)), fps, recipe)


def write(frames: Iterable[np.ndarray], path: Path, fps: int = 30, recipe: Recipe = None) -> None:
    """`encode` into a file, atomically."""
    write_atomic(path, encode(frames, path.suffix.lower(), fps, recipe))
