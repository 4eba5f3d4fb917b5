"""A trained model at rest, and how to run it: load(id).sample(range(64)), or load(id).translate(picture)."""

from __future__ import annotations

import re
from pathlib import Path

from pretrained import checkpoint, hub, pipelines, titles
from pretrained.system.errors import InputError
from pretrained.trial import check_drawable

__all__ = ["InputError", "available", "load", "resolve"]

BUNDLED = Path(__file__).parent / "weights"
HUB_ID = re.compile(r"(?P<repo_id>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


def available() -> list[str]:
    """The names of the bundled checkpoints: those that have a title, in the order of the table, then the others."""
    names = sorted(file.parent.name for file in BUNDLED.glob(f"*/{checkpoint.MODEL}"))
    titled = [name for name in titles.table() if name in names]
    return [*titled, *(name for name in names if name not in titled)]


def resolve(id: str) -> tuple[Path, str]:
    """The checkpoint file that `id` means, pulled from the Hub if need be, and its commit there ("" for a local one).

    Args:
        id: a bundled name, a folder or a file, or a Hub repository "user/name[@revision]".

    Raises:
        InputError: there is no such checkpoint, or the Hub cannot give it.
    """
    if id in available():
        return BUNDLED / id / checkpoint.MODEL, ""
    path = _local(id)
    if path.is_dir() and (path / checkpoint.MODEL).exists():
        return path / checkpoint.MODEL, ""
    if path.is_file():
        return path, ""
    if path.is_dir() or not (match := HUB_ID.fullmatch(id)):
        raise InputError(
            f"no checkpoint {id[:100]!r}: a bundled name ({', '.join(available())}), "
            f"a folder or file with {checkpoint.MODEL}, or a Hub repository user/name[@revision]"
        )
    folder, revision = hub.pull(match["repo_id"], match["revision"])
    return folder / checkpoint.MODEL, revision


def _local(id: str) -> Path:
    """The path that `id` is, or would be; InputError when no file could be called so."""
    try:
        path = Path(id).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long, the home of nobody, a zero in it
        raise InputError(f"no checkpoint {id[:100]!r}: {getattr(error, 'strerror', None) or error}") from None
    return path


def load(id: str, device: str = "auto") -> pipelines.Generate | pipelines.Translate:
    """The pipeline that a checkpoint's config names, ready to run on `device` ("auto", "cpu", "cuda", "mps").

    Raises:
        InputError: there is no such checkpoint, or it is refused; says which and why.
    """
    target = pipelines.pick_device(device)
    path, revision = resolve(id)
    check_drawable(checkpoint.read_config(path))
    network, config = checkpoint.load(path)
    if counters := {name: value for name, value in network.named_buffers() if not value.is_floating_point()}:
        check_drawable(config, counters)
    return pipelines.make(network, config, target, revision)
