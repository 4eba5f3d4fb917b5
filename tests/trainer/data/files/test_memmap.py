"""Files of pictures that grow, and are mapped: whole after an interruption, and never resident as a whole."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainer import data
from trainer.data.files import decoding, memmap

ROOT = Path(__file__).parents[4]


def image(number: int, size: int = 4) -> np.ndarray:
    return np.full((3, size, size), number, np.uint8)


def write(path: Path, count: int, size: int) -> None:
    images = memmap.Images(path, (3, size, size))
    for number in range(count):
        images.append(image(number % 256, size))
    images.flush()
    images.close()


def test_a_file_goes_on_where_it_was_whole(tmp_path):
    path = tmp_path / "a.npy"
    images = memmap.Images(path, (3, 4, 4))
    for number in range(3):
        images.append(image(number))
    images.flush()
    images.append(image(99))  # what an interruption leaves behind
    images.close()
    images = memmap.Images(path, (3, 4, 4), images.pieces)
    for number in range(3, 12):
        images.append(image(number))
    images.flush()
    images.close()
    np.testing.assert_array_equal(np.load(path), np.stack([image(number) for number in range(12)]))
    assert [count for count, _ in images.pieces] == [3, 9]
    data = path.read_bytes()
    for spoilt in (data[:-1], data[:-200] + bytes([data[-200] ^ 1]) + data[-199:]):
        path.write_bytes(spoilt)
        with pytest.raises(EOFError, match="does not hold the 12 pictures"):
            memmap.Images(path, (3, 4, 4), images.pieces)


def resident() -> float:
    """MB of files that are in the memory of this process."""
    return int(re.search(r"^RssFile:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)[1]) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system alone decides what stays in memory")
def test_little_of_a_large_file_stays_in_memory(tmp_path, monkeypatch, repeatable):
    monkeypatch.setattr(memmap, "HELD", 8 << 20)
    path, size = tmp_path / "a.npy", 128
    write(path, 1000, size)  # 49 MB
    images = memmap.read(path)
    batches = data.Dataset("pictures", images).batches(32, 0, torch.device("cpu"))
    next(batches)  # and whatever code that needs
    memmap.release_pages(images)
    before, most = resident(), 0.0
    assert images[:, 0, 0, 0].tolist() == [number % 256 for number in range(1000)]
    assert resident() - before > 40
    memmap.release_pages(images)
    for _ in range(30):
        x, _ = next(batches)
        assert x[:, 0, 0, 0].add(1).mul(127.5).round().equal((batches.indices % 256).float())
        most = max(most, resident() - before)
    assert 2 < most < 16
    part = images[100:]  # as of what is held out
    assert part.float().mean() > 0
    assert resident() - before > 40
    memmap.release_pages(part)
    assert resident() - before < 6


def test_what_is_in_memory_alone_is_left_alone():
    images = torch.full((100, 3, 64, 64), 7, dtype=torch.uint8)
    memmap.release_pages(images)
    assert images.unique().tolist() == [7]


def test_no_more_is_drawn_than_is_used():
    drawn = []
    items = (drawn.append(number) or number for number in range(1000))
    for item, made in decoding.in_order(lambda number: -number, items):
        assert made == -item
        assert len(drawn) - item <= (decoding.os.cpu_count() + 1) * decoding.TOGETHER


DECODE = """
import os, sys
from pathlib import Path
from trainer import data
from trainer.data.files import decoding, frame

decoding.NOTED_EVERY, to_size = 0, frame.to_size
looked = Path("looked")
def count(picture, size, resize):
    with looked.open("a") as file:
        print(picture.getpixel((0, 0))[0], file=file)
    if "--die" in sys.argv and len(looked.read_text().split()) > 60:
        os.kill(os.getpid(), 9)
    return to_size(picture, size, resize)
frame.to_size = count
print(data.load("pictures", 8, Path()).found, file=sys.stderr)
"""


def test_a_reading_that_is_killed_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    images = tmp_path / "pictures"
    images.mkdir()
    for number in range(100):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(images / f"{number:03}.png")
    (images / "005.png").write_bytes(b"no picture")
    command = [sys.executable, "-c", DECODE]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run([*command, "--die"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL
    (tmp_path / "looked").unlink()
    whole = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "left out 1 of 100 images that cannot be read: 005.png" in whole.stderr
    looked = {int(number) for number in (tmp_path / "looked").read_text().split()}
    assert 30 < len(looked) < 80
    monkeypatch.setattr(decoding, "fill", None)
    loaded = data.load(str(images), 8, tmp_path).images
    assert loaded[:, 0, 0, 0].tolist() == [number for number in range(100) if number != 5]
    left = {path.suffix for path in (tmp_path / "cache" / "ganvas").glob("[!.]*")}  # or what was being written
    assert left == {".json", ".lock", ".npy"}


def test_two_that_read_the_same_images_take_turns(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "pictures").mkdir()
    for number in range(20):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "pictures" / f"{number}.png")
    slow = DECODE.replace("return to_size", "import time; time.sleep(0.1); return to_size")
    command, environment = [sys.executable, "-c", slow], os.environ | {"PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) for _ in "ab"]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("another process reads the images of pictures: waiting for it" in text for text in said) == 1
    assert len((tmp_path / "looked").read_text().split()) == 20


def test_folders_whose_names_have_dots_are_kept_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for number, name in enumerate(("cats.v1.0", "cats.v2.0")):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / name / "a.png")
    for size in (8, 16):
        for number, name in enumerate(("cats.v1.0", "cats.v2.0")):
            images = data.load(str(tmp_path / name), size, tmp_path).images
            assert images.shape == (1, 3, size, size)
            assert (images[:, 0] == number).all()
