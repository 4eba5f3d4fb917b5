"""The state that a resumed run needs: with a digest, read back before it replaces the last one, which is kept."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pretrained.run_files import NEXT, PREVIOUS, STATE
from pretrained.system.errors import InputError
from pretrained.system.files import cannot_write, open_regular, write_atomic

MAGIC = b"GANVAS-SHA256:"
FOOT = len(MAGIC) + hashlib.sha256().digest_size
END = b"PK\x05\x06"  # begins the last 22 bytes of a zip file, which torch.save writes
CHUNK = 2**20


def exists(folder: Path) -> bool:
    """Whether there is a state to go on from."""
    return any((folder / name).exists() for name in (STATE, PREVIOUS))


def write(folder: Path, state: Mapping[str, Any]) -> None:
    """Write a state, read it back, and only then put it in the place of the last one, which becomes PREVIOUS.

    Raises:
        InputError: it cannot be written; the last one is untouched.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    digest = hashlib.sha256(buffer.getbuffer()).digest()
    buffer.seek(0, os.SEEK_END)
    buffer.write(MAGIC + digest)
    path = folder / NEXT
    write_atomic(path, buffer.getbuffer())
    try:
        if not _is_whole(path):
            raise OSError("what was written is not what is read back")
        if (folder / STATE).exists():
            os.replace(folder / STATE, folder / PREVIOUS)
        os.replace(path, folder / STATE)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise cannot_write(folder / STATE, error, "choose another `out`") from error


def read(folder: Path) -> dict[str, Any]:
    """The last state; where that is damaged, the one before, with a line on stderr.

    Raises:
        InputError: neither can be read.
    """
    reasons = []
    for name in (STATE, PREVIOUS):
        try:
            if not _is_whole(folder / name):
                raise InputError("its digest is another")
            state = torch.load(folder / name, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            continue
        except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
            reasons.append(f"{folder / name} cannot be read ({error})")
            continue
        if reasons:
            print(f"ganvas: {reasons[0]}: going on from the state before it", file=sys.stderr)
        return state
    raise InputError(f"{'; '.join(reasons) or f'{folder} holds no state'}: choose another `out`")


def _is_whole(path: Path) -> bool:
    """Whether a file has the digest at its end; those of earlier versions have none."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(size - FOOT, 0))
        foot = file.read()
        if not foot.startswith(MAGIC):
            return foot[-len(END) - 18 :].startswith(END)
        file.seek(0)
        left, digest = size - FOOT, hashlib.sha256()
        while left > 0 and (part := file.read(min(CHUNK, left))):
            digest.update(part)
            left -= len(part)
        return foot == MAGIC + digest.digest()
