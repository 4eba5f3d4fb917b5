"""Where a verb writes: refused at once what could not be written when the work is done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pretrained.media import video
from pretrained.system.errors import InputError


def check_out(verb: Any) -> None:
    """InputError when `verb.out` cannot be written, or would be written over what is read."""
    try:
        _check_out(verb)
    except OSError as error:  # a name that no file can have
        raise InputError(f"cannot write `out`: {error.strerror}, got {str(verb.out)[:100]}") from error


def _check_out(verb: Any) -> None:
    path, suffix, source = verb.out, verb.out.suffix.lower(), getattr(verb, "input", None)
    if isinstance(source, Path) and source.is_dir():
        if path.exists() and not path.is_dir():
            raise InputError(f"`out` {path} is a file: give the name of a folder, since `input` is one")
        if path.resolve().is_relative_to(source.resolve()):
            raise InputError(f"`out` {path} lies in `input` {source}: give another folder")
    elif not verb.suffixes:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(f"`out` {path} is not empty: give the name of a new folder")
    elif suffix not in verb.suffixes:
        raise InputError(f"`out` must end in {', '.join(verb.suffixes)}, got {path}")
    elif path.is_dir():
        raise InputError(f"`out` {path} is a folder: give the name of a file")
    elif isinstance(source, Path) and path.resolve() == source.resolve():
        raise InputError(f"`out` {path} is the image that is read: give another name")
    if not path.parent.is_dir():
        raise InputError(f"`out` {path} lies in no folder that exists: create {path.parent} first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"`out` {path} cannot be written: you may not write in {path.parent}")
    if hasattr(verb, "fps"):
        video.check(suffix, verb.fps)
