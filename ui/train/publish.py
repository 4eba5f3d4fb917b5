"""A run's way to the Hub; without a widget."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pretrained.system.errors import InputError, one_line
from pretrained.system.server import has_strangers
from ui.train.jobs import ROOT


def login() -> bool:
    """Whether a login of the Hub is found on this machine that its visitor, the owner, may use."""
    import huggingface_hub

    return not has_strangers() and huggingface_hub.get_token() is not None


def _run(words: list[str], token: str) -> str:
    """The last line that a command of ours prints; the token travels in its environment, never in its words."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | ({"HF_TOKEN": token} if token else {})
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1]
        raise InputError(one_line(last.removeprefix("ganvas: ")).replace(token or "\0", "…"))
    return done.stdout.strip().splitlines()[-1]


def publish(folder: Path, repo_id: str, private: bool, space: bool, token: str) -> Iterator[tuple[str, str]]:
    """Push a run, and a static Space of it where that is wanted -> what was made and its link, as it is made.

    Raises:
        InputError: the Hub refuses it, or cannot be reached; says why.
    """
    flags = ["--private"] if private else []
    link = _run(["trainer", "push", str(folder), "--repo-id", repo_id, *flags], token)
    yield "Model", link
    if space:
        name = "/".join(link.rstrip("/").split("/")[-2:])
        words = ["pretrained", "deploy", str(folder), "--space", "static", "--repo-id", name, *flags]
        yield "Page", _run(words, token)


def can_make_pages() -> bool:
    """Whether the packages of requirements-onnx.txt are installed."""
    return all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime", "onnxscript"))


@functools.lru_cache(2)  # a browser that has waited for three minutes gives up, and finds it when it asks again
def page(folder: Path, modified: int) -> bytes:
    """The static page of a run as a .zip, for a web server of one's own; `modified` says which state of the run.

    Raises:
        InputError: it cannot be exported; says why.
    """
    with tempfile.TemporaryDirectory() as place:
        _run(["pretrained", "deploy", str(folder), "--space", "static", "--dry-run", f"{place}/page"], "")
        return Path(shutil.make_archive(f"{place}/page", "zip", f"{place}/page")).read_bytes()


def embed(link: str) -> str:
    """HTML that shows a static Space within another page."""
    user, name = link.rstrip("/").split("/")[-2:]
    host = f"{user}-{name}".lower().replace("_", "-").replace(".", "-")
    return f'<iframe src="https://{host}.static.hf.space" width="400" height="640" style="border: 0"></iframe>'
