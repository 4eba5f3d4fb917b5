"""What a folder or .zip of images is, from names alone: plain images, classes, a split, pairs or two domains.

A path is read from its folders: words such as train/ and val/ name a part, words such as A/ and B/ a kind, in either
order or in one name (trainA, A_val); folders around everything say nothing; any other folder is a class.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from pretrained.media.files import Entry, Listing, name_some, natural, shown
from pretrained.system.errors import InputError

Name = Literal["auto", "plain", "classes", "folders", "side-by-side"]
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
}
HELD_OUT_PARTS = ("val", "test")  # the first that there is
# What the folders of source and target are called: by pix2pix, CycleGAN and CUT, by pix2pixHD, by others.
WORDS = {2: [("a", "b"), ("label", "img"), ("input", "target"), ("source", "target")], 3: [("a", "pose", "b")]}
HELD_OUT = 20  # one of so many is held out where there is no val/ or test/
MAX_CLASS = 100  # letters of a class's name
LAYOUTS = (
    "images, class/images, train/ and val/ or test/ around or in either; for pairs and domains A/ and B/, A/train and "
    "B/train, train/A and train/B or trainA/ and trainB/; for pairs also A|B side by side in each file"
)

Directory = tuple[str, ...]  # the folders of a path


class Place(NamedTuple):
    """Where a folder belongs.

    Attributes:
        part: "train", "val" or "test"; None where nothing is split.
        kind: 0 for A, 1 for B, ...; None where there are no such folders.
        rest: the folders that say neither.
    """

    part: str | None
    kind: int | None
    rest: Directory


class Item(NamedTuple):
    """One image file, and its path below what names its part and its kind."""

    entry: Entry
    path: str


@dataclass
class Found:
    """What was found, and in which folders.

    Attributes:
        parts: the images of each part, by kind; all are in "train" where nothing is split.
        kinds: what the folders of the kinds are called; empty for images without any.
    """

    listing: Listing
    parts: dict[str, list[list[Item]]]
    kinds: list[str] = field(default_factory=list)

    @property
    def held_out(self) -> str | None:
        """The part that is held out; None where nothing is split."""
        return next((part for part in HELD_OUT_PARTS if part in self.parts), None)


def find_images(listing: Listing, layout: Name = "auto") -> Found:
    """Single images, by their part. What names a kind is a class here.

    Raises:
        InputError: there are none, or what the folders mean is open; says which layouts there are.
    """
    _check_any(listing)
    folders = _folders(listing)
    places = {folder: Place(None, None, rest) for folder, rest in _without_wrappers(folders, layout).items()}
    if layout == "auto":
        places = _parts(listing, places) or places
    return _group(listing, folders, places, 1)


def find_kinds(listing: Listing, num_kinds: int = 2, layout: Name = "auto") -> Found | None:
    """Images in folders of `num_kinds` kinds, A and B, by their part; None where no folders are called so."""
    _check_any(listing)
    folders = _folders(listing)
    # What all have in common says nothing, be it called train.
    bare = _without_wrappers(folders, layout)
    for words in WORDS[num_kinds]:
        places = {folder: _place(rest, words) for folder, rest in bare.items()}
        if {place.kind for place in places.values()} < set(range(num_kinds)):
            continue
        if others := [folder for folder, place in places.items() if place.kind is None]:
            if {place.kind for place in places.values()} - {None} != set(range(num_kinds)):
                continue
            if layout != "folders":
                _refuse(listing, f"holds {_list(words)} and beside them {_folders_named(others)}", "folders")
            places = {folder: place for folder, place in places.items() if place.kind is not None}
        parts = {place.part for place in places.values()}
        if None in parts and "train" in parts:
            _refuse(listing, f"holds {_list(words)} both inside and outside of train/", None)
        places = {folder: place._replace(part=place.part or "train") for folder, place in places.items()}
        found = _group(listing, folders, places, num_kinds)
        found.kinds = [word.upper() if len(word) == 1 else word for word in words]
        for part, kinds in found.parts.items():
            if not all(kinds):
                missing = found.kinds[kinds.index([])]
                _refuse(listing, f"has no {missing}/ in its part {part}", None)
        return found
    return None


def _check_any(listing: Listing) -> None:
    if not listing.images:
        left = f"; {listing.left_out()}" if listing.left_out() else ""
        raise InputError(f"`data` {shown(str(listing.path))} holds no images{left}: choose a folder or .zip of images")


def _folders(listing: Listing) -> dict[Directory, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in listing.images:
        found.setdefault(entry.name.rpartition("/")[0], []).append(entry)
    return {tuple(name.split("/")) if name else (): entries for name, entries in found.items()}


def _without_wrappers(folders: Iterable[Directory], layout: Name) -> dict[Directory, Directory]:
    """Each folder without those that are around all images."""
    folders = list(folders)
    common = set(folders[0]).intersection(*folders[1:])
    if layout == "classes":  # then the innermost is a class, even a single one
        common -= {folders[0][-1]} if len(folders) == 1 and folders[0] else set()
    return {folder: tuple(name for name in folder if name not in common) for folder in folders}


def _parts(listing: Listing, places: dict[Directory, Place]) -> dict[Directory, Place] | None:
    """The same with parts, where all folders name one at the same depth; None where none does."""
    for depth in (0, 1):
        words = [PARTS.get(_word(place.rest[depth])) if len(place.rest) > depth else None for place in places.values()]
        if all(words):
            rests = {folder: place.rest[:depth] + place.rest[depth + 1 :] for folder, place in places.items()}
            common = set.intersection(*(set(rest) for rest in rests.values()))
            return {
                folder: Place(part, None, tuple(name for name in rests[folder] if name not in common))
                for folder, part in zip(places, words)
            }
        if "train" in words and len(set(words) - {None}) > 1:
            split = sorted({place.rest[depth] for place, word in zip(places.values(), words) if word})
            others = [folder for folder, word in zip(places, words) if not word]
            _refuse(listing, f"holds {_list(split)} and beside them {_folders_named(others)}", "plain")
    for words in WORDS[2]:
        named = {folder: _place(place.rest[:1], words) for folder, place in places.items()}
        if all(place.part and place.kind is not None for place in named.values()):
            return {
                folder: Place(named[folder].part, None, (words[named[folder].kind].upper(), *place.rest[1:]))
                for folder, place in places.items()
            }
    return None


def _place(folder: Directory, words: Sequence[str]) -> Place:
    """The part and the kind that the first folders name, in either order or in one name."""
    part, kind, rest = None, None, list(folder)
    either, kinds = "|".join(PARTS), "|".join(words)
    while rest:
        word = _word(rest[0])
        both = re.fullmatch(rf"(?:({either})[ ._-]?({kinds})|({kinds})[ ._-]({either}))", word)
        if both and part is None and kind is None:
            part, kind = PARTS[both[1] or both[4]], words.index(both[2] or both[3])
        elif word in PARTS and part is None:
            part = PARTS[word]
        elif word in words and kind is None:
            kind = words.index(word)
        else:
            break
        rest.pop(0)
    return Place(part, kind, tuple(rest))


def _group(
    listing: Listing, folders: dict[Directory, list[Entry]], places: dict[Directory, Place], num_kinds: int
) -> Found:
    parts: dict[str, list[list[Item]]] = {}
    for folder, place in places.items():
        kinds = parts.setdefault(place.part or "train", [[] for _ in range(num_kinds)])
        prefix = "".join(f"{name}/" for name in place.rest)
        kinds[place.kind or 0] += [Item(entry, prefix + entry.name.rpartition("/")[2]) for entry in folders[folder]]
    if "train" not in parts:
        _refuse(listing, f"holds {_list(sorted(parts))} and no train/", "plain")
    for kinds in parts.values():
        for items in kinds:
            if len(folders) > 1:  # those of one folder are in order
                items.sort(key=lambda item: (natural(item.path), item.entry.name))
    return Found(listing, parts)


def _refuse(listing: Listing, what: str, layout: Name | None) -> None:
    remedy = f"move them apart, or set `layout` to {layout}" if layout else "rename them"
    raise InputError(f"`data` {shown(str(listing.path))} {what}: {remedy}. Layouts that are known: {LAYOUTS}")


def _word(folder: str) -> str:
    return unicodedata.normalize("NFC", folder).casefold()


def _list(words: Sequence[str]) -> str:
    return " and ".join(f"{word.upper() if len(word) == 1 else word}/" for word in words)


def _folders_named(folders: Sequence[Directory]) -> str:
    return name_some("/".join(folder) + "/" if folder else "loose images" for folder in folders)


def classes(items: Sequence[Item]) -> tuple[list[int], list[str]] | None:
    """The label of each image and the classes in natural order: the first folders; None where images lie loose."""
    names = [unicodedata.normalize("NFC", item.path.partition("/")[0]) if "/" in item.path else None for item in items]
    if None in names:
        return None
    found = sorted(set(names), key=lambda name: (natural(name), name))
    numbers = {name: number for number, name in enumerate(found)}
    titles = [text if len(text) <= MAX_CLASS else f"{text[: MAX_CLASS - 1]}…" for text in map(shown, found)]
    if len(set(titles)) < len(titles):
        raise InputError(f"two classes have the same name, {name_some(t for t in titles if titles.count(t) > 1)}")
    return [numbers[name] for name in names], titles


def match(found: Found) -> tuple[dict[str, list[tuple[Item, ...]]], list[str]]:
    """Images of the same path in the folders of all kinds, by part; and the names of those that have no partner.

    Paths match with their suffix, else without it where that names one image of each kind.

    Raises:
        InputError: no two match.
    """
    matched: dict[str, list[tuple[Item, ...]]] = {}
    lonely: list[str] = []
    for part, kinds in found.parts.items():
        matched[part] = []
        left = kinds
        for key in (_whole, _stem):
            named = [_by(key, items) for items in left]
            unique = [name for name, items in named[0].items() if all(len(by.get(name, ())) == 1 for by in named)]
            matched[part] += [tuple(by[name][0] for by in named) for name in unique]
            taken = set(unique)
            left = [[item for item in items if key(item.path) not in taken] for items in left]
        lonely += [item.entry.name for items in left for item in items]
        matched[part].sort(key=lambda stack: natural(stack[0].path))
        if not matched[part]:
            folders = " and ".join(f"{kind}/" for kind in found.kinds)
            raise InputError(
                f"`data` {shown(str(found.listing.path))} has no two images of the same name in {folders}, so there "
                "are no pairs: name the files of a pair alike"
            )
    return matched, lonely


def _by(key: Callable[[str], str], items: Sequence[Item]) -> dict[str, list[Item]]:
    named: dict[str, list[Item]] = {}
    for item in items:
        named.setdefault(key(item.path), []).append(item)
    return named


def _whole(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def _stem(path: str) -> str:
    return str(PurePosixPath(_whole(path)).with_suffix(""))


def share(path: str) -> float:
    """A number from 0 to 1 that the path alone decides: an image below 1 / HELD_OUT is held out.

    So another image, more or less, moves no other one from one part to the other.
    """
    digest = hashlib.blake2b(_whole(path).encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def num_held_out(shares: Sequence[float]) -> int:
    """How many of these are held out: those below 1 / HELD_OUT; one at least, and one at least is not."""
    return min(max(sum(each < 1 / HELD_OUT for each in shares), 1), len(shares) - 1)
