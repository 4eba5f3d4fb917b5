"""The folder of a run as its trainer writes it, read while it may still be written; without a widget."""

from __future__ import annotations

import functools
import json
import math
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pretrained import checkpoint
from pretrained.checkpoint import CONFIG, MODEL, Config
from pretrained.run_files import LOG, SNAPSHOTS, STATE, TIMELAPSE
from pretrained.system.errors import InputError

MAX_POINTS = 1000  # of a curve
MAX_LINE = 65_536  # characters
PATIENCE = 120  # seconds of silence, or three times the usual, after which a run is taken to have stopped
COUNTERS = ("kimg", "images/s", "seconds")  # what stands in a line beside the terms

Line = dict[str, float]


@dataclass(frozen=True)
class Log:
    """The lines of log.jsonl, thinned out evenly to MAX_POINTS at most, but for the last.

    Attributes:
        terms: lines of losses; all of them name kimg, images/s and seconds.
        scores: lines that were written at a snapshot.
        every: each how many lines of losses one is kept.
    """

    terms: list[Line]
    scores: list[Line]
    every: int = 1

    @property
    def names(self) -> list[str]:
        """The terms, as they stand in the log."""
        return [name for name in dict.fromkeys(name for line in self.terms for name in line) if name not in COUNTERS]


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        kimg: thousands of pictures seen.
        total: how many it is to see; None where the checkpoint does not say.
        speed: pictures per second; None before the first line.
        is_finished: the checkpoint has seen them all.
        is_live: the trainer has written lately, and is not done.
    """

    kimg: float
    total: float | None
    speed: float | None
    is_finished: bool
    is_live: bool

    @property
    def seconds_left(self) -> float | None:
        return (self.total - self.kimg) * 1000 / self.speed if self.total and self.speed and self.is_live else None


class _Thinned:
    """Every line until there are too many, then every second, every fourth, ...; and the last."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.every, self.count, self.last = 1, 0, b""

    def add(self, line: bytes) -> None:
        if self.count % self.every == 0:
            self.kept.append(line)
            if len(self.kept) == MAX_POINTS:
                self.kept, self.every = self.kept[::2], 2 * self.every
        self.count, self.last = self.count + 1, line

    def parsed(self) -> list[Line]:
        """In the order of kimg: what was written before training went back is left out."""
        lines = [line for text in dict.fromkeys([*self.kept, self.last]) if (line := _parse(text))]
        return list(_rising(lines))[::-1]


def _rising(lines: list[Line]) -> Iterator[Line]:
    """From the last line to the first, those that no later one has overtaken."""
    least = math.inf
    for line in reversed(lines):
        if line["kimg"] < least:
            least = line["kimg"]
            yield line


def _parse(text: bytes) -> Line | None:
    try:
        values = json.loads(text) if len(text) < MAX_LINE else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        return None
    line = {name: value for name, value in values.items() if type(value) in (int, float) and math.isfinite(value)}
    return line if "kimg" in line else None


class Reader:
    """A log.jsonl that grows: each look reads on where the one before ended, and keeps a bounded number of lines."""

    def __init__(self, path: Path) -> None:
        self.path, self._lock = path, threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._terms, self._scores, self._end, self._last = _Thinned(), _Thinned(), 0, b""

    def read(self) -> Log:
        """The log as it stands, empty where there is none; a line that is half written, or is none, is left out."""
        with self._lock:
            if self.path.exists():
                self._read_on()
            return Log(self._terms.parsed(), self._scores.parsed(), self._terms.every)

    def _read_on(self) -> None:
        with self.path.open("rb") as file:
            file.seek(self._end - len(self._last))
            if file.read(len(self._last)) != self._last:  # a resumed run has written its log anew
                self._begin()
                file.seek(0)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                (self._terms if b'"seconds"' in line else self._scores).add(line)
                self._end, self._last = self._end + len(line), line


@functools.lru_cache(32)
def _reader(path: Path) -> Reader:
    """What all who look at a run share: its log is read once."""
    return Reader(path)


def log_of(folder: Path) -> Log:
    """The log of a run as it stands."""
    return _reader((folder / LOG).absolute()).read()


def folders(root: Path) -> list[str]:
    """The runs in `root` and in folders of it, such as those that a comparison makes; the newest first."""
    logs = [*root.glob(f"*/{LOG}"), *root.glob(f"*/*/{LOG}")]
    return [str(log.parent) for log in sorted(logs, key=lambda log: -log.stat().st_mtime)]


def moments(folder: Path) -> list[int]:
    """After how many pictures the snapshots were taken."""
    return sorted(int(path.stem) for path in (folder / SNAPSHOTS).glob("*.png") if re.fullmatch("[0-9]{10}", path.stem))


def snapshot(folder: Path, moment: int) -> Path:
    """The picture of one of `moments`."""
    return folder / SNAPSHOTS / f"{moment:010d}.png"


def config(folder: Path) -> Config | None:
    """What the checkpoint of a run says of itself, or config.json where there is that alone; None where neither can."""
    try:
        if (folder / MODEL).exists():
            return checkpoint.read_config(folder / MODEL)
        return Config.from_json((folder / CONFIG).read_text("utf-8"))
    except (InputError, OSError, ValueError):
        return None


def progress(folder: Path, config: Config | None, log: Log, now: float | None = None) -> Progress:
    """How far the run is, at the time `now` (seconds since 1970, by default this moment)."""
    training = config.training if config else {}
    options = training.get("options") if isinstance(training.get("options"), dict) else {}
    published, total = _number(training.get("kimg")), _number(options.get("kimg"))
    last = log.terms[-1] if log.terms else {}
    is_finished = total is not None and (published or 0) >= total
    files = [path for path in (folder / LOG, folder / STATE, folder / MODEL) if path.exists()]
    silent = (now or time.time()) - max((path.stat().st_mtime for path in files), default=0)
    usual = [line["seconds"] for line in log.terms[-2:] if "seconds" in line]
    patience = max(PATIENCE, 3 * (usual[-1] - usual[0])) if usual else PATIENCE
    is_done = is_finished and (folder / TIMELAPSE).exists()
    kimg, is_live = max(published or 0, last.get("kimg", 0)), silent < patience and not is_done
    return Progress(kimg, total, last.get("images/s"), is_finished, is_live)


def _number(value: object) -> float | None:
    return value if isinstance(value, (int, float)) else None
