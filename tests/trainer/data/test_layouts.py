"""Folders as people have them: each layout is read right in each form, or refused in one sentence."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from helpers.folders import FORMS, beside, encode, image, many, named, pairs, write_folder
from helpers.small import noise_image

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
    "A alone": (named("trainA", 3) | named("testA", 3), "not 2 images"),
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


def test_runs_below_the_data_are_not_learnt_from(tmp_path):
    path = write_folder(tmp_path / "set", named("", 3))
    write_folder(path / "runs/a", named("snapshots", 3) | {"resume.pt": b"x", "samples.png": encode(image(1))})
    found = load(path)
    assert len(found.images) == 3
    assert "left out the run folders runs/a/" in found.found
