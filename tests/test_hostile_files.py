"""Files made to harm: each is refused in one sentence, or taken, in a second and without much memory."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small import save_small

import pretrained
from pretrained import checkpoint, images
from pretrained.convert import convert
from pretrained.errors import InputError
from trainer import captions, data, features, folder

SECONDS, MEGABYTES = 1.0, 500


@contextmanager
def within_bounds() -> Iterator[None]:
    """What is done takes no more than SECONDS of processor time, and MEGABYTES more than were ever taken."""
    peak, start = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time())
    yield
    assert time.process_time() - start < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024 < MEGABYTES


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


def encoded(picture: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def many_scans(width: int, height: int, count: int) -> bytes:
    """A progressive JPEG, whose last scan is there again and again."""
    whole = encoded(Image.new("L", (width, height)), "JPEG", progressive=True)
    last = whole.rindex(images.START_OF_SCAN)
    return whole[:last] + whole[last:-2] * count + whole[-2:]


def strange(data: bytes, place: int, replacement: bytes) -> bytes:
    return data[:place] + replacement + data[place + len(replacement) :]


GIF = encoded(Image.new("P", (8, 8)), "GIF")
TIFF = encoded(Image.new("L", (8, 8)), "TIFF")
FRAMES = [Image.new("P", (8, 8), number) for number in range(200)]
PICTURES: dict[str, Callable[[], bytes]] = {
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


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_made_to_harm_is_refused(name):
    file = io.BytesIO(PICTURES[name]())
    with within_bounds(), pytest.raises(InputError, match="too large|not a picture that can be read"):
        images.open_picture(file)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_strange_picture_is_taken(name):
    file = io.BytesIO(HARMLESS[name]())
    with within_bounds():
        assert images.open_picture(file).size in {(8, 8), (40, 30)}


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


def locked_zip(path: Path) -> None:
    """A picture in an archive that asks for a password."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", encoded(Image.new("L", (8, 8)), "PNG"))
    data = bytearray(path.read_bytes())
    data[6] |= 1  # encrypted, as the entry says
    data[data.rindex(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)


def zip_of(path: Path, *names: str, **text: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, encoded(Image.new("L", (8, 8), 90), "PNG"))
        for name, said in text.items():
            archive.writestr(name.replace("_", "."), said)


def torn_zip(path: Path) -> None:
    zip_of(path, "a.png")
    path.write_bytes(path.read_bytes().replace(b"PK\1\2", b"PK\7\7"))


ARCHIVES: dict[str, tuple[Callable[[Path], object], str]] = {
    "locked": (locked_zip, "no picture that can be read: a.png: .*encrypted"),
    "torn": (torn_zip, "neither a folder nor a .zip"),
    "no zip": (lambda path: path.write_bytes(b"no zip"), "neither a folder nor a .zip"),
    "captions in no alphabet": (
        lambda path: zip_of(
            path, "a.png", captions_jsonl="\udcff".encode("utf-8", "surrogateescape").decode("latin-1")
        ),
        "line 1, is not",
    ),
    "captions nested without end": (lambda path: zip_of(path, "a.png", captions_jsonl="[" * 100_000), "line 1, is not"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_made_to_harm_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    make, words = ARCHIVES[name]
    make(tmp_path / "set.zip")
    with within_bounds(), pytest.raises(InputError, match=words):
        data.load(str(tmp_path / "set.zip"), 8, tmp_path)


def test_names_in_an_archive_lead_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "deep" / "cache"))
    names = ["../../up.png", "/root.png", "C:\\windows.png", "a/../../b.png"]
    zip_of(tmp_path / "set.zip", *names)
    before = sorted(tmp_path.rglob("*.png"))
    found = data.load(str(tmp_path / "set.zip"), 8, tmp_path, 1)
    assert found.images.unique().tolist() == [90]
    assert len(found.images) == len(names)
    assert sorted(tmp_path.rglob("*.png")) == before == []


def test_captions_that_unpack_without_end_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(captions, "MAX_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(captions.FILE, bytes(10**6))
    with pytest.raises(InputError, match="more than 1,000 bytes"):
        captions.read(tmp_path / "set.zip", ["a.png"])
    (tmp_path / captions.FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="line 1, is not"):
        captions.read(tmp_path, ["a.png"])


def test_links_in_a_ring_are_walked_once(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / "set" / name / "one.png")
        (tmp_path / "set" / name / "up").symlink_to("..")
        (tmp_path / "set" / name / "here").symlink_to(".")
    (tmp_path / "set" / "gone.png").symlink_to("nowhere")
    (tmp_path / "set" / "device.png").symlink_to("/dev/zero")
    (tmp_path / "other").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "other" / "two.png")
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "other")
    with within_bounds():
        names = [entry.name for entry in folder.entries(tmp_path / "set")]
    assert names == ["a/one.png", "b/one.png", "linked/two.png"]


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
SETS: dict[str, tuple[bytes, bytes]] = {
    "a bomb": (gzip.compress(bytes(2**21)), gzip.compress(bytes(100))),
    "cut off": (gzip.compress(struct.pack(">IIII", 0x803, 5, 4, 4) + bytes(80))[:-9], gzip.compress(bytes(100))),
    "spoilt": (b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 50, gzip.compress(bytes(100))),
    "shapes beyond all": (gzip.compress(struct.pack(">IIII", 0x803, 2**31 - 1, 4, 4)), gzip.compress(bytes(9))),
    "fewer labels than pictures": (
        gzip.compress(struct.pack(">IIII", 0x803, 5, 4, 4) + bytes(80)),
        gzip.compress(struct.pack(">II", 0x801, 3) + bytes(3)),
    ),
    "a label of no class": (
        gzip.compress(struct.pack(">IIII", 0x803, 5, 4, 4) + bytes(80)),
        gzip.compress(struct.pack(">II", 0x801, 5) + bytes([0, 1, 2, 3, 200])),
    ),
}


@pytest.mark.parametrize("name", SETS)
def test_a_named_set_made_to_harm_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(data, "MAX_IDX", 2**20)
    (tmp_path / "mnist/raw").mkdir(parents=True)
    for file, content in zip((IMAGES, LABELS), SETS[name]):
        (tmp_path / "mnist/raw" / file).write_bytes(content)
    with within_bounds(), pytest.raises(InputError, match="holds a broken file"):
        data.load("mnist", 4, tmp_path)


def test_weights_that_unpack_without_end_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(features.MAX_NPZ + 1))
    with within_bounds(), pytest.raises(InputError, match="unpacks to more than"):
        features.squeezenet_layers(tmp_path / "bomb.npz")
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (2**50,)})
    with zipfile.ZipFile(tmp_path / "vast.npz", "w") as archive:
        archive.writestr("a.npy", head.getvalue())
    with within_bounds(), pytest.raises(InputError, match=r"not an \.npz"):
        features.squeezenet_layers(tmp_path / "vast.npz")


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
