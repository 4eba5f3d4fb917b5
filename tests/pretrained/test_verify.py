"""A picture is what its recipe says, or it is not, or that cannot be known; what was altered is never the same."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from helpers import translating
from helpers.small import CLASSES, save_able, save_small
from PIL import Image

import pretrained
from pretrained.media import provenance, video
from pretrained.media.images import encode_png
from pretrained.pipelines import directions, image_grid
from pretrained.verify import verify


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A picture of a small checkpoint, its pipeline and its id."""
    id = str(save_small(tmp_path_factory.mktemp("models") / "small", classes=CLASSES))
    pipeline = pretrained.load(id, "cpu")
    return image_grid.render(pipeline, id, [3, 1, 4], columns=2, scale=2, moves={"sefa-1": 1.5}), pipeline, id


def kind_of(tmp_path, data, name="a.png", **how):
    (tmp_path / name).write_bytes(data)
    return verify(tmp_path / name, **how).kind


def again(data, change, kind="PNG", recipe=None, **options):
    """The picture changed, with the recipe that it had, or another."""
    with Image.open(io.BytesIO(data)) as image:
        given = json.loads(image.info["ganvas"]) | (recipe or {})
        pixels = change(np.array(image))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return provenance.mark(buffer.getvalue(), given)


def nudge(pixels, by=2):
    pixels[5, 5, 0] = pixels[5, 5, 0] + by if pixels[5, 5, 0] < 128 else pixels[5, 5, 0] - by
    return pixels


def test_what_was_drawn_is_the_same(drawn, tmp_path):
    assert kind_of(tmp_path, drawn[0]) == "same"
    assert kind_of(tmp_path, again(drawn[0], lambda pixels: pixels, "WEBP", lossless=True), "a.webp") == "same"


@pytest.mark.parametrize(
    ("change", "recipe"),
    [
        (nudge, {}),
        (lambda pixels: pixels, {"seeds": [3, 1, 5]}),
        (lambda pixels: pixels, {"label": 1}),
        (lambda pixels: pixels, {"truncation": 0.9}),
        (lambda pixels: pixels[:-1], {}),
        (lambda pixels: pixels[:, ::-1], {}),
    ],
)
def test_what_was_altered_differs(drawn, tmp_path, change, recipe):
    assert kind_of(tmp_path, again(drawn[0], change, recipe=recipe)) == "differs"


def test_a_last_bit_that_a_device_rounds_otherwise_is_no_difference(drawn, tmp_path):
    """That device wrote the digest of its own pixels; one that somebody altered later has another."""
    with Image.open(io.BytesIO(drawn[0])) as image:
        there = image_grid.digest(Image.fromarray(nudge(np.array(image), 1)))
    assert kind_of(tmp_path, again(drawn[0], lambda pixels: nudge(pixels, 1), recipe={"pixels": there})) == "same"
    assert kind_of(tmp_path, again(drawn[0], lambda pixels: nudge(pixels, 1))) == "differs"


@pytest.mark.parametrize("smooth", [True, False])
def test_one_that_was_enlarged_for_a_file_is_the_same(drawn, tmp_path, smooth):
    data = image_grid.enlarge_png(drawn[0], 512, smooth)
    assert kind_of(tmp_path, data) == "same"
    assert kind_of(tmp_path, again(data, lambda pixels: pixels, recipe={"enlarged": {"side": 10**9}})) == "unknown"


def test_directions_that_are_kept_are_known_as_long_as_they_are_the_same(drawn, tmp_path):
    _, pipeline, id = drawn
    file = Path(id) / directions.FILE
    directions.keep(file, pipeline.config, "slant", directions.expand(pipeline, ["sefa-2"])["sefa-2"])
    named = directions.read(file, pipeline.config)
    moved = image_grid.render(pipeline, id, [7], moves={"slant": 2.0, "sefa-1": -1.0}, named=named)
    rows = {"slant": directions.Direction(named["slant"].vector, {"slant": 1.0})}
    sheet = image_grid.sweep(pipeline, id, rows, [-2.0, 2.0], 5)
    assert kind_of(tmp_path, moved) == kind_of(tmp_path, sheet) == "same"
    file.write_bytes(directions.encode({"slant": directions.expand(pipeline, ["sefa-3"])["sefa-3"]}, pipeline.config))
    assert kind_of(tmp_path, moved) == kind_of(tmp_path, sheet) == "unknown"
    file.unlink()
    assert kind_of(tmp_path, moved) == "unknown"


