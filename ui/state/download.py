"""Checkpoints from the Hub, fetched with a bar that counts bytes; who cancels it leaves the rest there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event

import streamlit as st

from pretrained import checkpoint, hub
from ui.state.cancel import EVERY, PATIENCE, cancellable, unless_cancelled

HUB_PATIENCE = 60  # seconds until a branch on the Hub is looked at again


class Left(Exception):
    """Nobody waits for it any more."""


@st.cache_resource(max_entries=64, ttl=HUB_PATIENCE, show_spinner=False)
def _shelf(repo_id: str, revision: str | None, as_guest: bool) -> dict[str, tuple[Path, str]]:
    """Where a checkpoint lies once it is here; a cached function could not show progress meanwhile."""
    return {}


def pull(repo_id: str, revision: str | None, as_guest: bool = False) -> tuple[Path, str]:
    """The file of a checkpoint on the Hub and its commit; the page ends here when that is cancelled.

    Args:
        as_guest: without the host's token, as `hub.pull` says.
    """
    done = _shelf(repo_id, revision, as_guest)
    if "here" not in done or not done["here"][0].exists():
        folder, commit = _fetch(repo_id, revision, as_guest)
        done["here"] = folder / checkpoint.MODEL, commit
    return done["here"]


def _fetch(repo_id: str, revision: str | None, as_guest: bool) -> tuple[Path, str]:
    """`hub.pull` in a thread of its own, since only a page that writes can be cancelled."""
    key, left, here, whole = ("pull", repo_id, revision, as_guest), Event(), 0, 0

    def tell(now: int, total: int) -> None:
        nonlocal here, whole
        here, whole = max(here, now), max(whole, total)
        if left.is_set():
            raise Left

    unless_cancelled(key)
    pool = ThreadPoolExecutor(1, "pull")
    try:
        pulled = pool.submit(hub.pull, repo_id, revision, tell, as_guest)
        if wait([pulled], PATIENCE).not_done:
            with cancellable(key, f"Asking the Hub for {repo_id} …") as (_, move):
                while wait([pulled], EVERY).not_done:
                    if whole:
                        words = f"Fetching {repo_id}: {here / 1e6:.1f} of {whole / 1e6:.1f} MB"
                        move(min(1.0, here / whole), words)
                    else:
                        move(0.0, f"Asking the Hub for {repo_id} …")
                return pulled.result()
        return pulled.result()
    finally:
        left.set()
        pool.shutdown(wait=False)
