"""Experiment trackers: metrics, samples and warnings of a run."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from pretrained.system.errors import InputError

PROJECT = "ganvas"


class Tracker(Protocol):
    """Interface of a tracker; `step` is the number of images seen."""

    def log(self, step: int, values: Mapping[str, float]) -> None: ...

    def samples(self, step: int, png: Path) -> None: ...

    def alert(self, step: int, text: str) -> None: ...

    def close(self) -> None: ...


class NoTracker:
    """No tracker."""

    def __init__(self, folder: Path, config: Mapping[str, Any]): ...

    def log(self, step: int, values: Mapping[str, float]) -> None: ...

    def samples(self, step: int, png: Path) -> None: ...

    def alert(self, step: int, text: str) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Event files in the folder of the run, for tensorboard --logdir runs."""

    def __init__(self, folder: Path, config: Mapping[str, Any]):
        self.writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter(folder / "tensorboard")
        self.writer.add_text("recipe", "\n".join(f"    {name}: {value}" for name, value in config.items()), 0)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def samples(self, step: int, png: Path) -> None:
        import numpy as np
        from PIL import Image

        self.writer.add_image("samples", np.asarray(Image.open(png).convert("RGB")), step, dataformats="HWC")

    def alert(self, step: int, text: str) -> None:
        self.writer.add_text("warning", text, step)

    def close(self) -> None:
        self.writer.close()


class Trackio:
    """A local database for `trackio show`, or the Space in $TRACKIO_SPACE_ID."""

    def __init__(self, folder: Path, config: Mapping[str, Any]):
        self.trackio = importlib.import_module("trackio")
        settings = {"embed": False, "space_id": os.environ.get("TRACKIO_SPACE_ID")}
        self.trackio.init(PROJECT, name=folder.name, config=dict(config), resume="allow", **settings)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.trackio.log(dict(values), step=step)

    def samples(self, step: int, png: Path) -> None:
        self.trackio.log({"samples": self.trackio.Image(str(png))}, step=step)

    def alert(self, step: int, text: str) -> None:
        self.trackio.alert("Training problem", text)

    def close(self) -> None:
        self.trackio.finish()


TRACKERS: dict[str, Callable[[Path, Mapping[str, Any]], Tracker]] = {
    "none": NoTracker,
    "tensorboard": TensorBoard,
    "trackio": Trackio,
}


@contextlib.contextmanager
def tracking(name: str, folder: Path, config: Mapping[str, Any]) -> Iterator[Tracker]:
    """A tracker of TRACKERS for the duration of a run.

    Raises:
        InputError: its package is not installed.
    """
    try:
        tracker = TRACKERS[name](folder, config)
    except ImportError:
        raise InputError(f"`track` needs the package {name}: pip install -r requirements-track.txt") from None
    try:
        yield tracker
    finally:
        tracker.close()
