"""Which files of a repository are the data set: those of one kind, and of one of its parts, train or test."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pretrained.media.files import is_image, is_litter, natural
from pretrained.system.errors import InputError
from trainer.data.files.layout import PARTS
from trainer.data.hub import shards

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

TOGETHER = 256  # loose pictures between two entries of the journal
LONGEST = 200  # letters of a file's or a folder's name
SOURCES = {"train": ("train", None), "test": ("test", "val")}  # what is taken, the first that there is


@dataclass(frozen=True)
class Part:
    """What is to be read.

    Attributes:
        kind: ".zip", ".tar" or ".parquet"; "" for loose pictures.
        shards: files that are read between two entries of the journal, one archive or TOGETHER pictures.
        names: paths below the folder of the part, of loose pictures, by their paths in the repository.
        captions: files beside loose pictures that may say something of them.
        split: "train" or "test": what is taken of an archive that holds both.
    """

    kind: str
    shards: list[list[RepoFile]]
    names: dict[str, str]
    captions: list[RepoFile]
    split: str = "train"


def choose(name: str, files: list[RepoFile], split: str) -> Part:
    """What to take of the files of the data set `name`: all of the kind that has the most bytes, or a part of them.

    Raises:
        InputError: there are no pictures.
    """
    plain = sorted((file for file in files if _is_plain(file.path)), key=lambda file: natural(file.path))
    kinds: dict[str, list[RepoFile]] = {}
    for file in plain:
        suffix = PurePosixPath(file.path).suffix.lower()
        if suffix in shards.READERS or is_image(file.path):
            kinds.setdefault(suffix if suffix in shards.READERS else "", []).append(file)
    if not kinds:
        raise InputError(f"`data` {name} holds no images, and no {', '.join(shards.READERS)} that may hold some")
    kind = max(kinds, key=lambda kind: sum(file.size for file in kinds[kind]))
    found = {file.path: _part(file.path) for file in kinds[kind]}
    there = {part for part, _ in found.values()}
    is_split = bool(there & {"test", "val"})
    wanted = next((part for part in SOURCES[split] if part in there), None) if is_split else None
    chosen = [file for file in kinds[kind] if not is_split or found[file.path][0] == wanted]
    if not chosen:
        raise InputError(f"`data` {name} holds no files of the part {split}: {', '.join(sorted(map(str, there)))}")
    # As below a folder on this disk; the folder of a part is no class.
    in_parts = all(found[file.path][0] for file in chosen)
    names = {file.path: found[file.path][1] if in_parts else file.path for file in chosen}
    if kind:
        return Part(kind, [[file] for file in chosen], names, [], split)
    groups = [chosen[start : start + TOGETHER] for start in range(0, len(chosen), TOGETHER)]
    about = [file for file in plain if PurePosixPath(file.path).name in shards.CAPTION_FILES]
    return Part(kind, groups, names, about)


def _is_plain(path: str) -> bool:
    """Whether a path leads down, by names that any disk can hold, and is not litter."""
    return all(
        not is_litter(part)
        and part not in ("", ".", "..")
        and len(part) <= LONGEST
        and part.isprintable()
        and not set(part) & set('\\:*?"<>|')
        for part in path.split("/")
    )


def _part(path: str) -> tuple[str | None, str]:
    """The part to which a file belongs, by its folders or, unless it is a picture, its name; what follows that."""
    *folders, name = path.split("/")
    for depth, word in enumerate(folders, start=1):
        if word.lower() in PARTS:
            return PARTS[word.lower()], "/".join([*folders[depth:], name])
    if not is_image(name):
        for word in re.split(r"[^a-z]+", name.lower()):
            if word in PARTS:
                return PARTS[word], path
    return None, path
