"""The pages without a browser: what they offer, and what they say when something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from small import CLASSES, save_small
from streamlit.testing.v1 import AppTest

import pretrained

ROOT = Path(__file__).parents[1]
PAGES = ["ui/samples.py", "ui/walk.py"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    save_small(folder / "runs" / "plain", channels=1)
    save_small(folder / "runs" / "labelled", classes=CLASSES)
    return folder


@pytest.fixture
def open_page(folder, monkeypatch):
    """Run a page as the link with these query parameters would."""
    monkeypatch.chdir(folder)

    def run(page: str = PAGES[0], **link: str) -> AppTest:
        app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
        app.query_params.update(link)
        app.run()
        if page != PAGES[0]:
            app.switch_page(page).run()
        assert not app.exception
        return app

    return run


def labels(app: AppTest) -> set[str]:
    return {widget.label for widget in (*app.number_input, *app.selectbox, *app.slider, *app.text_input, *app.toggle)}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("model", "has_labels"), [("runs/plain", False), ("runs/labelled", True)])
def test_a_page_offers_what_the_checkpoint_takes(open_page, page, model, has_labels):
    app = open_page(page, model=model)
    assert ("Label" in labels(app)) == has_labels
    assert not app.error
    if has_labels:
        picker = next(box for box in app.selectbox if box.label == "Label")
        assert picker.options == ["each seed's own", "0 <b>coat</b>", "1 bag"]


def test_bundled_checkpoints_come_first_then_the_runs(open_page):
    options = open_page().sidebar.selectbox[0].options
    bundled = pretrained.available()
    assert options[: len(bundled)] == bundled
    assert set(options[len(bundled) :]) == {"runs/plain", "runs/labelled"}


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("nothing", "is no model"),
        ("<b>bold</b>", "is no model"),
        ("../../etc/passwd", "is no model"),
        ("/etc/passwd", "is no model"),
        ("../runs", "is not a repository name"),
        ("a/b@..", "is not a revision"),
    ],
)
def test_a_wrong_id_is_answered_in_a_sentence(open_page, id, words):
    app = open_page(model=id)
    (error,) = app.error
    assert words in error.value.replace("\\", "")


def test_a_file_that_is_no_checkpoint_is_answered_in_a_sentence(open_page, folder):
    broken = folder / "runs" / "broken"
    broken.mkdir()
    (broken / "model.safetensors").write_bytes(b"not one")
    app = open_page(model="runs/broken")
    (broken / "model.safetensors").unlink()
    (error,) = app.error
    assert "not a whole safetensors file" in error.value.replace("\\", "")


@pytest.mark.parametrize(
    ("seeds", "words"), [("", "does not name seeds"), ("5-1", "does not name seeds"), ("0-99", "at most 32")]
)
def test_wrong_seeds_are_answered_in_a_sentence(open_page, seeds, words):
    app = open_page(PAGES[1], model="runs/plain")
    app.text_input[0].set_value(seeds).run()
    (error,) = app.error
    assert words in error.value.replace("\\", "")


@pytest.mark.parametrize(
    ("page", "name", "value"),
    [(PAGES[0], "count", "9999"), (PAGES[0], "seed", "-1"), (PAGES[0], "label", "9 hat"), (PAGES[1], "frames", "9999")],
)
def test_a_link_cannot_go_beyond_the_bounds(open_page, page, name, value):
    app = open_page(page, model="runs/labelled", **{name: value})
    given = {widget.key: widget.value for widget in (*app.number_input, *app.selectbox)}
    assert given[name] == {"count": 64, "seed": 0, "label": "each seed's own", "frames": 120}[name]


def test_the_last_seeds_there_are(open_page):
    app = open_page(model="runs/plain", seed=str(2**32 - 1))
    assert not app.error
    assert "--seeds 4294967295-4294967295" in app.code[0].value


def test_a_model_that_is_trained_further_is_read_again(open_page, folder):
    def size() -> str:
        return " ".join(block.proto.body for block in open_page(model="runs/grown").get("html"))

    save_small(folder / "runs" / "grown", size=16)
    assert "16 × 16" in size()
    save_small(folder / "runs" / "grown", size=32)
    assert "32 × 32" in size()
