"""Files made to harm: each is refused in one sentence, or taken, in a second and without much memory."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.bounds import encoded, within_bounds
from helpers.small import CLASSES, save_small
from PIL import Image

import pretrained
from pretrained import checkpoint
from pretrained.formats.convert import convert
from pretrained.media.examples import examples
from pretrained.media.images import START_OF_SCAN, encode_png, open_image
from pretrained.system.errors import InputError

ROOT = Path(__file__).parents[2]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG of black RGBA pixels, with more chunks before them."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    rows = zlib.compress(bytes(min((4 * width + 1) * height, 10**6)), 9)
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zeros(megabytes: int) -> bytes:
    """Zeros that zlib has made a thousand times smaller."""
    squeeze = zlib.compressobj(9)
    return b"".join(squeeze.compress(bytes(2**20)) for _ in range(megabytes)) + squeeze.flush()


def many_scans(width: int, height: int, count: int) -> bytes:
    """A progressive JPEG, whose last scan is there again and again."""
    whole = encoded(Image.new("L", (width, height)), "JPEG", progressive=True)
    last = whole.rindex(START_OF_SCAN)
    return whole[:last] + whole[last:-2] * count + whole[-2:]


def strange(data: bytes, place: int, replacement: bytes) -> bytes:
    return data[:place] + replacement + data[place + len(replacement) :]


GIF = encoded(Image.new("P", (8, 8)), "GIF")
TIFF = encoded(Image.new("L", (8, 8)), "TIFF")
FRAMES = [Image.new("P", (8, 8), number) for number in range(200)]
IMAGES: dict[str, Callable[[], bytes]] = {
    "a PNG of 400 million pixels": lambda: png(20_000, 20_000),
    "a PNG of 2**62 pixels": lambda: png(2**31 - 1, 2**31 - 1),
    "a GIF of 65535 x 65535": lambda: strange(GIF, 6, b"\xff" * 4),
    "a TIFF of 2**31 rows": lambda: TIFF.replace(
        struct.pack("<HHII", 257, 4, 1, 8), struct.pack("<HHII", 257, 4, 1, 2**31)
    ),
    "a zlib bomb in iTXt": lambda: png(8, 8, chunk(b"iTXt", b"x\0\1\0\0\0" + zeros(64))),
    "a zlib bomb in zTXt": lambda: png(8, 8, chunk(b"zTXt", b"x\0\0" + zeros(64))),
    "many zlib bombs in zTXt": lambda: png(8, 8, *[chunk(b"zTXt", b"x\0\0" + zeros(1))] * 100),
    "a zlib bomb in iCCP": lambda: png(8, 8, chunk(b"iCCP", b"x\0\0" + zeros(64))),
    "a progressive JPEG of 200 million pixels": lambda: encoded(
        Image.new("L", (20_000, 10_000)), "JPEG", progressive=True
    ),
    "a WebP of 30 million pixels": lambda: encoded(Image.new("L", (6000, 5000)), "WEBP", lossless=True, method=0),
    "a progressive JPEG of many scans": lambda: many_scans(3000, 2000, 2000),
}
HARMLESS: dict[str, Callable[[], bytes]] = {
    "a GIF of many frames": lambda: encoded(FRAMES[0], "GIF", save_all=True, append_images=FRAMES * 10),
    "a WebP of many frames": lambda: encoded(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES),
    "a progressive JPEG": lambda: many_scans(40, 30, 1),
}


@pytest.mark.parametrize("name", IMAGES)
def test_a_image_made_to_harm_is_refused(name):
    file = io.BytesIO(IMAGES[name]())
    with within_bounds(), pytest.raises(InputError, match="too large|not an image that can be read"):
        open_image(file)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_strange_image_is_taken(name):
    file = io.BytesIO(HARMLESS[name]())
    with within_bounds():
        assert open_image(file).size in {(8, 8), (40, 30)}


def header_of(count: int) -> bytes:
    empty = {f"{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(count)}
    text = json.dumps(empty).encode()
    return struct.pack("<Q", len(text)) + text


CHECKPOINTS: dict[str, Callable[[], bytes]] = {
    "a header of many tensors": lambda: header_of(120_000),
    "a header longer than the file": lambda: struct.pack("<Q", 2**40) + b"{}",
    "a header of spaces": lambda: struct.pack("<Q", 50 * 2**20) + b"{}".ljust(50 * 2**20),
}


@pytest.mark.parametrize("read", [checkpoint.load, checkpoint.read_config, convert])
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_made_to_harm_is_refused(tmp_path, name, read):
    path = tmp_path / "model.safetensors"
    path.write_bytes(CHECKPOINTS[name]())
    with within_bounds(), pytest.raises(InputError, match="not a whole safetensors file"):
        read(path)


@pytest.mark.parametrize("share", [0.0, 0.4, 0.999])
def test_a_checkpoint_that_changes_while_it_is_read_is_refused(tmp_path, share):
    """Cut after its header was read; what a mapped file has lost would end the process with SIGBUS."""
    path = save_small(tmp_path) / checkpoint.MODEL
    whole = path.read_bytes()
    opened = checkpoint._open(path)
    other = tmp_path / "other"
    other.write_bytes(whole[: int(share * len(whole))])
    os.replace(other, path)  # as write_atomic does: what is open stays whole
    with opened as file:
        assert sum(file.get_tensor(name).numel() for name in file.keys()) > 0  # noqa: SIM118 (not a dict)
    with pytest.raises(InputError, match="whole safetensors file"):
        checkpoint.load(path)


CUT_SHORT = """
import os, sys
import torch
from pathlib import Path
from pretrained import checkpoint

