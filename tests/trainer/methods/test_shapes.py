"""Images that are not square: each method that takes them trains, is published and draws in that shape."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.recipes import extractor, shrink, train
from PIL import Image

import pretrained
from pretrained.media.examples import examples
from pretrained.networks.sizes import Sizes, base_map, scaled, sides, size_of
from pretrained.system.errors import InputError
from trainer import data
from trainer.data.files.reading import Reading
from trainer.data.pairs import load_singles
from trainer.methods.recipes import RECIPES

SHAPES = {  # width x height, and options
    "dcgan-64": ("24x16", {"conditional": True, "augment": "ada"}),
    "gan-mnist": ("20x12", {}),
    "stylegan-64": ("16x24", {"conditional": True}),
    "r3gan-64": ("24x16", {}),
    "vae-64": ("20x16", {}),
    "fastgan-64": ("96x64", {}),
    "pix2pix-emoji": ("48x32", {}),
    "cyclegan-emoji": ("20x32", {}),
    "cut-emoji": ("32x20", {}),
    "dncnn": ("20x12", {}),
}


def shaped(name, folder):
    size, options = SHAPES[name]
    recipe = shrink(name, **extractor(folder, RECIPES[name]), **options)
    return replace(recipe, size=size, kimg=0.008)


def test_every_method_that_says_so_is_tried():
    tried = {RECIPES[name].method for name in SHAPES}
    assert {recipe.method for recipe in RECIPES.values() if recipe.method.any_shape} - tried == set()


@pytest.mark.parametrize("name", SHAPES)
def test_an_image_that_is_not_square_from_training_to_sample(tmp_path, name):
    recipe = shaped(name, tmp_path)
    train(recipe, tmp_path / "run")
    height, width = sides(recipe.size)
    pipeline = pretrained.load(str(tmp_path / "run"), "cpu")
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["training"]["options"]["size"] == recipe.size
    with Image.open(tmp_path / "run" / "samples.png") as sheet:
        assert sheet.height % height == sheet.width % width == 0
    if saved["pipeline"] == "translate":
        source, _ = examples(tmp_path / "run" / "model.safetensors")[0]
        assert source.size == (width, height)
        made = pipeline.translate(Image.radial_gradient("L"))
        assert made.size == ((width, height) if pipeline.size else (256, 256))
    else:
        assert pipeline.sample([0, 1]).shape[1:3] == (height, width)
        assert next(pipeline.walk([0, 1], 2)).shape[:2] == (height, width)
        assert f"{width}×{height} pixels" in (tmp_path / "run" / "README.md").read_text()


def test_crops_lie_at_all_places_of_both_sides():
    stored = load_singles("fake", "12x8", Path(), 1, jitter=0.25)  # 15 x 10
    assert (stored.size, stored.images.shape[2:]) == ("12x8", (10, 15))
    batches, places = stored.batches(112, 0, torch.device("cpu")), set()
    for start in range(0, 1120, 112):
        crops, indices = batches._images(start)
        windows = stored.images[indices].unfold(2, 8, 1).unfold(3, 12, 1)  # (B, 1, 3, 4, 8, 12)
        same = (windows == crops[:, :, None, None]).flatten(4).all(-1)[:, 0]
        assert same.flatten(1).any(1).all()
        places |= {tuple(place[1:]) for place in same.nonzero().tolist()}
    assert places == {(row, column) for row in range(3) for column in range(4)}


@pytest.mark.parametrize(
    ("resize", "left", "top"),
    [("crop", (255, 0, 0), (255, 0, 0)), ("stretch", (255, 0, 0), (255, 0, 0)), ("pad", (255, 255, 255), (255, 0, 0))],
)
def test_a_folder_is_read_in_the_shape_asked_for(tmp_path, monkeypatch, resize, left, top):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(2):
        Image.new("RGB", (40, 40), "red").save(folder / f"{number}.png")
    images = data.load(str(folder), "24x16", Path(), 3, how=Reading(resize=resize)).images
    assert images.shape == (2, 3, 16, 24)
    assert tuple(images[0, :, 8, 0].tolist()) == left
    assert tuple(images[0, :, 0, 12].tolist()) == top


@pytest.mark.parametrize(
    ("size", "height_and_width", "halvings", "base"),
    [
        (64, (64, 64), 4, (4, 4)),
        ("96x64", (64, 96), 4, (4, 6)),
        ("48x80", (80, 48), 3, (10, 6)),
        (28, (28, 28), 2, (7, 7)),
    ],
)
def test_sizes(size, height_and_width, halvings, base):
    assert sides(size) == height_and_width
    assert size_of(*height_and_width) == size
    assert base_map(size) == (halvings, base)
    assert sides(scaled(size, 1.5)) == tuple(1.5 * side for side in height_and_width)
    assert size in Sizes(16, halved=True)


@pytest.mark.parametrize("size", ["64x", "x64", "64*48", "0x8", "-4x8", "axb", "64x48x3", None, 6.4])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(InputError, match="a number or WIDTHxHEIGHT, such as 64 or 96x64"):
        sides(size)


def test_a_square_may_be_written_with_both_sides():
    assert replace(RECIPES["dcgan-64"], size="64x64").size == 64
