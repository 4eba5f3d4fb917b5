"""Films: what was put in comes out, at the right speed, size and colour, in each format."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from pretrained.media import video
from pretrained.system.errors import InputError

NUM_FRAMES = 12


def frames(channels: int, size: tuple[int, int] = (32, 32), count: int = NUM_FRAMES) -> list[np.ndarray]:
    """Flat pictures, each of another colour."""
    random = np.random.RandomState(0)
    return [np.full((*size, channels), random.randint(0, 256, channels), np.uint8) for _ in range(count)]


def decode(data: bytes, suffix: str) -> list[np.ndarray]:
    if suffix in (".mp4", ".webm"):
        with av.open(io.BytesIO(data)) as container:
            return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with Image.open(io.BytesIO(data)) as image:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("suffix", "tolerance"), [(".mp4", 4), (".webm", 4), (".gif", 1), (".webp", 0)])
def test_what_goes_in_comes_out(suffix, tolerance, channels):
    given = frames(channels)
    shown = decode(video.encode(iter(given), suffix), suffix)
    assert len(shown) == NUM_FRAMES
    for before, after in zip(given, shown):
        assert after.shape == (256, 256, 3)
        assert np.abs(after.astype(int) - before[0, 0]).max() <= tolerance


@pytest.mark.parametrize("suffix", video.FORMATS)
@pytest.mark.parametrize("fps", [7, 30, 50])
def test_speed(suffix, fps):
    data = video.encode(frames(3), suffix, fps)
    if suffix in (".mp4", ".webm"):
        with av.open(io.BytesIO(data)) as container:
            stream = container.streams.video[0]
            codec = {".mp4": "h264", ".webm": "vp9"}[suffix]
            assert (round(stream.average_rate), stream.codec_context.name, stream.pix_fmt) == (fps, codec, "yuv420p")
            seconds = container.duration / av.time_base
    else:
        with Image.open(io.BytesIO(data)) as image:
            assert image.info["loop"] == 0
            seconds = 0
            for frame in ImageSequence.Iterator(image):
                frame.load()
                seconds += frame.info["duration"] / 1000
    assert seconds == pytest.approx(NUM_FRAMES / fps, abs=0.006)


@pytest.mark.parametrize(
    ("size", "shown"),
    [((32, 32), (256, 256)), ((100, 300), (300, 900)), ((257, 259), (258, 260)), ((64, 96), (256, 384))],
)
def test_small_images_are_enlarged_by_a_whole_factor_and_odd_ones_made_even(size, shown):
    assert decode(video.encode(frames(3, size, 2)), ".mp4")[0].shape == (*shown, 3)


def test_enlarged_pixels_stay_crisp():
    checker = np.indices((32, 32)).sum(0)[..., None].astype(np.uint8) % 2 * 255
    (shown,) = decode(video.encode([checker]), ".mp4")
    assert np.abs(shown.astype(int) - checker.repeat(8, 0).repeat(8, 1)).max() < 30


def test_a_film_of_one_frame():
    for suffix in video.FORMATS:
        assert len(decode(video.encode(frames(3, count=1), suffix), suffix)) == 1


def test_an_mp4_holds_one_frame_at_a_time():
    alive = most = 0

    class Counted(np.ndarray):
        def __del__(self):
            nonlocal alive
            alive -= self.base is None

    def count():
        nonlocal alive, most
        for index in range(60):
            frame = Counted((256, 256, 3), np.uint8)
            frame[:] = index
            alive += 1
            most = max(most, alive)
            yield frame

    video.encode(count())
    assert most <= 3


@pytest.mark.parametrize(
    ("suffix", "fps", "words"),
    [
        (".avi", 30, r"\.avi: one of \.mp4"),
        ("", 30, "without a suffix"),
        (".gif", 60, "1 to 50"),
        (".mp4", 0, "1 to 120"),
    ],
)
def test_what_cannot_be_made_is_refused(suffix, fps, words):
    with pytest.raises(InputError, match=words):
        video.encode(frames(3), suffix, fps)


def test_no_frames_are_refused():
    with pytest.raises(InputError, match="one frame"):
        video.encode([])


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_film_that_memory_has_no_room_for_is_refused_while_it_is_made(suffix, monkeypatch):
    monkeypatch.setattr(video, "MAX_HELD", 10 * 256 * 256)
    drawn = []
    frames = (drawn.append(0) or np.zeros((256, 256, 1), np.uint8) for _ in range(1000))
    with pytest.raises(InputError, match="a video of 11 frames is too long for .*: make it an .mp4"):
        video.encode(frames, suffix)
    assert len(drawn) == 11


def test_write_goes_by_the_suffix(tmp_path):
    video.write(frames(1), tmp_path / "walk.GIF")
    assert (tmp_path / "walk.GIF").read_bytes()[:4] == b"GIF8"
    assert [file.name for file in tmp_path.iterdir()] == ["walk.GIF"]
