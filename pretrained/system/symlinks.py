"""Links among the files of a checkpoint: what one leads to elsewhere is not published."""

from __future__ import annotations

import os
from pathlib import Path

from pretrained.system.errors import InputError


def reject_escaping_symlink(path: Path) -> Path:
    """The same path, if it is missing or what it leads to lies in its folder too.

    In a snapshot of the Hub's cache all files are links to the blobs of their repository, or on to those that all
    repositories share, which count as its own.

    Raises:
        InputError: it is a link that leads out of its folder.
    """
    folder, target = path.parent.resolve(), Path(os.path.realpath(path))
    cache = folder.parents[1:3] if folder.parent.name == "snapshots" else ()
    homes = [folder, *(parent / "blobs" for parent in cache)]
    if not any(home in target.parents for home in homes):
        raise InputError(
            f"{path} is a link that leads out of its folder: put the file itself there, or remove the link"
        )
    return path
