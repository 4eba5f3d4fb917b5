"""The pages without a browser: what they offer, and what they say when something is wrong."""

from __future__ import annotations

import io
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from helpers import translating
from helpers.small import CLASSES, save_able, save_small
from PIL import Image
from streamlit import config
from streamlit.testing.v1 import AppTest

import pretrained
from pretrained.checkpoint import read_config
from pretrained.media import provenance
from pretrained.pipelines import image_grid
from pretrained.system import server
from pretrained.system.errors import InputError
from ui.menu import PAGES as MENU
from ui.state.dropped import open_where_it_was_made

ROOT = Path(__file__).parents[2]
PAGES = ["samples.py", "walk.py"]
ABLE = {"style": "styled", "encode": "encoder", "encode labels": "editor", "text": "reader"}
TRANSLATORS = ("sketch", "style")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    save_small(folder / "runs" / "plain", channels=1)
    save_small(folder / "runs" / "labelled", classes=CLASSES)
    for ability, name in ABLE.items():
        save_able(folder / "runs" / name, ability)
    for row in TRANSLATORS:
        translating.save(folder / "runs" / row, row)
    return folder


@pytest.fixture
def open_page(folder, monkeypatch):
    """Run a page as the link with these query parameters would."""
    monkeypatch.chdir(folder)

    def run(page: str = PAGES[0], **link: str) -> AppTest:
        app = AppTest.from_file(ROOT / "ui" / "main.py", default_timeout=120)
        app.query_params.update(link)
        app.run()
        if page != PAGES[0] or "model" not in link:
            app.switch_page(MENU[page.removesuffix(".py")].file).run()
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
    bundled = [name for name in pretrained.available() if "noise" in read_config(pretrained.resolve(name)[0]).input]
    assert [option.rpartition(" · ")[2] for option in options[: len(bundled)]] == bundled
    assert options[0] != bundled[0]  # they have titles
    assert set(options[len(bundled) :]) == {f"runs/{name}" for name in ("plain", "labelled", *ABLE.values())}


@pytest.mark.parametrize(
    ("page", "model", "offered"),
    [
        ("mix.py", "styled", {"Rows, coarse", "Columns, fine", "Coarse layers", "Truncation"}),
        (
            "encode.py",
            "encoder",
            {
                "An image",
                "Example, image of seed",
                "Another image, for a video from one to the other",
                "Frames",
                "Frames per second",
            },
        ),
        ("samples.py", "reader", {"Images", "First seed", "Columns", "Text", "Truncation"}),
        ("walk.py", "reader", {"Seeds", "Frames", "Frames per second", "Text", "Truncation", "Loop"}),
        ("translate.py", "style", {"Strength"}),
    ],
)
def test_a_page_offers_what_else_the_checkpoint_can_do(open_page, page, model, offered):
    app = open_page(page, model=f"runs/{model}")
    assert not app.error
    named = labels(app) | {box.label for box in app.file_uploader}
    assert named - {"Size of the file"} == {"Model", *offered}


@pytest.mark.parametrize(
    ("page", "model", "words"),
    [
        ("mix.py", "plain", "runs/plain has no styles to mix: this is stylegan-fashion."),
        ("encode.py", "styled", "runs/styled has no encoder to look at an image with: this is icgan-mnist."),
        ("translate.py", "plain", "runs/plain translates no images: this is draw-emoji."),
        ("walk.py", "sketch", "runs/sketch makes no images from seeds: this is "),
        ("write.py", "labelled", "runs/labelled has no characters to write with: this is "),
    ],
)
def test_a_link_to_a_page_that_the_checkpoint_cannot_fill_opens_it_with_one_that_can(open_page, page, model, words):
    app = open_page(page, model=f"runs/{model}")
    assert words in app.info[0].value.replace("\\", "")
    assert f"runs/{model}" not in app.sidebar.selectbox[0].options
    assert not app.error


def test_each_kind_of_page_remembers_its_model(open_page):
    app = open_page("samples.py", model="runs/plain")
    app.switch_page(MENU["translate"].file).run()
    assert app.sidebar.selectbox[0].value == "draw-emoji"
    app.switch_page(MENU["samples"].file).run()
    assert app.sidebar.selectbox[0].value == "runs/plain"


