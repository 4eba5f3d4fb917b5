"""Sets that recipes name are found below --data-root; where there is none, a sentence says whence."""

import numpy as np
import pytest
from PIL import Image

from pretrained.system.errors import InputError
from trainer import data
from trainer.data import pairs
from trainer.data.pairs import PairOptions
from trainer.data.sets.folder_sets import FOLDER_SETS, find


def write(folder, shape):
    folder.mkdir(parents=True)
    for number in range(3):
        Image.fromarray(np.full(shape, 60 * number, np.uint8)).save(folder / f"{number}.png")


def test_a_set_lies_below_the_root(tmp_path):
    for letter in "AB":
        write(tmp_path / "letters" / letter, (16, 16))
    found = data.load("letters", 16, tmp_path, 1)
    assert (found.name, found.classes, len(found.images)) == ("letters", ["A", "B"], 6)
    write(tmp_path / "openmoji", (32, 64, 3))
    assert pairs.load_pairs("openmoji", 32, tmp_path, 3, PairOptions()).sources.num_first == 3


def test_a_zip_will_do_and_other_names_stay(tmp_path):
    (tmp_path / "nouns.zip").touch()
    assert find("nouns", tmp_path) == str(tmp_path / "nouns.zip")
    assert find("elsewhere", tmp_path) == "elsewhere"


@pytest.mark.parametrize("name", FOLDER_SETS)
def test_a_missing_set_says_whence(name, tmp_path):
    with pytest.raises(InputError, match="get or make it"):
        data.load(name, 16, tmp_path, 1)
