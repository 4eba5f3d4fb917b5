"""Which files of a folder or a .zip are images, by their names alone, and in which order they are shown."""

from __future__ import annotations

import errno
import os
import re
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from PIL import Image, features

from pretrained.run_files import STATE
from pretrained.system.errors import InputError

# What a broken, locked or strangely packed file in an archive raises beside.
BROKEN = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
# Left behind by operating systems, desktops and NAS boxes; whatever begins with a dot is hidden too.
LITTER = {
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "icon\r",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "system volume information",
}
# Known to Pillow by name, but read by another program (EPS by Ghostscript, which runs what the file says), only on
# Windows, or not at all.
UNREADABLE = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "IPTC"}
OPTIONAL = {"AVIF": "avif", "WEBP": "webp", "JPEG2000": "jpg_2000"}  # a build may lack them
NUMBER = re.compile("[0-9]+")
MODEL = "model.safetensors"  # a folder with one, or with the state of a training, holds what a network has made
MAX_TEXT = 100 * 2**20  # bytes of a file beside images that says something of them


@dataclass(frozen=True, slots=True)
class Entry:
    """One image file: its path below the folder or in the archive, and what changes when it changes."""

    name: str
    num_bytes: int
    modified: float


@dataclass
class Listing:
    """What a folder or .zip holds.

    Attributes:
        images: the image files, in natural order.
        texts: the names of .txt, .jsonl and .csv files, which may say something of the images.
        others: how many files of each suffix are neither.
        runs: sub-folders of trainings, which are left out.
        unreadable: folders that may not be opened.
    """

    path: Path
    images: list[Entry] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    runs: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def left_out(self) -> str | None:
        """One sentence about the files that are not read as images, and why; None where there are none."""
        parts = []
        if self.others:
            kinds = ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in self.others.most_common(6))
            more = ", ..." if len(self.others) > 6 else ""
            parts.append(f"{sum(self.others.values())} files that are no images Pillow reads here ({kinds}{more})")
        if self.runs:
            parts.append(f"the run folders {_some(self.runs)}")
        if self.unreadable:
            parts.append(f"folders that may not be opened: {_some(self.unreadable)}")
        return f"left out {'; '.join(parts)}" if parts else None


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(map(shown, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")


@lru_cache(maxsize=1)
def formats() -> dict[str, str]:
    """The suffixes that Pillow here can open, in lower case, each with Pillow's name of the format."""
    found = {suffix.lower(): name for suffix, name in Image.registered_extensions().items() if name in Image.OPEN}
    lacking = {name for name, feature in OPTIONAL.items() if not features.check(feature)}
    return {suffix: name for suffix, name in found.items() if name not in UNREADABLE | lacking}


def is_image(name: str) -> bool:
    """Whether a file is an image, by its name."""
    return os.path.splitext(name)[1].lower() in formats()


def is_litter(name: str) -> bool:
    """Whether one part of a path is hidden, or left behind by a system: such files and folders are never read."""
    return (name.startswith(".") and name not in (".", "..")) or name.casefold() in LITTER


def natural(path: str) -> str:
    """By which paths are sorted: folder by folder, numbers by their size ("2" before "10"), letters in either case."""
    text = unicodedata.normalize("NFC", path).casefold().replace("/", "\0")
    return NUMBER.sub(_by_size, text)


def _by_size(match: re.Match[str]) -> str:
    digits = match[0].lstrip("0")
    return f"{len(digits):05d}{digits}"


def shown(name: str) -> str:
    """A file's name as one line of Unicode: bytes that are none, and what does not print, are escaped."""
    text = unicodedata.normalize("NFC", name)
    if text.isprintable():
        return text
    return "".join(
        letter
        if letter.isprintable()
        else f"\\x{ord(letter) - 0xDC00:02x}"
        # Python keeps a byte of a name that is no Unicode as a lone surrogate.
        if 0xDC80 <= ord(letter) <= 0xDCFF
        else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def list_images(path: Path) -> Listing:
    """The image files below a folder or in a .zip, without hidden files, litter and the folders of trainings.

    Raises:
        InputError: it is neither a folder nor a .zip.
    """
    listing = Listing(path)
    files = _below(listing) if path.is_dir() else _packed(path)
    for entry in files:
        suffix = os.path.splitext(entry.name)[1].lower()
        if suffix in formats():
            listing.images.append(entry)
        elif suffix in (".txt", ".jsonl", ".csv"):
            listing.texts.append(entry.name)
        else:
            listing.others[suffix] += 1
    listing.images.sort(key=lambda entry: (natural(entry.name), entry.name))
    return listing


def _below(listing: Listing) -> Iterator[Entry]:
    """The files below a folder; a sub-folder may be a link to one that lies elsewhere, but links may go in a ring.

    Each file is looked at once: that is what takes the time where there are a million.
    """
    top = str(listing.path)
    waiting = [(top, "", (os.path.realpath(top),))]
    while waiting:
        folder, prefix, above = waiting.pop()
        if any(os.path.lexists(os.path.join(folder, name)) for name in (STATE, MODEL)):
            if not prefix:
                raise InputError(f"{folder} is the folder of a training: choose a folder of images")
            listing.runs.append(prefix)
            continue
        try:
            found = os.scandir(folder)
        except OSError:  # nobody may read it
            listing.unreadable.append(prefix or folder)
            continue
        with found:
            for file in found:
                if is_litter(file.name):
                    continue
                is_link = file.is_symlink()
                if os.path.isdir(file.path) if is_link else file.is_dir():
                    real = os.path.realpath(file.path) if is_link else os.path.join(above[-1], file.name)
                    if real not in above and not f"{above[-1]}/".startswith(f"{real}/"):
                        waiting.append((file.path, f"{prefix}{file.name}/", (*above, real)))
                elif os.path.isfile(file.path) if is_link else file.is_file():
                    stat = file.stat()
                    yield Entry(prefix + file.name, stat.st_size, stat.st_mtime)


def _packed(path: Path) -> list[Entry]:
    """The files in a .zip; of two with the same name the last, as other programs unpack them."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [Entry(name, info.file_size, info.CRC) for name, info in members(archive).items()]
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno == errno.EACCES:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error
        raise InputError(f"{path} is neither a folder nor a .zip of images: {error}") from error


def members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The files of an archive by their paths with forward slashes, without litter."""
    found = {}
    for info in archive.infolist():
        parts = [part for part in info.filename.replace("\\", "/").split("/") if part not in ("", ".")]
        if parts and not info.filename.endswith(("/", "\\")) and not any(map(is_litter, parts)):
            found["/".join(parts)] = info
    return found


@contextmanager
def opened(path: Path) -> Iterator[Callable[[str], Path | BinaryIO]]:
    """While in it, what opens a file of `list_images(path)` by its name, or its path on the disk."""
    if path.is_dir():
        yield lambda name: path / name
        return
    with zipfile.ZipFile(path) as archive:
        named = members(archive)
        yield lambda name: archive.open(named[name])


@contextmanager
def opened_texts(path: Path, most: int = MAX_TEXT) -> Iterator[Callable[[str], bytes]]:
    """While in it, what gives the bytes of a file beside images, by its name.

    That raises InputError where the file cannot be read, or has more than `most` bytes.
    """
    with opened(path) as find:

        def read(name: str) -> bytes:
            try:
                found = find(name)
                with found.open("rb") if isinstance(found, Path) else found as file:
                    data = file.read(most + 1)
            except BROKEN as error:
                raise InputError(f"{shown(str(path / name))} cannot be read: {error}") from error
            if len(data) > most:
                raise InputError(f"{shown(str(path / name))} has more than {most:,} bytes")
            return data

        yield read


def output_names(names: Iterable[str], suffix: str = ".png") -> list[str]:
    """Where what is made of each image is written: with another suffix, or one more where two would be called alike."""
    names = list(names)
    stems = Counter(os.path.splitext(name)[0] for name in names)
    found: dict[str, str] = {}
    for name in names:
        stem = os.path.splitext(name)[0]
        out = first = (stem if stems[stem] == 1 else name) + suffix
        number = 1
        while out in found:
            number += 1
            out = f"{os.path.splitext(first)[0]} {number}{suffix}"
        found[out] = name
    return list(found)


def name_some(names: Iterable[str], most: int = 5) -> str:
    """Up to `most` names, escaped, then how many more there are."""
    return _some(list(names), most)
