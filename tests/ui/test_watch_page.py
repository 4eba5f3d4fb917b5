"""Watching a run: its log as it is written, how far it is, and what the page says of it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.small import save_small
from streamlit.testing.v1 import AppTest

from pretrained import checkpoint
from pretrained.media.images import encode_png
from ui.state import runs

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "ui" / "recorded"
NOW = 1_800_000_000.0


def line(kimg: float, **terms: float) -> dict[str, float]:
    return {"kimg": kimg, **terms, "images/s": 100.0, "seconds": 10 * kimg}


def write_log(folder: Path, *lines: dict[str, float] | str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    texts = [line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines]
    (folder / runs.LOG).write_text("".join(texts))
    return folder / runs.LOG


def save_run(folder: Path, kimg: float, total: float | None, age: float = 0.0) -> Path:
    """A run that has seen `kimg` of `total`, whose files are `age` seconds old at NOW."""
    save_small(folder, size=16)
    options = {"options": {"kimg": total}} if total else {}
    config = checkpoint.read_config(folder / checkpoint.MODEL)
    config.training.update({"kimg": kimg, **options})
    checkpoint.save_again(folder / checkpoint.MODEL, folder, config)
    write_log(folder, *(line(k + 1, D=1.0, G=2.0) for k in range(int(kimg))))
    for path in folder.iterdir():
        os.utime(path, (NOW - age, NOW - age))
    return folder


def read(path: Path) -> runs.Log:
    return runs.Reader(path).read()


def save_sheet(path: Path, level: int) -> None:
    """A picture of one grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.full((32, 32, 1), level, np.uint8)))


def test_losses_and_scores_are_told_apart(tmp_path):
    log = read(write_log(tmp_path, line(1, D=0.5, G=2), {"kimg": 1, "KID": 0.3}, line(2, D=0.4, G=3)))
    assert log.terms == [line(1, D=0.5, G=2), line(2, D=0.4, G=3)]
    assert log.scores == [{"kimg": 1, "KID": 0.3}]
    assert (log.names, log.every) == (["D", "G"], 1)


@pytest.mark.parametrize(
    "rest",
    [
        '{"kimg": 2, "D": 0.4, "secon',
        '{"kimg": 2, "seconds": 3',
        "no JSON\n",
        "[1]\n",
        '{"D": 1, "seconds": 2}\n',
        "\n",
    ],
    ids=["half", "all but the end", "text", "list", "no place", "empty"],
)
def test_a_line_that_is_none_is_left_out(tmp_path, rest):
    assert read(write_log(tmp_path, line(1, D=0.5), rest)).terms == [line(1, D=0.5)]


def test_what_is_no_number_is_left_out(tmp_path):
    text = '{"kimg": 1, "D": NaN, "G": Infinity, "M": true, "k": 0.5, "seconds": 3}\n'
    assert read(write_log(tmp_path, text)).terms == [{"kimg": 1, "k": 0.5, "seconds": 3}]


def test_what_training_went_back_from_is_left_out(tmp_path):
    kept = [line(1, D=1), line(2, D=9), line(3, D=9), line(2.5, D=2), line(4, D=3)]
    log = read(write_log(tmp_path, *kept))
    assert [(line["kimg"], line["D"]) for line in log.terms] == [(1, 1), (2, 9), (2.5, 2), (4, 3)]


def test_a_long_log_is_thinned_out_evenly_and_scores_are_kept(tmp_path):
    lines = [json.dumps(line(k / 1000, D=1.0)) + "\n" for k in range(100_000)]
    for place in range(90_000, 0, -10_000):
        lines.insert(place, json.dumps({"kimg": place / 1000, "KID": 0.5}) + "\n")
    path = write_log(tmp_path, *lines)
    start = time.process_time()
    log = read(path)
    assert time.process_time() - start < 2  # of this process, whatever else is busy; a tenth of a million lines
    assert len(log.scores) == 9
    assert runs.MAX_POINTS / 2 <= len(log.terms) <= runs.MAX_POINTS + 1
    places = [round(line["kimg"] * 1000) for line in log.terms]
    assert {after - before for before, after in zip(places[:-1], places[1:-1])} == {log.every}
    assert places[-1] == 99_999


def test_each_look_reads_on_where_the_last_one_ended(tmp_path):
    path = write_log(tmp_path, line(1, D=1), json.dumps(line(2, D=2))[:20])
    reader = runs.Reader(path)
    assert [line["kimg"] for line in reader.read().terms] == [1]
    with path.open("a") as file:
        file.write(json.dumps(line(2, D=2))[20:] + "\n" + json.dumps(line(3, D=3)) + "\n")
    assert reader.read() == read(path)
    assert [line["D"] for line in reader.read().terms] == [1, 2, 3]
    for changed in ([line(1, D=1)], [line(1, D=1), line(2, D=7), line(3, D=8), line(4, D=9)]):  # rewound, and gone on
        write_log(tmp_path, *changed)
        assert reader.read().terms == changed


def test_no_log_is_an_empty_one(tmp_path):
    assert read(tmp_path / runs.LOG) == runs.Log([], [])


