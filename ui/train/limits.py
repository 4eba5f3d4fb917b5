"""What trainings may take on a server that strangers visit; nothing is limited on one's own machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pretrained.system.errors import InputError
from pretrained.system.server import has_strangers, num_bytes
from ui.train.jobs import ROOT

ALLOWED, HOURS, UPLOAD, DISK = "GANVAS_TRAIN", "GANVAS_TRAIN_HOURS", "GANVAS_TRAIN_UPLOAD", "GANVAS_TRAIN_DISK"
DEFAULT_HOURS, DEFAULT_UPLOAD, DEFAULT_DISK = 2.0, 200 * 10**6, 5 * 10**9
OWN_UPLOAD = 2 * 10**9  # bytes of one upload, on one's own machine
LEAST_FREE = 500 * 10**6  # bytes that a training should find free


def refusal() -> str:
    """Why this server trains nothing, in a sentence; "" where it does."""
    if has_strangers() and os.environ.get(ALLOWED) != "1":
        return (
            f"This server does not train. Its owner may allow it with {ALLOWED}=1; or run Ganvas on your own machine."
        )
    if not (ROOT / "trainer").is_dir():
        return "The trainer is not here, as in a Space that was deployed: run Ganvas from a clone of the project."
    return ""


def max_hours() -> float | None:
    """For how long one training may run; None is without end."""
    if not has_strangers():
        return None
    text = os.environ.get(HOURS, "").strip() or str(DEFAULT_HOURS)
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= 1000:
        raise InputError(f"{HOURS} is {text[:40]!r}: give hours, as in 2 or 0.5")
    return hours


def max_upload() -> int:
    """Bytes of one upload."""
    return num_bytes(UPLOAD, DEFAULT_UPLOAD) if has_strangers() else OWN_UPLOAD


def check_disk(root: Path) -> None:
    """InputError where the disk is nearly full, or runs and uploads take more than strangers may."""
    place = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    if (free := shutil.disk_usage(place).free) < LEAST_FREE:
        raise InputError(f"the disk of {root} has {free / 1e6:,.0f} MB left: free {LEAST_FREE / 1e6:,.0f} MB first")
    if not has_strangers():
        return
    most = num_bytes(DISK, DEFAULT_DISK)
    taken = sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    if taken > most:
        raise InputError(
            f"trainings take {taken / 1e9:.1f} GB of this server, which gives them {most / 1e9:.1f} GB: ask its owner"
        )
