"""A text in the typeface of a seed: what can be written, and where the letters stand."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import pretrained
from pretrained.pipelines import image_grid
from pretrained.pipelines.write import characters, film, lines_of, write
from pretrained.system.errors import InputError


@pytest.fixture(scope="module")
def digits():
    return pretrained.load("dcgan-mnist", "cpu")


def runs_of(levels: np.ndarray) -> int:
    """How many separate pieces of ink there are from left to right."""
    ink = (levels > 100).any(axis=0)
    return int((np.diff(ink.astype(int)) == 1).sum() + ink[0])


def test_letters_stand_apart_and_nothing_is_cut_off(digits):
    drawn = write(digits, "2071", seed=7, truncation=0.6)[..., 0]
    assert runs_of(drawn) == 4
    assert max(drawn[0].max(), drawn[-1].max(), drawn[:, 0].max(), drawn[:, -1].max()) < 60
    apart = np.flatnonzero(np.diff((drawn > 100).any(axis=0).astype(int)))
    gaps = apart[2::2] - apart[1:-1:2]
    assert (gaps < 0.45 * 32).all()  # none stands in a box of its own


def test_a_typeface_is_the_seed_and_lines_break_between_words(digits):
    one, other = (write(digits, "88", seed, 0.6) for seed in (1, 2))
    assert one.shape != other.shape or not np.array_equal(one, other)
    assert np.array_equal(write(digits, "88", 1, 0.6), one)
    assert lines_of("12 34\n5", digits.config) == [[1, 2, None, 3, 4], [5]]
    assert len(lines_of("0123456789 0123456789", digits.config)) == 2
    assert write(digits, "1\n1", 1).shape[0] > write(digits, "1", 1).shape[0]


def test_it_is_inverted_and_enlarged_with_sharp_edges(digits):
    plain, large = write(digits, "35", 1), write(digits, "35", 1, scale=8, invert=True)
    assert large.shape[0] == 8 * plain.shape[0]
    assert large[0].min() > 200
    between = ((large > 40) & (large < 215)).mean()
    assert between < 0.1


def test_the_film_begins_with_the_first_typeface_and_keeps_its_size(digits):
    frames = list(film(digits, "42", [1, 2], 12, 0.6))
    assert {frame.shape for frame in frames} == {frames[0].shape}
    assert not np.array_equal(frames[0], frames[6])


def test_the_file_says_how_to_make_it_again(digits):
    png = image_grid.write(digits, "dcgan-mnist", "7", 5, 0.7, 2, True)
    with Image.open(io.BytesIO(png)) as image:
        said = json.loads(image.text[image_grid.METADATA])
    assert said["text"] == "7"
    assert (said["seed"], said["truncation"], said["scale"], said["invert"]) == (5, 0.7, 2, True)


@pytest.mark.parametrize(
    ("text", "words"), [("", "1 to 200 characters"), ("a", "'a' cannot be written: this model has 0123456789")]
)
def test_what_cannot_be_written_is_said(digits, text, words):
    with pytest.raises(InputError, match=words):
        write(digits, text)


def test_case_and_accents_are_dropped_where_there_are_none(digits):
    letters = replace(digits.config, condition={"classes": list("ABCDEFGHIJ")})
    assert lines_of("bÉ", letters) == [[1, 4]]
    assert characters(replace(digits.config, condition={"classes": ["ten"] * 10})) == {}
    with pytest.raises(InputError, match="its classes are not single characters"):
        lines_of("x", pretrained.load("dcgan-fashion", "cpu").config)