def test_a_text_is_drawn_and_told_to_the_shell(open_page):
    app = open_page(model="runs/reader", text="Blue cat")
    assert "--text 'Blue cat'" in app.code[0].value
    app = open_page(model="runs/reader", text="xyz")
    assert "no word of 'xyz' is known" in app.error[0].value.replace("\\", "")


def test_too_many_mixtures_are_answered_in_a_sentence(open_page):
    app = open_page("mix.py", model="runs/styled")
    next(box for box in app.text_input if box.label == "Rows, coarse").set_value("0-16").run()
    assert "at most 16" in app.error[0].value


@pytest.mark.parametrize(
    ("layers", "given"), [("0", 0), ("8", 8), ("9", 3), ("-1", 3)], ids=["none", "all", "more", "fewer"]
)
def test_as_many_layers_as_there_are(open_page, layers, given):
    app = open_page("mix.py", model="runs/styled", layers=layers, coarse="1", fine="2")
    slider = next(slider for slider in app.slider if slider.label == "Coarse layers")
    assert (slider.min, slider.max, slider.value) == (0, 8, given)
    assert f"--layers {given}" in app.code[0].value


def image_file(size: tuple[int, int] = (50, 40), format: str = "PNG", mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert(mode).save(buffer, format)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["1", "P", "LA", "I;16", "RGB"])
def test_a_image_of_any_mode_is_reconstructed(open_page, mode):
    app = open_page("encode.py", model="runs/encoder")
    app.file_uploader[0].set_value(("mine.png", image_file(mode=mode), "image/png")).run()
    assert not app.exception
    assert not app.error
    assert [caption for image in app.image for caption in image.captions] == ["Yours", "Drawn again"]
    assert "reconstruct runs/encoder --input in.png" in app.code[0].value


@pytest.mark.parametrize(
    ("page", "field", "link"),
    [
        ("encode.py", "example", {"model": "runs/encoder", "frames": "2"}),
        ("edit.py", "example", {"model": "runs/plain", "steps": "50"}),
        ("compare.py", "seeds", {"checkpoints": ["runs/plain", "runs/labelled"]}),
    ],
)
def test_a_page_is_full_on_arrival_and_surprises(open_page, page, field, link):
    app = open_page(page, **link)
    before = app.session_state[field]
    assert app.image
    next(button for button in app.button if button.label == "Surprise me").click().run()
    assert not app.exception
    assert not app.error
    assert app.session_state[field] != before
    assert app.image


def test_a_image_is_drawn_as_one_of_another_class(open_page):
    app = open_page("encode.py", model="runs/editor")
    app.file_uploader[0].set_value(("mine.png", image_file(), "image/png")).run()
    picker = next(box for box in app.selectbox if box.label == "Label")
    assert picker.options == ["as it is read", "0 <b>coat</b>", "1 bag"]
    picker.set_value("1 bag").run()
    assert app.image[1].captions == ["Drawn as bag"]
    assert "--label 1" in app.code[0].value


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no picture", "not an image that can be read"),
        (image_file()[:60], "not an image that can be read"),
        (image_file((10_000, 6_000), mode="1"), "at most 50,000,000 pixels"),
        (image_file() + bytes(21 * 2**20), "has 21 MB: at most 20"),
    ],
    ids=["text", "half", "large", "heavy"],
)
def test_an_upload_that_is_refused_is_answered_in_a_sentence(open_page, data, words):
    app = open_page("encode.py", model="runs/encoder")
    app.file_uploader[0].set_value(("mine.png", data, "image/png")).run()
    assert not app.exception
    assert words in app.error[0].value.replace("\\", "")