@pytest.mark.parametrize(
    ("kimg", "total", "age", "has_timelapse", "expected"),
    [
        (3, 10, 5, False, ("live", 70)),
        (3, 10, 500, False, ("stopped", None)),
        (10, 10, 5, False, ("finished, live", 0)),
        (10, 10, 5, True, ("finished", None)),
        (3, None, 5, False, ("live", None)),
        (3, None, 500, False, ("stopped", None)),
    ],
)
def test_progress(tmp_path, kimg, total, age, has_timelapse, expected):
    folder = save_run(tmp_path / "run", kimg, total, age)
    if has_timelapse:
        (folder / runs.TIMELAPSE).touch()
    progress = runs.progress(folder, runs.config(folder), read(folder / runs.LOG), NOW)
    states = {"finished": progress.is_finished, "live": progress.is_live}
    assert ", ".join(name for name, there in states.items() if there) == expected[0].replace("stopped", "")
    assert (progress.kimg, progress.total, progress.speed) == (kimg, total, 100)
    assert progress.seconds_left == expected[1]


def test_a_slow_run_is_given_more_time(tmp_path):
    folder = save_run(tmp_path / "run", 3, 10, age=500)
    log = runs.Log([{"kimg": 2, "seconds": 1000}, {"kimg": 3, "seconds": 1200}], [])
    assert runs.progress(folder, runs.config(folder), log, NOW).is_live


def test_a_run_that_has_only_begun(tmp_path):
    write_log(tmp_path, "")
    progress = runs.progress(tmp_path, runs.config(tmp_path), read(tmp_path / runs.LOG))
    assert progress == runs.Progress(0, None, None, False, True)


def test_runs_are_found_one_folder_deeper_too(tmp_path):
    for age, name in enumerate(["new", "compare/hinge-0", "old"]):
        log = write_log(tmp_path / name, line(1))
        os.utime(log, (NOW - age, NOW - age))
    (tmp_path / "other").mkdir()
    assert runs.folders(tmp_path) == [str(tmp_path / name) for name in ("new", "compare/hinge-0", "old")]
    for moment in (0, 16, 1_000_000):
        save_sheet(runs.snapshot(tmp_path / "new", moment), 0)
    (tmp_path / "new/snapshots/notes.png").touch()
    assert runs.moments(tmp_path / "new") == [0, 16, 1_000_000]


@pytest.fixture
def watch(tmp_path, monkeypatch):
    """Run the page in a folder with runs, as a link with these query parameters would."""
    monkeypatch.chdir(tmp_path)

    def run(**link: str) -> AppTest:
        app = AppTest.from_file(ROOT / "ui" / "main.py", default_timeout=120)
        app.query_params.update({"model": "dcgan-mnist", **link})
        app.run().switch_page("views/watch.py").run()
        assert not app.exception
        return app

    return run


def test_a_recorded_run_is_shown_where_there_is_none(watch):
    app = watch()
    assert "python -m trainer" in app.info[0].value
    assert [box.value for box in app.metric][:2] == ["Finished", "240 of 240 kimg"]
    assert app.select_slider[0].options[0] == "0 kimg"
    assert [image.alt for element in app.image for image in element.proto.imgs] == [
        "The same pictures, after 240 kimg, the newest"
    ]
    (folder,) = RECORDED.iterdir()
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 600_000
    log = runs.log_of(folder)
    assert log.terms[-1]["kimg"] == 240
    assert {"D", "G"} <= set(log.names)


def test_a_run_without_lines_images_or_checkpoint(watch, tmp_path):
    write_log(tmp_path / "runs" / "young", "")
    app = watch()
    assert [box.value for box in app.metric] == ["Training", "0 kimg"]
    assert [info.value.partition(" ")[0] for info in app.info] == ["No", "No"]


def test_a_image_that_is_none_is_answered_in_a_sentence(watch, tmp_path):
    folder = save_run(tmp_path / "runs" / "broken", 3, 10)
    (folder / checkpoint.SAMPLES).write_bytes(b"no picture")
    assert "not an image that can be read" in watch().error[0].value.replace("\\", "")


@pytest.mark.parametrize("typed", ["../..", "/etc", "runs/../runs/done", "nothing"])
def test_a_link_reaches_no_other_folder(watch, tmp_path, typed):
    save_run(tmp_path / "runs" / "done", 3, 3)
    app = watch(run=typed)
    box = next(box for box in app.selectbox if box.label == "Run")
    assert (box.value, box.options) == ("runs/done", ["runs/done", "recorded: letters"])


def test_every_control_says_what_it_does(watch, tmp_path):
    folder = save_run(tmp_path / "runs" / "run", 3, 10)
    for moment in (0, 1000, 2000):
        save_sheet(runs.snapshot(folder, moment), 0)
    save_sheet(folder / checkpoint.SAMPLES, 0)
    app = watch(log="true", moment="1 kimg")
    widgets = [*app.selectbox, *app.toggle, *app.select_slider, *app.button_group]
    assert {widget.label for widget in widgets} == {"Run", "Log scale", "Moment", "Curves"}
    assert all(widget.help for widget in widgets)
    assert app.select_slider[0].value == "1 kimg"
    assert app.toggle[0].value
