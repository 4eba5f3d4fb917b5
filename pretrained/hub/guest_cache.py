"""Where a server keeps what visitors ask for: a cache of its own, with a quota, that holds nothing private."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from pathlib import Path

from pretrained.system import server
from pretrained.system.errors import InputError

YOUNG = 600  # seconds since its last use in which a checkpoint may still be read
_freeing = threading.Lock()


def folder() -> Path:
    """Its place, beside the Hub's own cache."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "ganvas-visitors"


def use(repo_id: str) -> None:
    """Note that a repository was used now."""
    with contextlib.suppress(OSError):
        os.utime(_place(repo_id))


def make_room(repo_id: str, bytes: int) -> None:
    """Forget the least used repositories, until a checkpoint of so many bytes fits into the quota.

    Raises:
        InputError: it does not fit even so.
    """
    quota = server.max_cache()
    if bytes > quota:
        raise InputError(f"{repo_id} has {bytes:,} bytes, of {quota:,} that visitors' checkpoints may take here")
    with _freeing:
        found = sorted(folder().glob("models--*"), key=lambda place: place.stat().st_mtime)
        sizes = {place: sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) for place in found}
        for place in found:
            if sum(sizes.values()) + bytes <= quota:
                return
            if place != _place(repo_id) and time.time() - place.stat().st_mtime > YOUNG:
                shutil.rmtree(place, ignore_errors=True)
                del sizes[place]
        if sum(sizes.values()) + bytes > quota:
            raise InputError(f"{repo_id} finds no room among what other visitors look at: try again in ten minutes")


def _place(repo_id: str) -> Path:
    return folder() / f"models--{repo_id.replace('/', '--')}"
