"""Checkpoints on the Hugging Face Hub: pull and list."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pretrained import checkpoint
from pretrained.hub import guest_cache
from pretrained.hub.account import check_name
from pretrained.hub.errors import as_input_error, is_transient, retry
from pretrained.hub.files import COMMIT, Tell, ask, cached, download, is_offline, size
from pretrained.hub.header import check_header
from pretrained.hub.model_card import tags_of
from pretrained.pipelines import directions
from pretrained.system.errors import InputError
from pretrained.system.files import write_atomic

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
