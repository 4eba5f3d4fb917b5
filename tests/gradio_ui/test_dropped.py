"""A picture that Ganvas made opens where it was made: the link of its recipe, and what the controls take of it."""

import gradio as gr
import pytest
from helpers.small import CLASSES, save_small
from PIL import Image

import pretrained
from gradio_ui import dropped
from gradio_ui.components import Labels
from pretrained.media import provenance
from pretrained.media.images import encode_png
from pretrained.pipelines import image_grid
from pretrained.system.errors import InputError


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """A picture, and what the server offers."""
    pipeline = pretrained.load(str(save_small(tmp_path / "small", classes=CLASSES)), "cpu")
    monkeypatch.setattr(dropped, "offered", lambda: {"small": pipeline})
    return image_grid.render(pipeline, "small", [7, 9], label=1, truncation=0.5, columns=2)


def link_of(tmp_path, data):
    (tmp_path / "a.png").write_bytes(data)
    return dropped.link_of(str(tmp_path / "a.png"))


def test_the_link_sets_the_controls(drawn, tmp_path):
    link = link_of(tmp_path, drawn)
    assert link["model"] == "small"
    assert link["verb"] == "sample"
    names = ["any", *(f"{label} {name}" for label, name in enumerate(CLASSES))]
    controls = {
        "seeds": gr.Textbox("0-63"),
        "label": Labels(names, value="any", type="index"),
        "truncation": gr.Slider(0, 2, 1.0),
        "columns": gr.Number(8, minimum=1, maximum=32),
        "scale": gr.Number(3, minimum=2, maximum=8),
    }
    dropped.set_as(link, controls)
    values = {name: control.value for name, control in controls.items()}
    assert values == {"seeds": "7,9", "label": f"1 {CLASSES[1]}", "truncation": 0.5, "columns": 2, "scale": 3}
    before = dict(values)
    for said in ("", "nan", "1e999", "-1", "9" * 400, "<b>", "True"):
        dropped.set_as({name: said for name in controls if name != "seeds"}, controls)
        assert {name: control.value for name, control in controls.items()} == before


@pytest.mark.parametrize("recipe", [None, {"id": "/etc"}, {"id": ["small"]}, {"id": "user/private"}])
def test_what_is_not_offered_is_not_opened(drawn, tmp_path, recipe):
    plain = encode_png(Image.new("RGB", (8, 8)))
    with pytest.raises(InputError, match="does not say how|is not offered here"):
        link_of(tmp_path, provenance.mark(plain, recipe) if recipe else plain)
