"""Inference with trained models: load(id).sample(range(64)) or load(id).translate(image)."""

from __future__ import annotations

import re
from pathlib import Path

from pretrained import checkpoint, pipelines, titles
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
    """Path of the checkpoint `id`, downloaded from the Hub if needed, and its commit there ("" if local).

    Args:
        id: a bundled name, a folder or a file, or a Hub repository "user/name[@revision]".

    Raises:
        InputError: there is no such checkpoint, or the Hub is unavailable.
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
    from pretrained import hub  # not needed for a local checkpoint

    folder, revision = hub.pull(match["repo_id"], match["revision"])
    return folder / checkpoint.MODEL, revision


def _local(id: str) -> Path:
    """`id` as a path; InputError if it is not a valid one."""
    try:
        path = Path(id).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long, the home of nobody, a zero in it
        raise InputError(f"no checkpoint {id[:100]!r}: {getattr(error, 'strerror', None) or error}") from None
    return path


def load(id: str, device: str = "auto") -> pipelines.Generate | pipelines.Translate:
    """Load a checkpoint as a pipeline on `device` ("auto", "cpu", "cuda", "mps").

    Raises:
        InputError: there is no such checkpoint, or it is not valid.
    """
    target = pipelines.pick_device(device)
    path, revision = resolve(id)
    check_drawable(checkpoint.read_config(path))
    network, config = checkpoint.load(path)
    if counters := {name: value for name, value in network.named_buffers() if not value.is_floating_point()}:
        check_drawable(config, counters)
    return pipelines.make(network, config, target, revision)
