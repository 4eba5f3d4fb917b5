"""Folders as people have them: each layout is read right in each form, or refused in one sentence."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.folders import (
    FORMS,
    beside,
    encode,
    image,
    many,
    named,
    pairs,
    write_folder,
    write_zip,
)
from helpers.small import noise_image
from PIL import Image

from pretrained.media.files import list_images, output_names
from pretrained.system.errors import InputError
from trainer import data
from trainer.data import captions, domains
from trainer.data.files.reading import Reading
from trainer.data.pairs import PairOptions, Pairs, load_pairs, load_singles
from trainer.data.sources import ALONE

HERE = Path()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def load(path: Path, size: int = 16, **how) -> data.Dataset:
    return data.load(str(path), size, HERE, how=Reading(**how))


def paired(path: Path, size: int = 16, jitter: float = 0.0, **how) -> Pairs:
    return load_pairs(str(path), size, HERE, None, PairOptions(jitter=jitter), how=Reading(**how))


# What a generator sees: files, images to train on, classes, how many are held out.
SINGLE = {
    "images": (named("", 6), 6, [], 0),
    "classes": (named("cat", 4) | named("dog", 3, 20), 7, ["cat", "dog"], 0),
    "train/class": (
        named("train/cat", 4) | named("train/dog", 3, 20) | named("test/cat", 2, 40) | named("test/dog", 2, 50),
        7,
        ["cat", "dog"],
        4,
    ),
    "class/train": (
        named("cat/train", 4) | named("dog/train", 3, 20) | named("cat/val", 2, 40) | named("dog/val", 1, 50),
        7,
        ["cat", "dog"],
        3,
    ),
    "train/images": (named("train", 5) | named("val", 2, 20), 5, [], 2),
    "Training/images": (named("Training/images", 5) | named("Testing/images", 2, 20), 5, [], 2),
    "trainA": (pairs("trainA", "trainB", 3) | pairs("testA", "testB", 1), 6, ["A", "B"], 2),
    "digits": (
        {name: data for n in range(12) for name, data in named(str(n), 1, n).items()},
        12,
        [str(n) for n in range(12)],
        0,
    ),
    "a class called test": (named("cat", 2) | named("test", 2), 4, ["cat", "test"], 0),
    "one folder alone": (named("cat", 4), 4, [], 0),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layout", SINGLE)
def test_images_and_classes(tmp_path, layout, form):
    files, count, classes, held_out = SINGLE[layout]
    found = load(FORMS[form](tmp_path / "set", files))
    assert (len(found.images), found.classes, found.num_held_out) == (count, classes, held_out)
    if classes:
        assert sorted(set(found.labels.tolist())) == list(range(len(classes)))
    if held_out:
        test = data.load(str(tmp_path / ("set.zip" if "zip" in form else "set")), 16, HERE, split="test")
        assert len(test.images) == held_out


@pytest.mark.parametrize("layout", ["images", "train/images", "classes", "train/class"])
def test_images_that_are_made_poorer(tmp_path, layout):
    files, count, _, held_out = SINGLE[layout]
    found = load_singles(str(write_folder(tmp_path / "set", files)), 16, HERE, None, 0.25, ALONE)
    assert len(found.held_out) == (held_out or 1)
    assert len(found.images) == (count if held_out else count - 1)


TWO = {
    "A/train": pairs("A/train", "B/train", 5) | pairs("A/val", "B/val", 2, 10),
    "train/A": pairs("train/A", "train/B", 5) | pairs("val/A", "val/B", 2, 10),
    "trainA": pairs("trainA", "trainB", 5) | pairs("testA", "testB", 2, 10),
    "train_A": pairs("train_A", "train_B", 5) | pairs("test_A", "test_B", 2, 10),
    "A_train": pairs("A_train", "B_train", 5) | pairs("A_test", "B_test", 2, 10),
    "Train/a": pairs("Train/a", "Train/b", 5) | pairs("Test/a", "Test/b", 2, 10),
    "A, testA": pairs("A", "B", 5) | pairs("testA", "testB", 2, 10),
    "train_label": pairs("train_label", "train_img", 5) | pairs("test_label", "test_img", 2, 10),
}
DRAWN = {"A": pairs("A", "B", 7), "trainA alone": pairs("trainA", "trainB", 7), "input": pairs("input", "target", 7)}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layout", [*TWO, *DRAWN])
def test_pairs_and_domains(tmp_path, layout, form):
    path = FORMS[form](tmp_path / "set", (TWO | DRAWN)[layout])
    counts = (5, 2) if layout in TWO else (6, 1)
    found = paired(path)
    assert (len(found.images), len(found.held_out)) == counts
    source, target = found.sources(found.images, [])
    numbers = {tuple(np.array(image(number)).transpose(2, 0, 1).ravel()): number for number in range(60)}
    for a, b in zip(source, target):
        assert numbers[tuple(b.flatten().tolist())] - numbers[tuple(a.flatten().tolist())] == 40
    two = domains.load(str(path), 16, None, 0.0)
    assert (len(two.images), len(two.others)) == ((5, 5) if layout in TWO else (6, 6))
    assert ("train and" in found.found) == (layout in TWO)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("part", [None, "val"])
def test_side_by_side(tmp_path, form, part):
    files = beside("train", 5) | beside("val", 2) if part else beside("", 7)
    found = paired(FORMS[form](tmp_path / "set", files))
    assert (len(found.images), len(found.held_out)) == ((5, 2) if part else (6, 1))
    source, target = found.sources(found.images, [])
    assert source.equal(255 - target)
    assert "side by side" in found.found


REFUSED = {
    "photographs": (many([f"{n}.png" for n in range(4)], size=(48, 32)), "not 2 images of one size.*known"),
    "wide photographs": (many([f"{n}.png" for n in range(4)], size=(64, 32)), "looks like one image.*known"),
    "one panorama among pairs": (beside("", 5) | many(["z.png"], size=(90, 30)), "z.png: 90 x 30 px are not 2"),
    "A, B and AB": (pairs("A", "B", 3) | beside("AB", 3), "holds A/ and B/ and beside them AB/"),
    "other names": (named("A", 2) | many(["B/x.png", "B/y.png"]), "no two images of the same name"),
    "A alone": (named("trainA", 3) | named("testA", 3), "not 2 pictures"),
    "B without val": (pairs("A/train", "B/train", 3) | named("A/val", 2), "has no B/ in its part val"),
    "other shapes": (
        named("A", 4) | {f"B/{n}.png": encode(noise_image(n, (30, 16))) for n in range(4)},
        "16 x 16 and 30 x 16 px",
    ),
    "nothing": ({"notes.txt": b"x", "raw.cr2": b"x"}, r"holds no images.*1 \.cr2"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_open_is_refused(tmp_path, name):
    files, words = REFUSED[name]
    with pytest.raises(InputError, match=words):
        paired(write_folder(tmp_path / "set", files))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (named("train", 2) | named("test", 2) | named("more", 2), "holds test/ and train/ and beside them more/"),
        (named("train", 2) | named("test", 2) | named("", 1), "beside them loose images"),
        (named("val", 2) | named("test", 2), "holds test/ and val/ and no train/"),
    ],
)
def test_a_split_with_more_beside_it_is_refused_unless_told(tmp_path, files, words):
    with pytest.raises(InputError, match=words):
        load(write_folder(tmp_path / "set", files))
    assert len(load(tmp_path / "set", layout="plain").images) == len(files)


def test_a_layout_that_is_set_is_taken(tmp_path):
    path = write_folder(tmp_path / "set", named("train", 2) | named("test", 3))
    assert load(path, layout="classes").classes == ["test", "train"]
    assert load(path, layout="plain").labels is None
    both = write_folder(tmp_path / "both", pairs("A", "B", 3) | beside("AB", 3))
    assert len(paired(both, layout="folders").images) == 2
    wide = write_folder(tmp_path / "wide", many([f"{n}.png" for n in range(4)], size=(64, 32)))
    assert paired(wide, layout="side-by-side").images.shape[1] == 6
    with pytest.raises(InputError, match="`layout` must be one of auto, plain, classes"):
        load(path, layout="folders")


def test_two_files_of_one_stem_are_two_images(tmp_path):
    files = {
        f"{n}.{s}": encode(image(n + 9 * (s == "png")), f)
        for n in range(5)
        for s, f in (("jpg", "JPEG"), ("png", "PNG"))
    }
    path = write_folder(tmp_path / "set", files)
    assert len(load(path).images) == 10
    found = load_singles(str(path), 16, HERE, None, 0.0)
    assert len(found.images) + len(found.held_out) == 10
    assert len(set(output_names([*files, "0.jpg.png"]))) == 11


def test_pairs_match_by_composed_names_and_without_suffix(tmp_path):
    name = "caf\u00e9_\ud55c\uad6d"
    files = {}
    for number in range(4):
        files[unicodedata.normalize("NFD", f"A/{name}_{number}.png")] = encode(image(number))
        files[unicodedata.normalize("NFC", f"B/{name}_{number}.bmp")] = encode(image(number), "BMP")
    files |= {
        "A/twice.png": encode(image(1)),
        "A/twice.bmp": encode(image(2), "BMP"),
        "B/twice.tif": encode(image(1), "TIFF"),
    }
    found = paired(write_folder(tmp_path / "set", files))
    assert len(found.images) + len(found.held_out) == 4
    assert "left out 3 whose name is not in all folders" in found.found


def test_all_suffixes_are_read_and_others_are_counted(tmp_path):
    suffixes = [".jpg", ".JPG", ".JPEG", ".jfif", ".jpe", ".png", ".PNG", ".tga", ".jp2", ".qoi"]
    formats = {".png": "PNG", ".tga": "TGA", ".jp2": "JPEG2000", ".qoi": "QOI"}
    files = {f"{n}{s}": encode(image(n), formats.get(s.lower(), "JPEG")) for n, s in enumerate(suffixes)}
    found = load(write_folder(tmp_path / "set", files | {"a.heic": b"x", "b.heic": b"x", "README": b"x"}))
    assert len(found.images) == len(suffixes)
    left_out = "left out 3 files that are no images Pillow reads here (2 .heic, 1 without a suffix)"
    assert left_out in found.found


@pytest.mark.parametrize("broken", range(10))
def test_broken_files_are_named_before_the_split(tmp_path, broken):
    files = named("", 10)
    files[f"{broken}.png"] = files[f"{broken}.png"][:60]
    found = load_singles(str(write_folder(tmp_path / "set", files)), 16, HERE, None, 0.5)
    assert (len(found.images), len(found.held_out)) == (8, 1)
    assert f"left out 1 of 10 images that cannot be read: {broken}.png" in found.found


def test_a_set_of_which_nearly_nothing_can_be_read_is_refused(tmp_path):
    files = {f"{n}.png": b"x" for n in range(120)} | {"good.png": encode(image(0))}
    with pytest.raises(InputError, match="holds 120 of 121 images that cannot be read"):
        load(write_folder(tmp_path / "set", files))


def test_another_image_moves_no_other_one(tmp_path):
    files = named("", 60)
    path = write_folder(tmp_path / "set", files)

    def held_out() -> set[tuple[int, ...]]:
        found = load_singles(str(path), 16, HERE, None, 0.0)
        return {tuple(each.flatten().tolist()) for each in found.held_out}

    before = held_out()
    write_folder(path, many([f"more/{n}.png" for n in range(20)], 60))
    assert before <= held_out()
    assert 1 <= len(before) <= 8


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


@pytest.mark.parametrize("form", ["plain", "wrapped", "zip"])
@pytest.mark.parametrize(
    "said",
    [
        {"metadata.jsonl": b'{"file_name": "0.png", "text": "zero"}\n{"file_name": "1.png", "text": "one"}'},
        {"captions.jsonl": b'{"file": "0.png", "caption": "zero"}\n{"file": "1.png", "caption": "one"}'},
        {"metadata.csv": b"file_name,text\n0.png,zero\n1.png,one\n"},
        {"0.txt": b"zero\n", "1.txt": b"one"},
    ],
)
def test_captions(tmp_path, said, form):
    found = load(FORMS[form](tmp_path / "set", named("", 2) | said))
    assert found.captions == ["zero", "one"]
    assert captions.read(list_images(write_folder(tmp_path / "none", named("", 2))), ["0.png"]) is None


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


def test_runs_below_the_data_are_not_learnt_from(tmp_path):
    path = write_folder(tmp_path / "set", named("", 3))
    write_folder(path / "runs/a", named("snapshots", 3) | {"resume.pt": b"x", "samples.png": encode(image(1))})
    found = load(path)
    assert len(found.images) == 3
    assert "left out the run folders runs/a/" in found.found


def test_images_are_torch_tensors_of_bytes(tmp_path):
    assert load(write_folder(tmp_path / "set", named("", 2))).images.dtype == torch.uint8