path = Path(sys.argv[1])
network, config = checkpoint.load(path)
os.truncate(path, 100)
assert all(weight.isfinite().all() for weight in network.state_dict().values())
"""


def test_a_network_outlives_its_file(tmp_path):
    """As when another version is copied over it in place: looking at a mapped number would end the process."""
    path = save_small(tmp_path) / checkpoint.MODEL
    subprocess.run([sys.executable, "-c", CUT_SHORT, path], check=True, cwd=ROOT)
    with pytest.raises(InputError, match="whole safetensors file"):
        checkpoint.load(path)


def test_a_checkpoint_that_is_another_by_the_time_its_numbers_are_read_is_refused(tmp_path, monkeypatch):
    path = save_small(tmp_path / "one") / checkpoint.MODEL
    other = save_small(tmp_path / "two", classes=CLASSES) / checkpoint.MODEL
    look = checkpoint.outline

    def look_and_replace(header, where):
        path.write_bytes(other.read_bytes())
        return look(header, where)

    monkeypatch.setattr(checkpoint, "outline", look_and_replace)
    with pytest.raises(InputError, match="has changed while it was read"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "id",
    [
        "../../etc/passwd",
        "/etc",
        "user/..",
        "../user",
        "user/name/../..",
        "user/name@../../main",
        "a\0b",
        "user/na\0me",
        "x" * 5000,
        "x" * 300 + "/" + "y" * 300,
        "~nobody-of-this-name/x",
        "user/\u202ename",
        "us\u0435r/n\u0430me",
        "．．/．．",
        "user/name@" + "x" * 5000,
    ],
)
def test_an_id_made_to_harm_is_refused(monkeypatch, id):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with within_bounds(), pytest.raises(InputError) as refused:
        pretrained.load(id, "cpu")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("kind", ["JPEG2000", "EPS", "PDF", "ICO", "PCX", "TGA"])
def test_pictures_of_other_kinds_are_not_opened(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32)).save(buffer, kind)
    with pytest.raises(InputError, match="a PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF will do"):
        open_image(io.BytesIO(buffer.getvalue()))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_pictures_of_these_kinds_are_opened(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32)).save(buffer, kind)
    assert open_image(io.BytesIO(buffer.getvalue())).size == (32, 32)


@pytest.mark.parametrize(
    "text",
    [
        '{"columns": "source"}',
        json.dumps({"columns": ["source"] * 5000}),
        '{"columns": []}',
        '{"columns": [["source"]]}',
        '{"columns": {"source": 1}}',
        '{"columns": 7}',
        "[" * 50_000,
        "9" * 50_000,
        '{"columns": ["source", 9, null]}',
    ],
)
def test_a_sheet_that_lies_about_its_columns_shows_no_examples(tmp_path, text):
    (tmp_path / checkpoint.SAMPLES).write_bytes(encode_png(Image.new("RGB", (30, 10)), {"ganvas": text}))
    for scale in (1, 8):
        for source, beside in examples(tmp_path / checkpoint.MODEL, scale):
            assert min(source.size) > 0
            assert not beside


def test_a_compressed_file_of_weights_is_refused_unpacked(tmp_path):
    path = tmp_path / "bomb.pth"
    torch.save({"weight": torch.zeros(2**24)}, tmp_path / "whole.pth")
    with zipfile.ZipFile(tmp_path / "whole.pth") as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in whole.namelist():
            bomb.writestr(name, whole.read(name))
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="is compressed"):
        convert(path)


def test_pipes_and_devices_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    for path in (tmp_path / "a.png", Path("/dev/zero")):
        with pytest.raises(InputError, match="is no file"):
            open_image(path)
        with pytest.raises(InputError, match="is no file"):
            convert(path)
