"""Checkpoints on the Hugging Face Hub: pull, push and list."""

from __future__ import annotations

import contextlib
import logging
import re
import shlex
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pretrained import checkpoint
from pretrained.hub import guest_cache
from pretrained.hub.account import check_name, check_secrets, check_writable
from pretrained.hub.errors import as_input_error, is_transient, retry
from pretrained.hub.files import COMMIT, Tell, api, ask, cached, download, is_offline, size
from pretrained.hub.header import check_header
from pretrained.hub.model_card import is_edited, model_card, tags_of
from pretrained.pipelines import directions
from pretrained.run_files import DISCRIMINATOR
from pretrained.system.errors import InputError
from pretrained.system.files import write_atomic
from pretrained.system.symlinks import reject_escaping_symlink

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

TAG = "ganvas"
REVISION = re.compile(r"(?!.*\.\.)\w[\w.-]*(/\w[\w.-]*)*")

log = logging.getLogger(__name__)


def pull(
    repo_id: str, revision: str | None = None, tell: Tell | None = None, as_guest: bool = False
) -> tuple[Path, str]:
    """Download a checkpoint through the Hub's own cache, once its header says that it can be drawn.

    The revision is resolved to a commit once, so that a push in between cannot mix two versions. Offline, or when the
    Hub cannot be reached, it is the last commit of that revision that was pulled.

    Args:
        repo_id: "user/name".
        revision: a branch, tag or commit; None is the main branch.
        tell: progress callback of the weights, as in `files.download`.
        as_guest: for a visitor who has no authority of the host: without its token, and through a cache with a quota
            that holds nothing else.

    Returns:
        The folder with model.safetensors, and the 40 hexadecimal digits of the commit.

    Raises:
        InputError: the repository, revision or file does not exist, is private, too large or unavailable.
    """
    from huggingface_hub import constants

    revision = revision or constants.DEFAULT_REVISION
    check_name(repo_id)
    if not REVISION.fullmatch(revision):
        raise InputError(f"{revision!r} is not a revision: give a branch, a tag or a commit, as in {repo_id}@main")
    before = cached(repo_id, revision, as_guest)
    if before and as_guest:
        guest_cache.use(repo_id)
    if before and (is_offline() or COMMIT.fullmatch(revision)):
        return before, before.name
    with as_input_error(repo_id, revision):
        try:
            info = ask(repo_id, revision, as_guest) if before else retry(lambda: ask(repo_id, revision, as_guest))
            if as_guest:
                guest_cache.make_room(repo_id, size(info, checkpoint.MODEL) or 0)
            if not (before and before.name == info.sha):
                check_header(info, as_guest)
            model = download(info, checkpoint.MODEL, tell, as_guest)
        except Exception as error:
            if not before or not is_transient(error):
                raise
            log.warning("Hub unavailable; using the cached copy of %s at %s", repo_id, before.name[:7])
            return before, before.name
        if size(info, checkpoint.CONFIG) is not None:
            # Not needed for loading, but the Hub counts downloads by config.json.
            download(info, checkpoint.CONFIG, as_guest=as_guest)
    _pull_directions(info, as_guest)
    if revision != info.sha:
        # The cache records the commit of a branch only for downloads by branch; it may be read-only.
        with contextlib.suppress(InputError):
            write_atomic(model.parents[2] / "refs" / revision, info.sha.encode())
    return model.parent, info.sha


def _pull_directions(info: ModelInfo, as_guest: bool) -> None:
    """Download the directions, which are optional."""
    if size(info, directions.FILE) is None:
        return
    try:
        with as_input_error(info.id, info.sha):
            download(info, directions.FILE, as_guest=as_guest)
    except InputError as error:
        log.warning("%s of %s is not used: %s", directions.FILE, info.id, error)


def pull_file(repo_id: str, revision: str, name: str) -> Path | None:
    """Download another file of a pulled checkpoint; None if the repository has no such file.

    Raises:
        InputError: the file is too large, or neither in the cache nor available from the Hub.
    """
    from huggingface_hub import try_to_load_from_cache

    before = try_to_load_from_cache(repo_id, name, revision=revision)
    if isinstance(before, str) or is_offline():
        return Path(before) if isinstance(before, str) else None
    with as_input_error(repo_id, revision):
        info = retry(lambda: ask(repo_id, revision))
        return download(info, name) if size(info, name) is not None else None


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


def list_models(author: str | None = None, *tags: str, limit: int = 100, as_guest: bool = False) -> list[ModelInfo]:
    """The newest Ganvas checkpoints, of one author or of all; each has an id, a pipeline_tag, downloads, likes.

    If offline, those in the cache.

    Args:
        tags: required tags besides that of all Ganvas checkpoints.
        as_guest: without the host's token.

    Raises:
        InputError: the Hub is unavailable.
    """
    from huggingface_hub import ModelInfo, constants, get_session
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    if is_offline():
        return [] if as_guest else list(islice(_pulled(author, {*tags}), limit))

    def newest() -> list[ModelInfo]:
        # HfApi.list_models has no timeout for a Hub that does not respond, and 23 s for one that is unreachable.
        query = {"filter": [TAG, *tags], "sort": "lastModified", "limit": limit}
        query |= {"author": author} if author else {}
        timeout = constants.HF_HUB_ETAG_TIMEOUT
        address = f"{constants.ENDPOINT}/api/models"
        answer = get_session().get(
            address, params=query, headers=build_hf_headers(token=False if as_guest else None), timeout=timeout
        )
        hf_raise_for_status(answer)
        return [ModelInfo(**model) for model in answer.json()]

    with as_input_error(" ".join(filter(None, (author, TAG, *tags)))):
        return retry(newest)


def _pulled(author: str | None, wanted: set[str]) -> Iterator[ModelInfo]:
    """The checkpoints in the cache, the last pulled first."""
    from huggingface_hub import ModelInfo, constants

    folders = Path(constants.HF_HUB_CACHE).glob("models--*--*")
    for folder in sorted(folders, key=lambda folder: folder.stat().st_mtime, reverse=True):
        _, owner, name = folder.name.split("--", 2)
        before = cached(f"{owner}/{name}", constants.DEFAULT_REVISION) if author in (None, owner) else None
        with contextlib.suppress(InputError):  # not a Ganvas checkpoint
            if before and wanted <= {*(found := tags_of(checkpoint.read_config(before / checkpoint.MODEL)))}:
                yield ModelInfo(id=f"{owner}/{name}", tags=found)


def peek(repo_id: str, as_guest: bool = False) -> tuple[checkpoint.Config, Path | None]:
    """Download the config of a checkpoint and its samples.png, if it has one, without the weights.

    Raises:
        InputError: the repository is unavailable, or holds no Ganvas checkpoint.
    """
    from huggingface_hub import constants

    if is_offline() and (before := cached(repo_id, constants.DEFAULT_REVISION, as_guest)):
        samples = before / checkpoint.SAMPLES
        return checkpoint.read_config(before / checkpoint.MODEL), samples if samples.exists() else None
    with as_input_error(repo_id):
        info = retry(lambda: ask(repo_id, as_guest=as_guest))
        text = download(info, checkpoint.CONFIG, as_guest=as_guest).read_text("utf-8", errors="replace")
        config = checkpoint.Config.from_json(text)
        has_samples = size(info, checkpoint.SAMPLES) is not None
        return config, download(info, checkpoint.SAMPLES, as_guest=as_guest) if has_samples else None


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
