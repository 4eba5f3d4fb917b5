"""Experiment trackers get what the log has, and are none by default."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys

import pytest
from helpers import tiny

from pretrained.run_files import LOG
from pretrained.system.errors import InputError
from trainer.loop.train import train

# Trackio reads where its data base lies when it is imported.
TRACKED = """
from pathlib import Path
from helpers import tiny
from trainer.loop.collapse import Guard
from trainer.loop.train import train

Guard.check_losses = lambda self, *given: "the guard says so"
train(tiny.recipe("vae-mnist"), tiny.settings(track="trackio", on_collapse="ignore"), Path("run"), "")
"""


def lines(folder):
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def test_tensorboard_has_the_log_and_the_samples(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tiny.recipe("vae-mnist"), tiny.settings(track="tensorboard"), tmp_path / "run", "python -m trainer")
    events = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    (line,) = lines(tmp_path / "run")
    (scalar,) = events.Scalars("KL")
    assert (scalar.step, scalar.value) == (pytest.approx(line["kimg"] * 1000), pytest.approx(line["KL"], rel=1e-4))
    assert len(events.Images("samples")) >= 2


def test_trackio_has_the_log_and_the_warning(tmp_path):
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path / "db"), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", TRACKED], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with contextlib.closing(sqlite3.connect(tmp_path / "db/ganvas.db")) as db:
        rows = [json.loads(values) for (values,) in db.execute("select metrics from metrics")]
        alerts = db.execute("select text from alerts").fetchall()
    assert any(row.get("KL") == pytest.approx(lines(tmp_path / "run")[-1]["KL"], rel=1e-4) for row in rows)
    assert ("the guard says so",) in alerts


def test_a_tracker_that_is_not_installed_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(InputError, match="requirements-track"):
        train(tiny.recipe("vae-mnist"), tiny.settings(track="trackio"), tmp_path / "run", "python -m trainer")
