"""Data sets and weights made to harm: each is refused in one sentence, or taken, and leads nowhere."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.bounds import encoded, within_bounds
from PIL import Image

from pretrained.media.files import list_images
from pretrained.system.errors import InputError
from trainer import data
from trainer.data import captions
from trainer.data.sets import named
from trainer.metrics import features


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
    "locked": (locked_zip, "no image that can be read: a.png: .*encrypted"),
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
        captions.read(list_images(tmp_path / "set.zip"), ["a.png"])
    (tmp_path / captions.FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="line 1, is not"):
        captions.read(list_images(tmp_path), ["a.png"])


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
        names = [entry.name for entry in list_images(tmp_path / "set").images]
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
    monkeypatch.setattr(named, "MAX_IDX", 2**20)
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
    with within_bounds(), pytest.raises(InputError, match=r"must be an .npz file of arrays"):
        features.squeezenet_layers(tmp_path / "vast.npz")
