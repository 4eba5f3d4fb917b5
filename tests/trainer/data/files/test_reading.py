"""The images of a folder: suffixes, channels, depth, shape and names, and the array that they are decoded into."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.folders import encode, image, named, write_folder, write_zip
from PIL import Image

from pretrained.system.errors import InputError
from trainer import data
from trainer.data.files.reading import Reading
from trainer.data.pairs import PairOptions, Pairs, load_pairs

HERE = Path()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def load(path: Path, size: int = 16, **how) -> data.Dataset:
    return data.load(str(path), size, HERE, how=Reading(**how))


def paired(path: Path, size: int = 16, jitter: float = 0.0, **how) -> Pairs:
    return load_pairs(str(path), size, HERE, None, PairOptions(jitter=jitter), how=Reading(**how))


def test_all_suffixes_are_read_and_others_are_counted(tmp_path):
    suffixes = [".jpg", ".JPG", ".JPEG", ".jfif", ".jpe", ".png", ".PNG", ".tga", ".jp2", ".qoi"]
    formats = {".png": "PNG", ".tga": "TGA", ".jp2": "JPEG2000", ".qoi": "QOI"}
    files = {f"{n}{s}": encode(image(n), formats.get(s.lower(), "JPEG")) for n, s in enumerate(suffixes)}
    found = load(write_folder(tmp_path / "set", files | {"a.heic": b"x", "b.heic": b"x", "README": b"x"}))
    assert len(found.images) == len(suffixes)
    left_out = "left out 3 files that are no images Pillow reads here (2 .heic, 1 without a suffix)"
    assert left_out in found.found


def test_grey_folders_have_one_channel(tmp_path):
    grey = {f"{n}.png": encode(image(n, mode="L")) for n in range(4)}
    assert load(write_folder(tmp_path / "grey", grey)).channels == 1
    assert load(tmp_path / "grey").channels == 1  # as it was noted
    assert load(write_folder(tmp_path / "mixed", grey | {"z.png": encode(image(9))})).channels == 3
    mixed = {f"A/{name}": encode(image(0)) for name in grey} | {f"B/{name}": data for name, data in grey.items()}
    assert paired(write_folder(tmp_path / "pairs", mixed)).images.shape[1] == 6


def test_squeezed_halves_are_laid_upon_each_other(tmp_path):
    files = {}
    for number in range(5):
        scene = Image.new("RGB", (96, 64), (40, 60, 90))
        scene.paste((240, 220, 60), (30 + 4 * number, 20, 50 + 4 * number, 44))
        scene.paste((230, 60, 40), (4, 8, 16, 56))
        files[f"A/{number}.png"] = encode(scene)
        files[f"B/{number}.png"] = encode(scene.resize((48, 48), Image.Resampling.NEAREST))
    path = write_folder(tmp_path / "set", files)
    for how in ({}, {"resize": "stretch"}, {"resize": "pad"}):
        found = paired(path, 32, **how)
        source, target = (part.float() for part in found.sources(found.images, []))
        assert (source - target).abs().mean() < 6, how
    cut = {f"B/{n}.png": encode(Image.open(path / f"A/{n}.png").crop((16, 0, 80, 64))) for n in range(5)}
    with pytest.raises(InputError, match="96 x 64 and 64 x 64 px differ in shape.*`resize`"):
        paired(write_folder(path, cut))


@pytest.mark.parametrize(("resize", "edge", "middle"), [("crop", 255, 255), ("stretch", 0, 255), ("pad", 255, 255)])
def test_resize_says_how_an_image_becomes_square(tmp_path, resize, edge, middle):
    wide = Image.new("RGB", (60, 20), "black")
    wide.paste("white", (20, 0, 40, 20))
    found = load(write_folder(tmp_path / "set", {"a.png": encode(wide)}), 15, resize=resize).images[0, 0]
    assert abs(int(found[7, 7]) - middle) < 4
    assert abs(int(found[0, 1]) - edge) < 4


RAMP = np.tile(np.linspace(0, 1, 32), (32, 1))
DEEP = {
    "16 bits": (RAMP * 65535).round().astype(np.uint16),
    "12 in 16": (RAMP * 4095).round().astype(np.uint16),
    "dark": (RAMP * 200).round().astype(np.uint16),
    "CT": (RAMP * 4096 - 1024).astype(np.int32),
    "float": RAMP.astype(np.float32),
    "float beyond": (RAMP * 50).astype(np.float32),
}


@pytest.mark.parametrize(
    ("name", "levels", "mean"),
    [
        ("16 bits", None, 127),
        ("12 in 16", None, None),
        ("12 in 16", (0, 4095), 127),
        ("dark", None, 0),
        ("CT", None, None),
        ("CT", (-1024, 3072), 127),
        ("float", None, 127),
        ("float beyond", None, None),
        ("float beyond", (0, 50), 127),
    ],
)
def test_depth_is_what_the_format_or_the_user_says(tmp_path, name, levels, mean):
    path = write_folder(tmp_path / "set", {"a.tif": encode(Image.fromarray(DEEP[name]), "TIFF")})
    if mean is None:
        with pytest.raises(InputError, match="`levels`"):
            load(path)
    else:
        found = load(path, levels=levels)
        assert found.channels == 1
        assert abs(found.images.float().mean() - mean) < 2


def test_odd_names_are_read(tmp_path):
    names = ["x" * 240 + ".png", 'it\'s "quoted".png', "line\nbreak.png", " spaces .png", "tab\t.png"]
    path = write_folder(tmp_path / "set", {f"cl\nass/{name}": encode(image(n)) for n, name in enumerate(names)})
    os.makedirs(os.fsencode(path) + b"/caf\xe9")
    (Path(os.fsdecode(os.fsencode(path) + b"/caf\xe9")) / "a.png").write_bytes(encode(image(9)))
    found = load(path)
    assert len(found.images) == len(names) + 1
    assert found.classes == [r"caf\xe9", r"cl\nass"]


def test_a_damaged_array_is_made_again(tmp_path, cache, capsys):
    path = write_folder(tmp_path / "set", named("", 6))
    whole = load(path).images.clone()
    (array,) = cache.rglob("*.npy")
    index = array.with_suffix(".json")
    spoilt = [
        (array, lambda data: data[:-9]),
        (array, lambda data: data[:-9] + bytes(9)),
        (index, lambda data: data[:-9]),
        (index, lambda data: data.replace(b'"left_out": []', b'"left_out": [0]')),
        (index, lambda data: b"[]"),
        (index, lambda data: bytes(len(data))),
    ]
    for file, spoil in spoilt:
        before = file.read_bytes()
        file.write_bytes(spoil(before))
        assert file.read_bytes() != before
        assert load(path).images.equal(whole)
        assert "is damaged or of an earlier version, and is made again" in capsys.readouterr().err


def test_contents_move_with_the_files(tmp_path):
    files = named("cat", 4) | named("dog", 3, 20)
    here = load(write_folder(tmp_path / "set", files)).contents
    assert load(write_zip(tmp_path / "other", files)).contents == here
    moved = {name.replace("dog/0", "cat/9"): data for name, data in files.items()}
    assert load(write_folder(tmp_path / "moved", moved)).contents.digest != here.digest


def test_images_are_torch_tensors_of_bytes(tmp_path):
    assert load(write_folder(tmp_path / "set", named("", 2))).images.dtype == torch.uint8
