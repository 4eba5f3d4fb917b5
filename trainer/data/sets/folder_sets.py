"""Sets that recipes name and that lie below --data-root as a folder or a .zip: what they are, and whence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pretrained.system.errors import InputError
from trainer.data.sets.named import NAMED


@dataclass(frozen=True)
class FolderSet:
    """One set.

    Attributes:
        licence: of its pictures, for the model card.
        weights: the licence of weights that are trained on it.
        origin: what it is, and how one comes by it.
    """

    licence: str
    weights: str
    origin: str


DRAWN = ("fake", "figures")  # made by the trainer itself
FOLDER_SETS = {
    "letters": FolderSet(
        "pictures of 1,153 free typefaces of Debian (OFL, GPL with font exception, Bitstream Vera, public domain ...)",
        "apache-2.0",
        "folders A to Z of letters, white on black, one file name for a typeface in all, drawn from fonts-* of Debian",
    ),
    "avatars": FolderSet(
        "DiceBear 9: Adventurer by Lisa Wischofsky, Big Smile by Ashley Seo, Micah by Micah Lanier, Toon Head by Johan "
        "Melin, CC BY 4.0; Open Peeps by Pablo Stanley, CC0 1.0",
        "CC BY 4.0",
        "folders of cartoon faces, one for each style, drawn by the npm package @dicebear/collection from seeds",
    ),
    "nouns": FolderSet(
        "art of the Nouns project, CC0 1.0",
        "CC0 1.0",
        "32x32 pixel characters, put together at random from the npm package @nouns/assets",
    ),
    "openmoji": FolderSet(
        "OpenMoji 17, CC BY-SA 4.0",
        "CC BY-SA 4.0",
        "256x128 pictures, a line drawing beside the coloured one, from the layers of the npm package openmoji",
    ),
    "emoji": FolderSet(
        "Noto emoji at 41e31b11, Apache-2.0",
        "apache-2.0",
        "png/128 of github.com/googlefonts/noto-emoji",
    ),
    "sign_digits": FolderSet(
        "Sign Language Digits Dataset (github.com/ardamavi/Sign-Language-Digits-Dataset), Apache-2.0",
        "apache-2.0",
        "Dataset/ of github.com/ardamavi/Sign-Language-Digits-Dataset, folders 0 to 9",
    ),
    "facades": FolderSet(
        "CMP Facade Database (Tylecek and Sara 2013), for research",
        "research use",
        "the facades of pix2pix (github.com/phillipi/pix2pix), photographs on the left",
    ),
    "caltech101": FolderSet(
        "Caltech-101, six classes, commonly given as CC BY 4.0",
        "apache-2.0",
        "photographs: data.caltech.edu/records/mzrjq-6wc02, some folders of it or all",
    ),
}


def find(name: str, root: Path) -> str:
    """The folder or .zip that `name` stands for: below `root` for a set of FOLDER_SETS, else `name` itself.

    Raises:
        InputError: such a set is not there; says where it is from.
    """
    if name not in FOLDER_SETS or Path(name).exists():
        return name
    for path in (root / name, root / f"{name}.zip"):
        if path.exists():
            return str(path)
    raise InputError(
        f"`data` {name} must be {root / name} or {root / name}.zip, got neither: "
        f"get or make it ({FOLDER_SETS[name].origin}), or set `data_root` to where it is"
    )


def whence(name: str) -> str:
    """Where the data that a recipe names comes from, for the list of recipes."""
    if name in NAMED:
        return "downloaded"
    if name in DRAWN:
        return "drawn before training"
    if name in FOLDER_SETS:
        return f"not downloaded, get or make it: {FOLDER_SETS[name].origin}"
    return f"stands for images of your own: --data FOLDER; no set is called {name}"


def absent(data: str, root: Path, is_default: bool) -> str | None:
    """How the data is come by where it is not here; None where it is, and for what a user has named wrongly.

    Args:
        is_default: a recipe names it, not the user.
    """
    if data in NAMED:
        is_there = any((root / folder).is_dir() for folder in NAMED[data].folders)
        return None if is_there else f"{data} is not in {root}: it is downloaded when training begins"
    try:
        found = find(data, root)
    except InputError as error:
        return str(error)
    return whence(data) if is_default and data not in DRAWN and not Path(found).exists() else None
