"""Publish a checkpoint on the Hugging Face Hub."""

from __future__ import annotations

import contextlib
import logging
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from pretrained import checkpoint
from pretrained.hub.account import check_name, check_secrets, check_writable
from pretrained.hub.errors import as_input_error, retry
from pretrained.hub.files import api, ask, download, size
from pretrained.hub.model_card import is_edited, model_card
from pretrained.pipelines import directions
from pretrained.run_files import DISCRIMINATOR
from pretrained.system.errors import InputError
from pretrained.system.symlinks import reject_escaping_symlink

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

log = logging.getLogger(__name__)


def check_push(repo_id: str | None, default_name: str) -> str:
    """Check before a training whether its result can be published.

    Args:
        repo_id: "user/name", "name" in the own account, or None for `default_name` there.

    Returns:
        The full "user/name".

    Raises:
        InputError: no token, no write access, or the repository holds something else.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    full_name = check_writable(repo_id or default_name)
    with as_input_error(full_name), contextlib.suppress(RepositoryNotFoundError):
        _check_ours(retry(lambda: ask(full_name)))
    return full_name


def push(folder: Path, repo_id: str, private: bool = False, with_discriminator: bool = False) -> str:
    """Publish the checkpoint in `folder` as one commit, creating the repository if needed -> its URL.

    Only model.safetensors, config.json, README.md, samples.png and directions.safetensors are published, and no links
    to other folders. A README.md that was edited on the Hub is kept, and so are directions of other names.

    Args:
        with_discriminator: publish discriminator.safetensors too, for fine-tuning.

    Raises:
        InputError: it was rejected, or the Hub is unavailable; with the command that repeats the push.
    """
    check_name(repo_id)
    files = _published(folder, repo_id)
    if with_discriminator:
        files[DISCRIMINATOR] = _discriminator(folder)
    # The header of the model equals config.json, which is checked.
    check_secrets({name: data for name, data in files.items() if name not in (checkpoint.MODEL, DISCRIMINATOR)})
    with as_input_error(repo_id, remedy=nothing_lost(folder, repo_id, private, with_discriminator)):
        return retry(lambda: _publish(files, repo_id, private), "publish")


def nothing_lost(folder: Path, repo_id: str, private: bool = False, with_discriminator: bool = False) -> str:
    """Remedy for a failed push."""
    flags = ["--private"] * private + ["--with-discriminator"] * with_discriminator
    command = ["python", "-m", "trainer", "push", str(folder), "--repo-id", repo_id, *flags]
    return f"nothing was lost; repeat with: {shlex.join(command)}"


def _published(folder: Path, repo_id: str) -> dict[str, bytes | Path]:
    names = (checkpoint.MODEL, checkpoint.CARD, checkpoint.SAMPLES, directions.FILE)
    model, card, samples, named = (reject_escaping_symlink(folder / name) for name in names)
    config = checkpoint.read_config(model)
    text = card.read_text(encoding="utf-8") if card.exists() else ""
    if not is_edited(text):
        text = model_card(config, repo_id, samples.exists())
    files = {
        checkpoint.MODEL: model,
        checkpoint.CONFIG: config.to_json().encode() + b"\n",
        checkpoint.CARD: text.encode(),
    }
    if directions.read(named, config):  # refuse it now rather than when it is pulled
        files[directions.FILE] = named
    return files | ({checkpoint.SAMPLES: samples} if samples.exists() else {})


def _discriminator(folder: Path) -> Path:
    path = reject_escaping_symlink(folder / DISCRIMINATOR)
    if not path.exists():
        raise InputError(f"{folder} holds no {DISCRIMINATOR}: leave out `with_discriminator`")
    checkpoint.load_tensors(path)  # refuse it now rather than when it is pulled
    return path


def _publish(files: dict[str, bytes | Path], repo_id: str, private: bool) -> str:
    from huggingface_hub import CommitOperationAdd

    # None selects the default of the account; False would override it.
    link = api().create_repo(repo_id, private=private or None, exist_ok=True)
    info = ask(repo_id)
    if private and not info.private:
        raise InputError(f"{repo_id} is public already: make it private in its settings, or choose another `repo_id`")
    _check_ours(info)
    if size(info, checkpoint.CARD) is not None and is_edited(download(info, checkpoint.CARD).read_text("utf-8")):
        log.warning("%s of %s was edited on the Hub: it is kept", checkpoint.CARD, repo_id)
        files = {name: data for name, data in files.items() if name != checkpoint.CARD}
    if directions.FILE in files and size(info, directions.FILE) is not None:
        files = files | {directions.FILE: _merged(files, info)}
    api().create_commit(
        repo_id,
        [CommitOperationAdd(name, data) for name, data in files.items()],
        commit_message="Publish a Ganvas checkpoint",
        # Rejected if somebody has committed in between; and a retry adds no second commit.
        parent_commit=info.sha,
    )
    return str(link)


def _merged(files: dict[str, bytes | Path], info: ModelInfo) -> bytes:
    """The directions, and those on the Hub with other names."""
    config = checkpoint.read_config(files[checkpoint.MODEL])
    ours, theirs = directions.read(files[directions.FILE], config), {}
    try:
        theirs = directions.read(download(info, directions.FILE), config)
    except InputError as error:
        log.warning("%s of %s is replaced: %s", directions.FILE, info.id, error)
    if changed := [name for name in ours if name in theirs and (ours[name].vector != theirs[name].vector).any()]:
        log.warning("%s of %s: %s has changed", directions.FILE, info.id, ", ".join(changed))
    return directions.encode(theirs | ours, config)


def _check_ours(info: ModelInfo) -> None:
    """InputError if the repository holds a model that is not a Ganvas checkpoint."""
    if size(info, checkpoint.MODEL) is None:
        return
    try:
        checkpoint.Config.from_json(download(info, checkpoint.CONFIG).read_text("utf-8"))
    except InputError as error:
        raise InputError(f"{info.id} holds another model: choose another `repo_id` ({error})") from error
