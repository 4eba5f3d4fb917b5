"""Comparing checkpoints: what belongs side by side, the same seeds and pictures for all, and what is memorised."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import translating
from helpers.small import CLASSES, save_small
from helpers.tiny import recipe, settings
from streamlit.testing.v1 import AppTest

import pretrained
from pretrained import checkpoint
from pretrained.media.images import encode_png
from trainer.loop.train import train
from ui.state import comparisons

ROOT = Path(__file__).parents[2]
VERBS = ("reads", "makes")
NEEDS = (("fill", "mask"), ("pose", "second"))
FOUND = {
    "distance": "root mean square",
    "held_out": {"what": "12 pictures of mnist test", "median": 25.5},
    "median": 29.2,
    "samples": [
        {"seed": 0, "distances": [50.0], "share_nearer": 0.9},
        {"seed": 1, "distances": [20.0], "share_nearer": 0.125},
    ],
}


def write_comparison(root: Path, *names: str) -> None:
    """The folder of a comparison, as it lies after it was moved here from elsewhere."""
    runs = [{"loss": name.rpartition("-")[0], "folder": f"/elsewhere/compare/{name}"} for name in names]
    root.mkdir(parents=True, exist_ok=True)
    (root / comparisons.COMPARISON).write_text(json.dumps({"recipe": "dcgan-mnist", "runs": runs}))


def write_nearest(folder: Path, values: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / comparisons.NEAREST).write_text(json.dumps(values))
    (folder / "nearest.png").write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8)))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A comparison of two losses, a run with its raw weights, one with labels, and translators."""
    folder = tmp_path_factory.mktemp("compare")
    runs = folder / "runs"
    train(recipe("dcgan-mnist"), settings(), runs / "run", "python -m trainer")
    names = ("hinge-0", "hinge-1", "lsgan-0", "wgan-0")
    for name in names[:3]:
        save_small(runs / "compare" / name, size=16, channels=1)
    write_comparison(runs / "compare", *names)
    save_small(runs / "labelled", classes=CLASSES)
    for row in ("sketch", "colour", "fill", "pose", "style"):
        translating.save(runs / row, row)
    translating.save(runs / "another", "sketch")
    return folder


@pytest.fixture
def compare(folder, monkeypatch):
    """Run the page as a link with these query parameters would."""
    monkeypatch.chdir(folder)

    def run(*checkpoints: str, **link: str) -> AppTest:
        app = AppTest.from_file(ROOT / "ui" / "main.py", default_timeout=120)
        app.query_params.update({"model": "dcgan-mnist", **link})
        if checkpoints:
            app.query_params["checkpoints"] = list(checkpoints)
        app.run().switch_page("views/compare.py").run()
        assert not app.exception
        return app

    return run


def chosen(app: AppTest) -> list[str]:
    return app.multiselect[0].value


def alternatives(app: AppTest) -> list[str]:
    return [image.alt for element in app.image for image in element.proto.imgs]


def test_sets_that_belong_side_by_side(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert comparisons.sets(Path("runs")) == {
        "runs/compare: hinge, lsgan": ["runs/compare/hinge-0", "runs/compare/lsgan-0"],
        "runs/run: averaged and raw weights": ["runs/run", "runs/run/raw"],
    }


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"runs": 3}', '{"runs": [3, {"loss": []}, {"loss": "a"}]}', "[" * 9999]
)
def test_results_that_are_none_offer_nothing(tmp_path, text):
    (tmp_path / "compare").mkdir()
    (tmp_path / "compare" / comparisons.COMPARISON).write_text(text)
    assert comparisons.sets(tmp_path) == {}


def test_raw_weights_are_those_before_averaging(folder):
    run, raw = (pretrained.load(str(folder / "runs" / name), "cpu") for name in ("run", "run/raw"))
    assert raw.config.name == f"{run.config.name}-raw"
    assert raw.config.network == run.config.network
    state = torch.load(folder / "runs/run/resume.pt", weights_only=True)["trainer"]
    for pipeline, stored in ((run, state["average"]), (raw, state["method"])):
        prefix = "G." if pipeline is raw else ""
        weights = pipeline.network.state_dict()
        assert all(stored[prefix + name].equal(tensor) for name, tensor in weights.items())
    assert not raw.network.project.weight.equal(run.network.project.weight)


def test_a_recipe_that_does_not_average_keeps_no_raw_weights(tmp_path):
    train(replace(recipe("dcgan-mnist", kimg=0.016), ema_kimg=0.0), settings(), tmp_path / "run", "python -m trainer")
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {checkpoint.MODEL, checkpoint.SAMPLES}
    assert not (tmp_path / "run" / "raw").exists()


def test_a_set_is_compared_at_first_and_another_is_one_choice_away(compare):
    app = compare()
    assert chosen(app) == ["runs/compare/hinge-0", "runs/compare/lsgan-0"]
    ready = next(box for box in app.selectbox if box.label == "Ready to compare")
    ready.set_value("runs/run: averaged and raw weights").run()
    assert chosen(app) == ["runs/run", "runs/run/raw"]
    assert not app.exception
    assert alternatives(app) == ["Seeds 0-15 of runs/run", "Seeds 0-15 of runs/run/raw"]
    assert "python -m pretrained sample runs/run/raw --seeds 0-15" in app.code[0].value