def test_the_difference_shows_where(drawn, tmp_path):
    (tmp_path / "a.png").write_bytes(again(drawn[0], nudge))
    found = verify(tmp_path / "a.png")
    assert found.words == "1 pixels differ, by 2 levels at most"
    assert np.argwhere(np.asarray(Image.open(io.BytesIO(found.difference)))).tolist() == [[5, 5]]


@pytest.mark.parametrize(
    "recipe",
    [
        {"digest": "0" * 64},
        {"digest": ""},
        {"id": "no/such"},
        {"id": "/etc"},
        {"verb": "exec"},
        {"seeds": "0-9"},
        {"seeds": [10**30]},
        {"seeds": list(range(200_000))},
        {"truncation": "much"},
        {"truncation": 1e300},
        {"moves": {"mine": 1}},
        {"moves": [1]},
        {"scale": 10**9},
        {"scale": -1},
        {"columns": 0.5},
    ],
)
def test_what_cannot_be_known_is_said(drawn, tmp_path, recipe, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert kind_of(tmp_path, again(drawn[0], lambda pixels: pixels, recipe=recipe)) == "unknown"


def test_a_picture_without_a_recipe_cannot_be_known(tmp_path):
    assert kind_of(tmp_path, encode_png(Image.new("RGB", (8, 8)))) == "unknown"
    assert kind_of(tmp_path, provenance.mark(encode_png(Image.new("RGB", (8, 8))))) == "unknown"


def test_a_jpeg_of_it_is_never_the_same(drawn, tmp_path):
    assert kind_of(tmp_path, again(drawn[0], lambda pixels: pixels, "JPEG", quality=95), "a.jpeg") == "unknown"
    assert (
        kind_of(tmp_path, again(drawn[0], lambda pixels: 255 * (pixels < 128).astype("uint8"), "JPEG"), "a.jpeg")
        == "differs"
    )


@pytest.mark.parametrize("suffix", video.FORMATS)
def test_a_video_is_the_same_where_its_encoder_is(drawn, tmp_path, suffix):
    _, pipeline, id = drawn
    said = {"verb": "walk", "seeds": [0, 5], "frames": 6, "fps": 10, "label": None, "truncation": 1.0, "loop": True}
    recipe = {**image_grid.recipe_of(pipeline, id), **said, "text": None}
    frames = list(pipeline.walk([0, 5], 6))
    assert kind_of(tmp_path, video.encode(frames, suffix, 10, recipe), f"a{suffix}") == "same"
    altered = [255 - frame for frame in frames]
    assert kind_of(tmp_path, video.encode(altered, suffix, 10, recipe), f"b{suffix}") == "differs"


def test_mixtures_reconstructions_and_translations(tmp_path):
    style = str(save_able(tmp_path / "style", "style"))
    assert kind_of(tmp_path, image_grid.mix(pretrained.load(style, "cpu"), style, [1, 2], [3], 2)) == "same"
    coder = str(save_able(tmp_path / "coder", "encode"))
    picture = Image.effect_noise((40, 40), 90).convert("RGB")
    assert kind_of(tmp_path, image_grid.reconstruct(pretrained.load(coder, "cpu"), coder, picture, scale=2)) == "same"
    translator = str(translating.save(tmp_path / "translator", "sketch"))
    data = image_grid.translate(pretrained.load(translator, "cpu"), translator, picture)
    assert kind_of(tmp_path, data) == "unknown"
    assert kind_of(tmp_path, data, source=picture) == "same"
    assert kind_of(tmp_path, data, source=picture.rotate(90)) == "unknown"
