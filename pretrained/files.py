"""Writing files so that a reader never sees half of one, and where those go that can be made again."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pretrained.errors import InputError


def cache_folder() -> Path:
    """Where what can be made again is kept: ganvas below $XDG_CACHE_HOME, else below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganvas"


def write_atomic(path: Path, data: bytes) -> None:
    """Write beside `path`, flush to the disk, rename over it: there is the old file or the new one, never a part.

    Raises:
        InputError: the folder is not writable, or the disk is full; what was there before is untouched.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {error.strerror}; free some space or choose another folder") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
