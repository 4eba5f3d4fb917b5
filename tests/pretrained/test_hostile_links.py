"""Links to the app's pages that no widget would write: each is the default or one sentence, soon, and reads no path."""

from __future__ import annotations

import re
import resource
import time
from pathlib import Path

import pytest
from helpers import translating
from helpers.hostile import SEEDS, VALUES
from helpers.small import CLASSES, save_able, save_small
from streamlit.testing.v1 import AppTest

from ui.menu import PAGES as MENU

ROOT = Path(__file__).parents[2]
SECONDS, MEGABYTES = 8.0, 500  # of processor time, for a page
# What each page reads of a link, and a checkpoint that fills it.
PAGES = {
    "samples": ("labelled", "count seed columns label truncation"),
    "walk": ("labelled", "frames fps label truncation loop"),
    "explore": ("labelled", "seed number a b c way label truncation across up method move-sefa-1"),
    "mix": ("styled", "layers truncation"),
    "edit": ("labelled", "way example steps only label across up move-sefa-1"),
    "translate": ("style", "way degrade seed strength fit example"),
    "compare": ("labelled", "ready columns label truncation way example degrade seed strength"),
    "watch": ("labelled", "run curves log moment"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("links")
    save_small(folder / "runs" / "labelled", classes=CLASSES, size=16)
    save_able(folder / "runs" / "styled", "style")
    save_able(folder / "runs" / "reader", "text")
    translating.save(folder / "runs" / "style", "style")
    (folder / "runs/labelled/log.jsonl").write_text('{"kimg": 1, "D": 1.0, "seconds": 1, "images/s": 1}\n')
    return folder


@pytest.fixture
def visit(folder, monkeypatch):
    """Follow a link: the page comes within bounds -> it, and its sentences about what is wrong, as they are read."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def run(page: str, **link: str) -> tuple[AppTest, list[str]]:
        app = AppTest.from_file(ROOT / "ui" / "main.py", default_timeout=120)
        app.switch_page(MENU[page].file)
        app.query_params.update(link)
        peak, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        app.run()
        assert time.process_time() - start < SECONDS
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024 < MEGABYTES
        assert not app.exception, app.exception[0].value
        said = [re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", element.value) for element in (*app.error, *app.warning)]
        assert all(sentence.isprintable() and len(sentence) < 500 for sentence in said)
        assert not any("root:" in str(element.value) for element in (*app.markdown, *app.caption, *app.code))
        return app, said

    return run


@pytest.mark.parametrize("turn", range(3))
@pytest.mark.parametrize("page", PAGES)
def test_a_link_beyond_the_widgets_is_the_default(visit, page, turn):
    """Each parameter has another of the values; at the next turn it has one of those that stand five on."""
    model, names = PAGES[page]
    values = [*VALUES.values()]
    link = {name: values[(place + 5 * turn) % len(values)] for place, name in enumerate(names.split())}
    app, said = visit(page, model=f"runs/{model}", **link)
    assert not said
    for field in app.number_input:
        assert field.min <= field.value <= field.max


@pytest.mark.parametrize(("page", "name"), [("samples", "count"), ("walk", "frames"), ("explore", "seed")])
def test_an_endless_number_leaves_the_field_in_order(visit, page, name):
    app, _ = visit(page, model="runs/labelled", **{name: "inf"})
    field = app.number_input(key=name)
    before = field.value
    assert name not in app.query_params
    field.set_value(before + 1).run()
    assert not app.exception
    assert app.number_input(key=name).value == before + 1


@pytest.mark.parametrize("value", VALUES)
def test_what_is_no_checkpoint_is_one_sentence(visit, value):
    _, said = visit("samples", model=VALUES[value])
    assert len(said) == (0 if value == "nothing" else 1)
    assert all("is no model: choose one" in text or "is not a repository name" in text for text in said)


@pytest.mark.parametrize("seeds", SEEDS)
def test_wrong_seeds_are_the_sentence_of_the_api(visit, seeds):
    _, said = visit("walk", model="runs/labelled", seeds=seeds)
    assert len(said) == 1
    assert SEEDS[seeds].lower() in said[0].lower()
