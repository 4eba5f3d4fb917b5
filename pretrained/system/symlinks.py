"""Symbolic links in the folder of a checkpoint: those to other folders are not published."""

from __future__ import annotations

import os
from pathlib import Path

from pretrained.system.errors import InputError


def reject_escaping_symlink(path: Path) -> Path:
    """Return `path` if it does not exist, is no link, or links to a file in the same folder.

    Links from a snapshot in the cache of the Hub to its blobs are allowed.

    Raises:
        InputError: it links to another folder.
    """
    folder, target = path.parent.resolve(), Path(os.path.realpath(path))
    cache = folder.parents[1:3] if folder.parent.name == "snapshots" else ()
    homes = [folder, *(parent / "blobs" for parent in cache)]
    if not any(home in target.parents for home in homes):
        raise InputError(
            f"{path} is a link that leads out of its folder: put the file itself there, or remove the link"
        )
    return path
