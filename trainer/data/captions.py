"""Captions: a sentence for each image, in a file beside them.

captions.jsonl has a line {"file": "a/b.png", "caption": "..."} for each image; metadata.jsonl and metadata.csv are as
the Hub's imagefolder has them, with "file_name" and "text"; else a.txt is the caption of a.png.
`python -m trainer captions FOLDER` writes captions.jsonl from the file names; emoji_u1f600.png becomes "grinning
face".
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from pretrained.media.files import MAX_TEXT, Listing, list_images, name_some, opened_texts, shown
from pretrained.system.errors import InputError
from pretrained.system.files import write_atomic

FILE, METADATA, TABLE = "captions.jsonl", "metadata.jsonl", "metadata.csv"
# What a field may be called that names an image, or its caption.
NAMES, SENTENCES = ("file", "file_name"), ("caption", "text")
MAX_BYTES = MAX_TEXT
EMOJI = re.compile(r"emoji_u([0-9a-f]+(?:_[0-9a-f]+)*)")
SKIN = dict(enumerate(("light", "medium light", "medium", "medium dark", "dark"), start=0x1F3FB))
JOINERS = {0x200D, 0xFE0F}  # glue between the parts of an emoji


def read(listing: Listing, names: Sequence[str]) -> list[str] | None:
    """The caption of each of the images `names` of a folder or .zip; None when it has none.

    Raises:
        InputError: a line is broken, or an image has no caption.
    """
    files = [name for name in listing.texts if name.rpartition("/")[2] in (FILE, METADATA, TABLE)]
    with opened_texts(listing.path, MAX_BYTES) as text:
        captions: dict[str, str] = {}
        for file in files:
            folder = file.rpartition("/")[0]
            for name, caption in _lines(shown(str(listing.path / file)), file.rpartition("/")[2], text(file)):
                captions[unicodedata.normalize("NFC", f"{folder}/{name}".strip("/"))] = caption
        if captions:
            keys = [unicodedata.normalize("NFC", name) for name in names]
            if missing := [name for name, key in zip(names, keys) if key not in captions]:
                raise InputError(
                    f"{shown(str(listing.path / files[0]))} has no caption for {len(missing)} of {len(names)} "
                    f"images: {name_some(missing)}"
                )
            return [captions[key] for key in keys]
        beside = set(listing.texts)
        sentences = [f"{os.path.splitext(name)[0]}.txt" for name in names]
        found = sum(name in beside for name in sentences)
        if found == len(names):
            return [text(name).decode("utf-8-sig", "replace").strip() for name in sentences]
        if found:
            print(
                f"{len(names) - found} of {len(names)} images have no .txt beside them, so there are no captions",
                file=sys.stderr,
            )
        return None


def _lines(path: str, kind: str, data: bytes) -> Iterator[tuple[str, str]]:
    """The image and the caption of each line; nothing of a table that has no captions.

    Raises:
        InputError: a line is broken.
    """
    if kind == TABLE:
        rows = list(csv.DictReader(data.decode("utf-8-sig", "replace").splitlines()))
    else:
        rows = data.splitlines()
    for number, row in enumerate(rows, start=1):
        try:
            entry = row if kind == TABLE else json.loads(row)
            name = next(entry[key] for key in NAMES if key in entry)
            sentence = next((entry[key] for key in SENTENCES if key in entry), None)
            if sentence is None and kind == FILE:
                raise KeyError
            if sentence is not None:
                yield str(name), str(sentence)
        except (ValueError, KeyError, TypeError, StopIteration, RecursionError) as error:
            form = '{"file": ..., "caption": ...}' if kind == FILE else 'a row with a "file_name"'
            raise InputError(f"{path}, line {number}, is not {form}") from error


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
    names = [entry.name for entry in list_images(folder).images]
    if not names:
        raise InputError(f"{folder} holds no images")
    entries = [{"file": name, "caption": from_name(Path(name).stem)} for name in names]
    lines = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
    write_atomic(folder / FILE, lines.encode("utf-8", "backslashreplace"))
    return len(entries)
