"""Whether strangers visit this process, what they may open, and what is spent on them; set by environment variables.

An app that listens on this machine alone is used by its owner: everything is allowed. Where others can reach it, or
GANVAS_ALLOW is set, it offers its list, GANVAS_MODELS or else the bundled checkpoints, and what GANVAS_ALLOW names.
"""

from __future__ import annotations

import os
import re

from pretrained.system.errors import InputError

MODELS, ALLOW, MEMORY, CACHE = "GANVAS_MODELS", "GANVAS_ALLOW", "GANVAS_MAX_MEMORY", "GANVAS_CACHE_SIZE"
UPLOADS = "GANVAS_MAX_UPLOADS"
DEFAULT_MEMORY, DEFAULT_CACHE = 10**9, 10 * 10**9  # bytes, where strangers visit
DEFAULT_UPLOADS = 250 * 10**6  # bytes of one visitor in an hour: one data set for a training, or many pictures
MAX_PRODUCTS = 5 * 10**12  # multiplications for one batch, there: about two minutes of one core
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}

_address: str | None = "localhost"  # a program that serves nobody is its user's


def listen_on(address: str | None) -> None:
    """Say where the app of this process listens; None is everywhere."""
    global _address
    _address = address


def has_strangers() -> bool:
    """Whether somebody else than its owner can visit."""
    is_local = _address is not None and (_address in ("localhost", "::1") or _address.startswith("127."))
    return ALLOW in os.environ or bool(os.environ.get("SPACE_ID")) or not is_local


def listed() -> list[str]:
    """The ids that GANVAS_MODELS names."""
    return _names(MODELS)


def allows(id: str) -> bool:
    """Whether a visitor may open the repository user/name[@revision] of the Hub."""
    name = id.partition("@")[0]
    return not has_strangers() or bool({"*", name, name.partition("/")[0]} & {*_names(ALLOW)})


def allows_folder(name: str) -> bool:
    """Whether a visitor may look into a folder of this machine; "*" names none."""
    return not has_strangers() or name in _names(ALLOW)


def max_memory() -> int:
    """Bytes that a network and what it computes may take: GANVAS_MAX_MEMORY, or what the machine has."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 2**63
    return num_bytes(MEMORY, DEFAULT_MEMORY if has_strangers() else machine)


def max_products() -> float:
    """Multiplications that one batch may take."""
    return MAX_PRODUCTS if has_strangers() else float("inf")


def max_cache() -> int:
    """Bytes that visitors' checkpoints may take on the disk."""
    return num_bytes(CACHE, DEFAULT_CACHE)


def max_uploads() -> int:
    """Bytes that one visitor may send within an hour."""
    return num_bytes(UPLOADS, DEFAULT_UPLOADS)


def _names(variable: str) -> list[str]:
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


def num_bytes(variable: str, default: int) -> int:
    """Bytes that an environment variable names, as in 500MB; `default` where it is not set."""
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s*([KMGT]?B?)", text, re.IGNORECASE)
    if not match or match[2].upper() not in UNITS:
        raise InputError(f"{variable} is {text[:40]!r}: give bytes, as in 500MB or 2GB")
    return int(float(match[1]) * UNITS[match[2].upper()])
