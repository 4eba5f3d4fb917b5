"""The notebook runs from top to bottom, with a small training."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
SMALL = """
DATA, KIMG, SIZE, NAME = "fake", 0.05, 32, "small"
FLAGS = ["--batch-size", "8", "--device", "cpu", "--threads", "1", "--snapshots", "1", "--z-dim", "8"]
"""


def test_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(ROOT / "notebooks" / "ganvas.ipynb", as_version=4)
    notebook.metadata.pop("accelerator")
    code = {cell.metadata.get("tags", [""])[0] or number: cell for number, cell in enumerate(notebook.cells)}
    code["parameters"].source += SMALL
    (tmp_path / "trainer").mkdir()  # as in a clone
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    (tmp_path / "trainer").rmdir()
    assert (tmp_path / "runs/small/model.safetensors").exists()
    assert (tmp_path / "walk.mp4").stat().st_size > 300
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in data for data in shown)
    assert any("video/mp4" in data.get("text/html", "") for data in shown)