def test_one_that_is_like_the_model_is_proposed_where_nothing_is_ready(compare, tmp_path, monkeypatch):
    (tmp_path / "runs" / "broken").mkdir(parents=True)
    (tmp_path / "runs" / "broken" / checkpoint.MODEL).write_bytes(b"not one")
    monkeypatch.chdir(tmp_path)
    app = compare()
    assert chosen(app)[0] == "dcgan-mnist"
    assert pretrained.load(chosen(app)[1], "cpu").config.training["data"] == "mnist"
    assert not app.error


def test_labels_are_offered_where_all_have_the_same(compare):
    for other, offered in {"runs/run/raw": True, "runs/labelled": False, "runs/compare/hinge-0": False}.items():
        app = compare("runs/run", other)
        assert ("Label" in {box.label for box in app.selectbox}) == offered
        assert not app.error


def test_translators_are_given_the_same_image(compare):
    app = compare("runs/sketch", "runs/another", "runs/fill", "runs/pose")
    assert alternatives(app)[:4] == [f"What runs/{name} {verb}" for name in ("sketch", "another") for verb in VERBS]
    said = [error.value.replace("\\", "") for error in app.error]
    assert said == [f"runs/{name}: it also needs a {what}: open it on its own page, Translate" for name, what in NEEDS]


def test_an_upload_is_made_what_each_of_them_reads(compare, tmp_path):
    photo = translating.photo(tmp_path / "photo.png").read_bytes()
    app = compare("runs/sketch", "runs/colour", "runs/fill", way="Upload")
    assert not alternatives(app)
    app.file_uploader[0].set_value(("photo.png", photo, "image/png")).run()
    assert not app.exception
    assert not app.error
    assert alternatives(app) == [f"What runs/{name} {verb}" for name in ("sketch", "colour", "fill") for verb in VERBS]
    assert {toggle.label for toggle in app.toggle} == {"Prepare it"}


def test_what_cannot_be_compared_is_answered_in_a_sentence(compare):
    assert "Choose two checkpoints at least" in compare("runs/run").info[0].value
    app = compare("runs/run", "runs/sketch")
    assert "runs/run draws from seeds, runs/sketch translates" in app.error[0].value.replace("\\", "")
    for typed in ("../../etc", "/etc/passwd", "nothing"):
        assert "is no model" in compare("runs/run", typed).error[0].value.replace("\\", "")


def test_the_link_names_no_more_than_four(compare):
    app = compare("dcgan-mnist", "icgan-mnist", "runs/labelled", "runs/compare/hinge-0", "runs/compare/hinge-1")
    assert len(alternatives(app)) <= comparisons.MOST


def test_four_are_loaded_once(compare, monkeypatch):
    loaded, load = [], pretrained.load
    monkeypatch.setattr(pretrained, "load", lambda *given: (loaded.append(given), load(*given))[1])
    app = compare("dcgan-mnist", "icgan-mnist", "runs/labelled", "runs/compare/hinge-0")
    seeds = next(field for field in app.text_input if field.label == "Seeds")
    loaded.clear()
    seeds.set_value("3-5").run()
    assert alternatives(app)[0] == "Seeds 3-5 of dcgan-mnist"
    assert not loaded


def test_every_control_says_what_it_does(compare):
    app = compare("runs/run", "runs/run/raw")
    widgets = [*app.selectbox, *app.multiselect, *app.text_input, *app.number_input, *app.slider]
    assert {"Ready to compare", "Checkpoints", "Seeds", "Columns", "Label", "Truncation"} <= {
        box.label for box in widgets
    }
    assert not [box.label for box in widgets if not box.help]


def test_the_nearest_images_are_shown_or_how_to_find_them(compare, folder):
    run = write_nearest(folder / "runs" / "run", FOUND)
    try:
        app = compare("runs/run", "runs/compare/hinge-0")
    finally:
        (run / comparisons.NEAREST).unlink()
        (run / "nearest.png").unlink()
    (said,) = [text.value.replace("\\", "") for text in app.markdown if "nearest to a sample" in text.value]
    assert "is 29.2 away, that nearest to a real picture 25.5" in said
    assert "12.5% come as near as the nearest sample" in said
    assert app.code[1].value == "python -m trainer nearest runs/compare/hinge-0 --data noise"
    assert len(alternatives(app)) == 3


@pytest.mark.parametrize(
    "values", [[], {}, {**FOUND, "samples": []}, {**FOUND, "median": None}, {**FOUND, "samples": [{"distances": 3}]}]
)
def test_a_report_that_is_none_is_left_out(tmp_path, values):
    assert comparisons.nearest(write_nearest(tmp_path, FOUND)).least == 0.125
    assert comparisons.nearest(write_nearest(tmp_path, values)) is None
    shutil.rmtree(tmp_path)
    assert comparisons.nearest(tmp_path) is None
