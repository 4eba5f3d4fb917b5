"""Pairs and domains: where they are found, how they are shown, and that resuming is exact."""

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from pretrained.system.errors import InputError
from trainer.data import domains, pairs
from trainer.data.files.reading import Reading
from trainer.data.pairs import PairOptions

CPU = torch.device("cpu")
RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def paint(path, *colours, size=(20, 20)):
    """A picture of squares of these colours, side by side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (size[0] * len(colours), size[1]))
    for column, colour in enumerate(colours):
        picture.paste(colour, (column * size[0], 0, (column + 1) * size[0], size[1]))
    picture.save(path)


def colour(level):
    return (level, 0, 255 - level)


def side_by_side(folder, part=""):
    for i in range(6):
        paint(folder / part / f"{i}.png", colour(i), colour(100 + i))


def two_folders(folder, a, b):
    for i in range(6):
        paint(folder / a / f"{i}.png", colour(i), size=(24, 20))
        paint(folder / b / f"{i}.png", colour(100 + i), size=(48, 40))


LAYOUTS = {
    "side by side": lambda folder: side_by_side(folder),
    "side by side, in parts": lambda folder: (side_by_side(folder, "train"), side_by_side(folder, "val")),
    "A and B": lambda folder: two_folders(folder, "A", "B"),
    "trainA and testA": lambda folder: (two_folders(folder, "trainA", "trainB"), two_folders(folder, "testA", "testB")),
    "train/A and val/A": lambda folder: (
        two_folders(folder, "train/A", "train/B"),
        two_folders(folder, "val/A", "val/B"),
    ),
}


def load(path, size=16, **options):
    return pairs.load_pairs(str(path), size, path, None, PairOptions(**options))


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_pairs_are_found(tmp_path, layout, direction):
    LAYOUTS[layout](tmp_path)
    found = load(tmp_path, direction=direction, jitter=0.25)
    in_parts = "and test" in layout or "val" in layout or "parts" in layout
    assert found.images.shape == (6 if in_parts else 5, 6, 20, 20)
    assert found.held_out.shape == (6 if in_parts else 1, 6, 16, 16)
    assert (found.size, found.channels, found.inputs) == (16, 3, 3)
    source, target = found.pair(found.images, range(len(found.images)))
    left, right = (source, target) if direction == "AtoB" else (target, source)
    levels = [((picture[:, 0, 5, 5] + 1) * 127.5).round() for picture in (left, right)]
    assert (levels[1] - levels[0]).tolist() == [100] * len(levels[0])
    if not in_parts:
        held = found.pair(found.held_out, [0])[0 if direction == "AtoB" else 1]
        assert round((held[0, 0, 5, 5].item() + 1) * 127.5) not in levels[0].tolist()


def test_a_zip_holds_pairs_too(tmp_path):
    side_by_side(tmp_path / "pairs")
    with zipfile.ZipFile(tmp_path / "pairs.zip", "w") as archive:
        for path in sorted((tmp_path / "pairs").iterdir()):
            archive.write(path, path.name)
    assert load(tmp_path / "pairs.zip").images.equal(load(tmp_path / "pairs").images)


def test_halves_are_cut_apart_before_they_are_made_square(tmp_path):
    paint(tmp_path / "0.png", RED, BLUE, size=(30, 20))
    paint(tmp_path / "1.png", RED, BLUE, size=(30, 20))
    how = Reading(layout="side-by-side")
    found = pairs.load_pairs(str(tmp_path), 16, tmp_path, None, PairOptions(jitter=0.0), how=how)
    source, target = found.pair(found.images, [0])
    assert (source[:, 0] == 1).all()
    assert (target[:, 0] == -1).all()


def test_a_domain_may_be_a_link(tmp_path):
    two_folders(tmp_path / "elsewhere", "old", "new")
    (tmp_path / "data").mkdir()
    for kind, name in (("A", "old"), ("B", "new")):
        (tmp_path / "data" / kind).symlink_to(tmp_path / "elsewhere" / name)
    assert len(load(tmp_path / "data").images) == 5


def test_files_without_a_partner_are_left_out(tmp_path):
    two_folders(tmp_path, "A", "B")
    paint(tmp_path / "B" / "lonely.png", RED)
    found = load(tmp_path)
    assert len(found.images) == 5
    assert "left out 1 " in found.found


def test_what_is_held_out_is_not_trained_on(tmp_path):
    for i in range(60):
        paint(tmp_path / f"{i:02}.png", colour(i))
    found = load(tmp_path, degradation="grey", jitter=0.0)
    train, held_out = (set(images[:, 0, 0, 0].tolist()) for images in (found.images, found.held_out))
    assert (len(train), len(held_out)) == (57, 3)
    assert not train & held_out


INPUTS = {"sketch": 1, "grey": 1, "downsample": 3, "mask": 4, "noise": 3, "blur": 3}


@pytest.mark.parametrize("name", INPUTS)
def test_sources_are_made_of_targets(name):
    found = pairs.load_pairs("fake", 16, None, 3, PairOptions(degradation=name))
    assert found.inputs == INPUTS[name]
    whole = found.batches(8, 0, CPU)
    seen = [next(whole) for _ in range(4)]
    resumed = found.batches(8, 0, CPU)
    resumed.images_seen = 16
    for source, target in seen[2:]:
        again_source, again_target = next(resumed)
        assert again_source.equal(source)
        assert again_target.equal(target)
    source, target = seen[0]
    assert source.shape == (8, INPUTS[name], *([4, 4] if name == "downsample" else [16, 16]))
    assert target.shape == (8, 3, 16, 16)
    if name == "mask":
        assert set(source[:, 3].unique().tolist()) == {0.0, 1.0}
        outside = source[:, 3:] == 0
        assert torch.where(outside, source[:, :3], 0).equal(torch.where(outside, target, 0))


def test_noise_is_new_each_time_a_picture_is_shown():
    found = pairs.load_pairs("fake", 16, None, 3, PairOptions(degradation="noise", jitter=0.0))
    batches = found.batches(len(found.images), 0, CPU)
    noises = []
    for _ in range(2):
        source, target = next(batches)
        noises.append((source - target)[batches.indices.argsort()])
    assert not noises[0].equal(noises[1])


def test_jitter_cuts_source_and_target_at_one_place():
    found = pairs.load_stacks("fake", 16, 3, 0.5, ("A", "B"))
    stack = found.images.clone()
    stack[:, 3:] = 255 - stack[:, :3]
    object.__setattr__(found, "images", stack)
    batches = found.batches(32, 0, CPU, horizontal_flip=True)
    source, target = next(batches)
    assert (source + target).abs().max() < 1e-6
    whole = stack[batches.indices, :3]
    cuts = [
        [(i, j) for i in range(9) for j in range(9) if cut.equal(picture[:, i : i + 16, j : j + 16])]
        for cut, picture in zip(((source + 1) * 127.5).round().byte(), whole)
    ]
    places = {cut[0] for cut in cuts if cut}
    assert len(places) > 4
    assert 4 < sum(not cut for cut in cuts) < 28, "about half are mirrored"


@pytest.mark.parametrize("layout", ["A and B", "trainA and testA"])
def test_domains_are_found(tmp_path, layout):
    LAYOUTS[layout](tmp_path)
    paint(tmp_path / ("B" if layout == "A and B" else "trainB") / "more.png", RED)
    found = domains.load(str(tmp_path), 16, None, 0.0)
    assert len(found.images) == (5 if layout == "A and B" else 6)
    assert len(found.others) == len(found.images) + 1
    assert found.reversed().images is found.others
    assert found.reversed().reversed().held_out is found.held_out


def test_domains_are_shuffled_by_themselves_and_resume():
    found = domains.load("fake", 16, None, 0.25)
    whole = found.batches(8, 3, CPU, horizontal_flip=True)
    seen = [next(whole) for _ in range(40)]
    resumed = found.batches(8, 3, CPU, horizontal_flip=True)
    resumed.images_seen = 200
    for a, b in seen[25:]:
        again_a, again_b = next(resumed)
        assert again_a.equal(a)
        assert again_b.equal(b)
    batches = found.batches(8, 3, CPU)
    next(batches)
    assert not batches.indices.equal(batches.others.indices)


def test_examples_are_what_a_person_would_give(tmp_path):
    found = pairs.load_pairs("fake", 16, None, 3, PairOptions(degradation="mask"))
    examples = found.examples(4)
    assert [example.target.size for example in examples] == [(16, 16)] * 4
    assert all(set(np.unique(example.extras["mask"])) == {0, 255} for example in examples)
    assert pairs.load_stacks("fake", 16, 3, 0.0, ("A", "pose", "B")).examples(1)[0].extras.keys() == {"second"}
    assert domains.load("fake", 16, None, 0.0).examples(2)[0].target is None


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (lambda path: None, {}, "does not exist"),
        (lambda path: path.mkdir(), {}, "holds no images"),
        (lambda path: paint(path / "a.png", RED), {"degradation": "grey"}, "two images at least"),
        (
            lambda path: [paint(path / f"{i}.png", RED) for i in range(3)],
            {},
            "are not 2 images of one size side by side.*A and B",
        ),
        (lambda path: side_by_side(path), {"direction": "BtoA", "degradation": "grey"}, "`direction`"),
        (lambda path: side_by_side(path), {"jitter": -1.0}, "`jitter` must be 0 to 4, got -1"),
        (
            lambda path: (paint(path / "A/1.png", RED), paint(path / "B/2.png", RED)),
            {},
            "no two images of the same name",
        ),
    ],
)
def test_mistakes_are_sentences(tmp_path, make, options, words):
    make(tmp_path / "data")
    with pytest.raises(InputError, match=words):
        load(tmp_path / "data", **options)


def test_domains_that_are_none(tmp_path):
    side_by_side(tmp_path)
    with pytest.raises(InputError, match="trainA and trainB or A and B"):
        domains.load(str(tmp_path), 16, None, 0.0)
