"""The corpus of the fuzzer, and what it found, tried again: each is taken or refused in a sentence."""

import warnings
from pathlib import Path

import pytest

from pretrained.config import MAX_DEPTH, Config
from pretrained.system.errors import MAX_CHARACTERS, InputError
from stress.fuzz.targets import TARGETS, refusals

CORPUS = Path(__file__).parents[2] / "stress" / "fuzz" / "corpus"
GOOD = (CORPUS / "config" / "dcgan.json").read_text()


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_is_taken_or_refused(target):
    files = sorted((CORPUS / target).iterdir())
    assert files
    taken = 0
    for file in files:
        with warnings.catch_warnings(), refusals():
            warnings.simplefilter("ignore")  # Pillow's, of broken metadata
            TARGETS[target](file.read_bytes())
            taken += 1
    assert taken, "not one of them is legal"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("NaN", "not valid JSON"),
        ("1e999", "not valid JSON"),
        ('"\\ud800"', "not valid JSON"),
        ("9" * 5000, "not valid JSON"),
        ("[" * MAX_DEPTH + "]" * MAX_DEPTH, "nested more than"),
        ("[" * 900 + "]" * 900, "nested more than"),
    ],
    ids=["nan", "infinity", "half a character", "endless number", "deep", "deeper"],
)
def test_a_config_that_could_not_be_written_again_is_refused(value, words):
    spoilt = GOOD.replace('"kimg": 1.0', f'"kimg": {value}')
    assert spoilt != GOOD
    with pytest.raises(InputError, match=words):
        Config.from_json(spoilt)
    assert Config.from_json(GOOD.replace("1.0", "[" * 50 + "]" * 50)).to_json()


def test_what_a_file_says_cannot_steer_a_terminal():
    assert str(InputError("no \x1b[2J tensor\r\n named \udc80 'ä'")) == "no ?[2J tensor named ? 'ä'"
    assert len(str(InputError("x" * 10**6))) == MAX_CHARACTERS
