"""Captions: captions.jsonl beside the pictures, a line {"file": "a/b.png", "caption": "..."} for each of them.

`python -m trainer.captions FOLDER` writes one from the file names; emoji_u1f600.png becomes "grinning face".
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path

from pretrained.media.images import SUFFIXES
from pretrained.system.errors import InputError, fail
from pretrained.system.files import write_atomic
from trainer.data.folder import BROKEN

FILE = "captions.jsonl"
MAX_BYTES = 100 * 2**20
EMOJI = re.compile(r"emoji_u([0-9a-f]+(?:_[0-9a-f]+)*)")
SKIN = dict(enumerate(("light", "medium light", "medium", "medium dark", "dark"), start=0x1F3FB))
JOINERS = {0x200D, 0xFE0F}  # glue between the parts of an emoji


def read(path: Path, names: Sequence[str]) -> list[str] | None:
    """The caption of each of the pictures `names` in a folder or .zip; None when it has no captions.jsonl.

    Raises:
        InputError: a line is broken, or a picture has no caption.
    """
    data = _read(path)
    if data is None:
        return None
    captions = {}
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            entry = json.loads(line)
            captions[entry["file"]] = str(entry["caption"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f'{path / FILE}, line {number}, is not {{"file": ..., "caption": ...}}') from error
    if missing := [name for name in names if name not in captions]:
        raise InputError(f"{path / FILE} has no caption for {len(missing)} of {len(names)} pictures: {missing[0]}, ...")
    return [captions[name] for name in names]


def _read(path: Path) -> bytes | None:
    """The bytes of captions.jsonl in a folder or .zip; None where there is none."""
    try:
        if path.is_dir():
            with (path / FILE).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        else:
            with zipfile.ZipFile(path) as archive, archive.open(FILE) as file:
                data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, KeyError):
        return None
    except BROKEN as error:
        raise InputError(f"{path / FILE} cannot be read: {error}") from error
    if len(data) > MAX_BYTES:
        raise InputError(f"{path / FILE} has more than {MAX_BYTES:,} bytes")
    return data


def from_name(stem: str) -> str:
    """What the name of a picture file says: the Unicode names of an emoji's parts, else the words of the name."""
    match = EMOJI.fullmatch(stem)
    points = [int(point, 16) for point in match[1].split("_")] if match else []
    parts = [
        f"{SKIN[point]} skin" if point in SKIN else unicodedata.name(chr(point), "").lower()
        for point in points
        if point not in JOINERS
    ]
    return " ".join(filter(None, parts)) or " ".join(re.findall(r"[^\W_]+", stem))


def write(folder: Path) -> int:
    """Write captions.jsonl from the names of the pictures in `folder`; returns how many there are.

    Raises:
        InputError: it is there already, or there are no pictures.
    """
    if (folder / FILE).exists():
        raise InputError(f"{folder / FILE} exists: move it away to make a new one")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(f"{folder} holds no pictures")
    entries = [{"file": file.relative_to(folder).as_posix(), "caption": from_name(file.stem)} for file in files]
    lines = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
    write_atomic(folder / FILE, lines.encode())
    return len(entries)


def main(arguments: Sequence[str]) -> None:
    """The command line; a user's mistake is one line on stderr and exit status 2."""

    if len(arguments) != 1 or arguments[0].startswith("-"):
        fail("usage: python -m trainer.captions FOLDER")
    try:
        print(f"{write(Path(arguments[0]))} captions in {Path(arguments[0]) / FILE}")
    except InputError as error:
        fail(error)


if __name__ == "__main__":
    main(sys.argv[1:])