def test_a_deep_upload_asks_for_the_values_of_black_and_white(open_page):
    ramp, file = np.linspace(0, 4095, 64).astype(np.uint16).reshape(8, 8), io.BytesIO()
    Image.fromarray(ramp).save(file, "PNG")
    app = open_page("encode.py", model="runs/encoder")
    app.file_uploader[0].set_value(("deep_1.png", file.getvalue(), "image/png")).run()
    assert "may be of 12 bits" in app.error[0].value
    fields = {field.label.partition(" ")[0]: field for field in app.number_input if "deep" in field.label}
    fields["Black"].set_value(0.0)
    fields["White"].set_value(4095.0)
    app.run()
    assert not app.error
    assert not app.exception


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
    ("seeds", "words"),
    [("", "Seeds must be numbers and ranges"), ("5-1", "Seeds must be numbers and ranges"), ("0-99", "at most 32")],
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


def test_a_film_is_drawn_without_the_name_that_streamlit_may_take_back(open_page, monkeypatch):
    name = "streamlit.runtime.scriptrunner_utils.script_run_context"
    without = ModuleType(name)
    vars(without).update({key: value for key, value in vars(sys.modules[name]).items() if key != "ThreadState"})
    monkeypatch.setitem(sys.modules, name, without)
    app = open_page("walk.py", model="runs/plain", seeds="11-12", frames="7")
    assert not app.exception
    assert len(app.get("video")) == 1


def test_a_program_error_shows_no_line_of_the_server(monkeypatch):
    said = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["client"]["showErrorDetails"]
    before = config.get_option("client.showErrorDetails")
    config.set_option("client.showErrorDetails", said)
    try:
        app = AppTest.from_string("raise ValueError('/home/secret')").run()
    finally:
        config.set_option("client.showErrorDetails", before)
    shown = app.exception[0]
    assert not [*shown.stack_trace]
    assert "/home/secret" not in f"{shown.message} {shown.value}"


def drop(app: AppTest, data: bytes, name: str = "mine.png") -> AppTest:
    app.file_uploader[0].set_value((name, data, "image/png")).run()
    assert not app.exception
    return app


def test_a_dropped_picture_opens_where_it_was_made(open_page):
    id = "runs/labelled"
    pipeline = pretrained.load(id, "cpu")
    data = image_grid.render(pipeline, id, [7, 8, 9], label=1, truncation=0.5, columns=2)
    app = drop(open_page("gallery.py"), data)
    assert app.title[0].value == "Samples"
    fields = {widget.key: widget.value for widget in (*app.number_input, *app.selectbox, *app.slider)}
    assert {name: fields[name] for name in ("seed", "count", "truncation")} == {
        "seed": 7,
        "count": 3,
        "truncation": 0.5,
    }
    assert fields["label"] == f"1 {CLASSES[1]}"
    app = drop(open_page("gallery.py"), image_grid.render(pipeline, id, [7], moves={"sefa-1": 1.5}))
    assert app.title[0].value == "Explore"
    assert {"move-sefa-1": 1.5}.items() <= {widget.key: widget.value for widget in app.slider}.items()


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (None, "says nothing of where it came from"),
        ({"id": "/etc"}, "is no model"),
        ({"id": "../runs/labelled"}, "is no model"),
        ({"id": "somebody/private", "revision": "a" * 40}, "is not offered here"),
        ({"id": ["runs/labelled"]}, "is no model"),
    ],
)
def test_a_dropped_picture_opens_nothing_else(folder, monkeypatch, recipe, words):
    monkeypatch.chdir(folder)
    monkeypatch.setenv(server.ALLOW, "")
    data = image_file()
    with pytest.raises(InputError, match=words):
        open_where_it_was_made("mine.png", provenance.mark(data, recipe) if recipe else data)


@pytest.mark.parametrize(
    "said", [{"verb": ["sample"]}, {"verb": "sample", "seeds": {}, "moves": {"a": [1] * 10**4}}, {}]
)
def test_a_recipe_of_nonsense_opens_the_page_of_its_model(folder, monkeypatch, said):
    monkeypatch.chdir(folder)
    page, link = open_where_it_was_made("a.png", provenance.mark(image_file(), {"id": "runs/labelled"} | said))
    assert page in ("samples", "explore")
    assert link["model"] == "runs/labelled"
    assert all(len(value) <= 1000 for value in link.values())
