"""Random folders: each is read right, or refused in one sentence; no image goes without a word."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.folders import FORMS, GHOST, encode, image, with_ghosts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pretrained.media.files import is_image, is_litter
from pretrained.system.errors import InputError
from trainer import data
from trainer.data import domains
from trainer.data.pairs import PairOptions, load_pairs, load_singles

GOOD = {size: encode(image(3, size)) for size in ((8, 8), (16, 8), (12, 8), (24, 8))}
FILES = {
    "a.png": GOOD[8, 8],
    "A.png": GOOD[8, 8],
    "b.png": GOOD[16, 8],
    "b.PNG": GOOD[12, 8],
    "10.png": GOOD[24, 8],
    "grey.png": encode(Image.new("L", (8, 8), 90)),
    "é.png": GOOD[8, 8],
    "e\u0301.png": GOOD[8, 8],
    "new\nline.png": GOOD[8, 8],
    "deep.tif": encode(Image.new("I", (8, 8), 70000), "TIFF"),
    "broken.png": GOOD[8, 8][:50],
    "text.jpg": b"no picture",
    "._a.png": GHOST,
    ".DS_Store": b"x",
    "a.txt": b"a caption",
    "metadata.jsonl": b'{"file_name": "a.png", "text": "one"}',
    "captions.jsonl": b"not json",
    "movie.mp4": b"x",
}
FOLDERS = [
    "",
    "A",
    "B",
    "a",
    "train",
    "Train",
    "val",
    "test",
    "trainA",
    "trainB",
    "testA",
    "train_B",
    "cat",
    "dog",
    "10",
]
FOLDERS += ["images", "__MACOSX", ".ipynb_checkpoints", "label", "img", "ca\nt"]
PATHS = st.lists(st.sampled_from(FOLDERS), max_size=3).map(lambda parts: "/".join(filter(None, parts)))
TREES = st.dictionaries(st.tuples(PATHS, st.sampled_from(sorted(FILES))), st.none(), max_size=14)


def left_out(said: str) -> int:
    return sum(int(found) for found in re.findall(r"left out (\d+) of \d+ images that cannot be read", said))


def attempt(load: Callable[[], data.Dataset]) -> data.Dataset | InputError:
    """A data set, or why there is none; any other error fails."""
    try:
        return load()
    except InputError as error:
        return error


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREES, st.sampled_from(sorted(FORMS)))
def test_any_folder_is_read_or_refused(tree, form):
    files = {f"{folder}/{name}".lstrip("/"): FILES[name] for folder, name in tree}
    if not files and "ghosts" in form:
        return
    with tempfile.TemporaryDirectory() as here, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", f"{here}/cache")
        (Path(here) / "set").mkdir()
        path = str(FORMS[form](Path(here) / "set", files))
        seen = [name for name in files if is_image(name) and not any(map(is_litter, name.split("/")))]
        for load in (
            lambda: data.load(path, 8, Path()),
            lambda: load_singles(path, 8, Path(), None, 0.0),
            lambda: load_pairs(path, 8, Path(), None, PairOptions(jitter=0.0)),
            lambda: domains.load(path, 8, None, 0.0),
        ):
            found = attempt(load)
            if isinstance(found, InputError):
                assert "\n" not in str(found)
                continue
            assert found.found
            unused = sum(map(int, re.findall(r"(\d+) in \w+/ are not used", found.found)))
            if load.__code__.co_names[0] in ("data", "load_singles"):
                total = len(found.images) + found.num_held_out + unused + left_out(found.found)
                assert total == len(seen), found.found
            assert found.labels is None or len(found.labels) == len(found.images)
            assert found.classes == list(dict.fromkeys(found.classes))


def test_the_ghosts_of_the_tests_are_litter():
    added = with_ghosts({"a/b.png": b""}).keys() - {"a/b.png"}
    assert all(any(map(is_litter, name.split("/"))) for name in added)
