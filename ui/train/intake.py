"""The images of a training: saved from an upload, and looked at as training will see them; without a widget."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from pretrained.system.errors import InputError, one_line
from ui.train.jobs import ROOT

DATA = ".data"
MAX_FILES = 20_000
BAR = re.compile(r"\d%\|")  # a state of a progress bar
LONGEST = 300  # seconds until a look at the data is given up


@dataclass(frozen=True)
class Found:
    """What training would see.

    Attributes:
        words: what the trainer says of the folder, a line each.
        plan: the trainer's JSON of --dry-run.
        preview: a contact sheet as PNG, b"" where there is none.
    """

    words: list[str]
    plan: dict[str, Any]
    preview: bytes

    @property
    def num_images(self) -> int:
        return self.plan["data"]["pictures"]

    @property
    def classes(self) -> list[str]:
        return (self.plan["checkpoint"].get("condition") or {}).get("classes", [])


def save(root: Path, name: str, files: Sequence[tuple[str, BinaryIO]], max_bytes: int) -> Path:
    """Save uploaded files below runs/.data -> the folder, or the .zip where that is all.

    Args:
        files: names, of a folder with the path in it, and contents.

    Raises:
        InputError: there are too many, they take more than `max_bytes`, or a name leads out of the folder.
    """
    if len(files) > MAX_FILES:
        raise InputError(f"an upload takes at most {MAX_FILES:,} files, got {len(files):,}: name a folder")
    target = root / DATA
    target.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=target))
    try:
        _copy(folder, files, max_bytes)
    except BaseException:
        shutil.rmtree(folder)
        raise
    only = [*folder.iterdir()]
    return only[0] if len(only) == 1 and only[0].suffix.lower() == ".zip" else folder


def _copy(folder: Path, files: Sequence[tuple[str, BinaryIO]], max_bytes: int) -> None:
    left = max_bytes
    for given, file in files:
        path = PurePosixPath(given.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"{one_line(given[:100])} leads out of the folder")
        place, copies = folder / path, 1
        while place.exists():  # two of one name are two images
            copies += 1
            place = folder / path.with_stem(f"{path.stem} ({copies})")
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as copy:
            while part := file.read(2**20):
                left -= len(part)
                if left < 0:
                    raise InputError(f"an upload takes at most {max_bytes / 1e6:,.0f} MB here: choose fewer images")
                copy.write(part)


def inspect(command: Sequence[str]) -> Found:
    """What `python -m trainer ... --dry-run --preview` finds, in a process of its own.

    Raises:
        InputError: what the trainer says is wrong with the data.
    """
    with tempfile.TemporaryDirectory() as folder:
        preview = Path(folder) / "data.png"
        words = [sys.executable, "-m", "trainer", *command, "--dry-run", "--preview", str(preview)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, errors="replace", timeout=LONGEST, env=environment, check=False
            )
        except subprocess.TimeoutExpired:
            raise InputError(f"reading the images took more than {LONGEST} s: name a smaller folder") from None
        said = [one_line(line.rpartition("\r")[2].removeprefix("ganvas: ")) for line in done.stderr.splitlines()]
        said = [line for line in said if line.strip() and not BAR.search(line)]
        if done.returncode:
            raise InputError(said[-1] if said else f"the trainer ended with status {done.returncode}")
        return Found(said, json.loads(done.stdout), preview.read_bytes() if preview.exists() else b"")
