"""What is worth comparing below runs/, and what is known of memorised pictures; without a widget."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pretrained.checkpoint import MODEL
from pretrained.run_files import COMPARISON, NEAREST

MOST = 4  # checkpoints side by side
MAX_BYTES = 2**20
# Sub-folders of a run that hold a checkpoint, and what that is beside the run's own.
PARTS = {"raw": "averaged and raw weights", "best": "the last and the best snapshot"}


def sets(root: Path) -> dict[str, list[str]]:
    """Names of checkpoints that belong side by side, by what they show."""
    return dict([*_losses(root), *_parts(root)])


def _losses(root: Path) -> Iterator[tuple[str, list[str]]]:
    for results in sorted(root.glob(f"*/{COMPARISON}")):
        found = _read(results).get("runs")
        first: dict[str, str] = {}
        for run in found if isinstance(found, list) else []:
            if isinstance(run, dict) and isinstance(run.get("loss"), str):
                folder = results.parent / Path(str(run.get("folder"))).name  # whatever it was called when it was made
                if (folder / MODEL).exists():
                    first.setdefault(run["loss"], str(folder))
        if len(first) > 1:
            shown = list(first)[:MOST]
            yield f"{results.parent}: {', '.join(shown)}", [first[loss] for loss in shown]


def _parts(root: Path) -> Iterator[tuple[str, list[str]]]:
    for depth in ("*", "*/*"):
        for name, what in PARTS.items():
            for model in sorted(root.glob(f"{depth}/{name}/{MODEL}")):
                run = model.parents[1]
                if (run / MODEL).exists():
                    yield f"{run}: {what}", [str(run), str(model.parent)]


def _read(path: Path) -> dict[str, Any]:
    """A small JSON object; empty where it is none."""
    try:
        text = path.read_text("utf-8") if path.stat().st_size <= MAX_BYTES else ""
        values = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


@dataclass(frozen=True)
class Nearest:
    """How near samples come to training pictures, and how near real pictures do that were not trained on.

    Attributes:
        sheet: the file of the samples and the training pictures nearest to them.
        median: distance of a sample from the training picture nearest to it.
        usual: the same of real pictures.
        least: the share of real pictures that come at least as near as the nearest of the samples.
    """

    sheet: Path
    median: float
    usual: float
    least: float
    distance: str
    what: str

    def sentence(self) -> str:
        """What the figures say."""
        return (
            f"The training picture nearest to a sample is {self.median:g} away, that nearest to a real picture "
            f"{self.usual:g} (medians; {self.distance}; {self.what}). "
            f"Of the real pictures, {self.least:.1%} come as near as the nearest sample does."
        )


def nearest(folder: Path) -> Nearest | None:
    """What `python -m trainer nearest` has found in the folder of a run; None where it has not looked."""
    values, sheet = _read(folder / NEAREST), (folder / NEAREST).with_suffix(".png")
    try:
        held_out, samples = values["held_out"], values["samples"]
        least = min(samples, key=lambda sample: sample["distances"][0])["share_nearer"]
        figures = float(values["median"]), float(held_out["median"]), float(least)
        words = str(values["distance"])[:200], str(held_out["what"])[:200]
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return Nearest(sheet, *figures, *words) if sheet.exists() else None
