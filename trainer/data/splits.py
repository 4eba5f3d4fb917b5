"""Where things lie in a folder of pictures: what is trained on and what is held out, domains A and B, pairs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch

from pretrained.system.errors import InputError
from trainer.data import folder
from trainer.data.folder import Entry

HELD_OUT, MOST_HELD_OUT = 20, 200  # one of so many, and so many at most, where there is no val/ or test/
TRAIN, TEST = ("train", ""), ("val", "test")

Named = dict[str, Entry]  # by the path below the part, without the suffix


def open_folder(name: str) -> Path:
    """The folder or .zip that --data names."""
    path = Path(name).expanduser()
    if not path.exists():
        raise InputError(f"--data {name} does not exist: a folder or .zip of such pictures, or fake")
    return path


def singles(path: Path) -> tuple[list[Entry], list[Entry]]:
    """The pictures to train on, and those held out: of train/ and val/ or test/, else one of HELD_OUT."""
    entries = folder.entries(path)
    (train,) = _find(entries, TRAIN, [""]) or [{}]
    held_out = _find(entries, TEST, [""])
    return (list(train.values()), list(held_out[0].values())) if held_out else _hold_out(list(train.values()))


def domains(path: Path, kinds: Sequence[str] = ("A", "B")) -> tuple[list[list[Entry]], list[list[Entry]]] | None:
    """The same for each of several domains, in sub-folders: trainA, train/A or A, and testA, ...; None if not so."""
    entries = folder.entries(path)
    train, held_out = _find(entries, TRAIN, kinds), _find(entries, TEST, kinds)
    if train is None:
        return None
    if held_out is None:
        both = [_hold_out(list(named.values())) for named in train]
        return [kept for kept, _ in both], [held for _, held in both]
    return [list(named.values()) for named in train], [list(named.values()) for named in held_out]


def matches(path: Path, kinds: Sequence[str]) -> tuple[list[tuple[Entry, ...]], list[tuple[Entry, ...]]] | None:
    """Files of the same name in the sub-folders `kinds`, to train on and held out; None where there are none such."""
    entries = folder.entries(path)
    train, held_out = _find(entries, TRAIN, kinds), _find(entries, TEST, kinds)
    if train is None:
        return None
    return (_match(path, train), _match(path, held_out)) if held_out else _hold_out(_match(path, train))


def _find(entries: list[Entry], parts: Sequence[str], kinds: Sequence[str]) -> list[Named] | None:
    """What lies in the first of `parts` that has all `kinds`, which may be "": files of no kind."""
    for part in parts:
        for pattern in ("{part}{kind}/", "{part}/{kind}/"):
            prefixes = [pattern.format(part=part, kind=kind).lstrip("/") for kind in kinds]
            found = [[entry for entry in entries if entry.name.startswith(prefix)] for prefix in prefixes]
            if all(found):
                return [
                    {str(PurePosixPath(entry.name.removeprefix(prefix)).with_suffix("")): entry for entry in group}
                    for prefix, group in zip(prefixes, found)
                ]
    return None


def _match(path: Path, found: list[Named]) -> list[tuple[Entry, ...]]:
    common = [name for name in found[0] if all(name in named for named in found)]
    if not common:
        raise InputError(f"--data {path} has no two pictures of the same name in its folders, so there are no pairs")
    lost = sum(len(named) - len(common) for named in found)
    if lost:
        print(f"left out {lost} pictures of {path} whose name is not in both folders", file=sys.stderr)
    return [tuple(named[name] for named in found) for name in common]


def num_held_out(count: int) -> int:
    """How many of so many items are never trained on; 0 where there is one alone."""
    return min(-(-count // HELD_OUT), MOST_HELD_OUT) if count > 1 else 0


def _hold_out(items: list) -> tuple[list, list]:
    """Always the same ones of the same number of items."""
    order = torch.randperm(len(items), generator=torch.Generator().manual_seed(0)).tolist()
    count = num_held_out(len(items))
    return [items[i] for i in sorted(order[count:])], [items[i] for i in sorted(order[:count])]
