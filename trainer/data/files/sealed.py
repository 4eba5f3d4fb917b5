"""An array of the cache and its index, both with digests: damage is noticed before anything is learnt from them."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pretrained.system.files import write_atomic
from trainer.data.files import memmap


def write(stem: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    """Write and return the index `stem`.json of the whole array `stem`.npy: what is said `about` it, and digests."""
    array = stem.with_suffix(".npy")
    index = {**about, "num_bytes": array.stat().st_size, "digest": memmap.digest(array)}
    write_atomic(stem.with_suffix(".json"), json.dumps(index | {"seal": _seal(index)}).encode())
    return index


def read(stem: Path) -> dict[str, Any] | None:
    """The index of an array where both are what was written; else None, and if there is one, a line on stderr."""
    path, array = stem.with_suffix(".json"), stem.with_suffix(".npy")
    if not path.exists():
        return None
    try:
        index = json.loads(path.read_bytes())
        is_index = index.pop("seal") == _seal(index)
        if is_index and array.stat().st_size == index["num_bytes"] and memmap.digest(array) == index["digest"]:
            return index
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        pass
    print(f"{array} or its index is damaged or of an earlier version, and is made again", file=sys.stderr)
    return None


def _seal(index: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()
