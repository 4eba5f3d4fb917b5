"""Checkpoints on the Hugging Face Hub: pull one at a commit, publish one in one commit, list what there is."""

from __future__ import annotations

import contextlib
import logging
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretrained import checkpoint, directions
from pretrained.card import is_edited, model_card
from pretrained.errors import InputError
from pretrained.files import write_atomic
from pretrained.hub_errors import LOGIN, READ_WAITS, WRITE_WAITS, is_transient, retry, sentences

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

MAX_BYTES = {
    checkpoint.MODEL: 8 * 2**30,
    checkpoint.CONFIG: 2**20,
    checkpoint.CARD: 2**20,
    checkpoint.SAMPLES: 2**24,
    directions.FILE: directions.MAX_BYTES,
}
TAG = "ganvas"
REVISION = re.compile(r"(?!.*\.\.)\w[\w.-]*(/\w[\w.-]*)*")
COMMIT = re.compile(r"[0-9a-f]{40}")

# Seconds of silence to put up with: to connect, to read, to write, to wait for a free connection.
TIMEOUT = (10, 60, 60, 60)

log = logging.getLogger(__name__)


def pull(repo_id: str, revision: str | None = None) -> tuple[Path, str]:
    """Download a checkpoint through the Hub's own cache.

    The revision is resolved to a commit once, so that a push in between cannot mix two versions. Offline, or when the
    Hub cannot be reached, it is the last commit of that revision that was pulled.

    Args:
        repo_id: "user/name".
        revision: a branch, tag or commit; None is the main branch.

    Returns:
        The folder with model.safetensors, and the 40 hexadecimal digits of the commit.

    Raises:
        InputError: the repository, the revision or the file is missing, closed, too large or out of reach.
    """
    from huggingface_hub import constants, is_offline_mode

    revision = revision or constants.DEFAULT_REVISION
    check_name(repo_id)
    if not REVISION.fullmatch(revision):
        raise InputError(f"{revision!r} is not a revision: give a branch, a tag or a commit, as in {repo_id}@main")
    cached = _cached(repo_id, revision)
    if cached and (is_offline_mode() or COMMIT.fullmatch(revision)):
        return cached, cached.name
    with sentences(repo_id, revision):
        try:
            info = retry(lambda: _info(repo_id, revision), () if cached else READ_WAITS)
        except Exception as error:
            if not cached or not is_transient(error):
                raise
            log.warning("The Hub cannot be reached: using %s at %s, pulled before", repo_id, cached.name[:7])
            return cached, cached.name
        model = _download(info, checkpoint.MODEL)
        if _size(info, checkpoint.CONFIG) is not None:
            # Loading needs the model alone; the Hub counts a download by its config.json.
            _download(info, checkpoint.CONFIG)
    _pull_directions(info)
    if revision != info.sha:
        # The cache notes where a branch points only when a file is asked for by that branch; it may be read-only.
        with contextlib.suppress(InputError):
            write_atomic(model.parents[2] / "refs" / revision, info.sha.encode())
    return model.parent, info.sha


def _pull_directions(info: ModelInfo) -> None:
    """Download the directions too, where there are any; a checkpoint is whole without."""
    if _size(info, directions.FILE) is None:
        return
    try:
        with sentences(info.id, info.sha):
            _download(info, directions.FILE)
    except InputError as error:
        log.warning("%s of %s is left out: %s", directions.FILE, info.id, error)


def check_push(repo_id: str | None, default_name: str) -> str:
    """Find out before a long training whether its result could be published.

    Args:
        repo_id: "user/name", "name" for one's own account, or None for `default_name` there.

    Returns:
        The full "user/name".

    Raises:
        InputError: no token, one that cannot write there, or a name that is taken by something else.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    full_name = check_writable(repo_id or default_name)
    with sentences(full_name), contextlib.suppress(RepositoryNotFoundError):
        _check_ours(retry(lambda: _info(full_name)))
    return full_name


def check_writable(name: str) -> str:
    """The full "user/name" of a repository; InputError when there is no token that may write there."""
    from huggingface_hub import get_token, is_offline_mode

    if is_offline_mode():
        raise InputError("HF_HUB_OFFLINE=1 forbids publishing: unset it, or publish later")
    if not get_token():
        raise InputError(f"publishing needs a Hugging Face token: {LOGIN}")
    with sentences(name):
        account = retry(lambda: api().whoami())
        full_name = name if "/" in name else f"{account['name']}/{name}"
        check_name(full_name)
        _check_permission(account, full_name)
    return full_name


def push(folder: Path, repo_id: str, private: bool = False) -> str:
    """Publish the checkpoint in `folder` as one commit, creating the repository if need be -> its link.

    What is published is model.safetensors, config.json, README.md, samples.png and directions.safetensors, nothing else
    of the folder. A README.md that was edited on the Hub stays as it is, and so do directions of other names there.

    Raises:
        InputError: it is refused, or the Hub is out of reach; with the command that pushes it again.
    """
    from huggingface_hub import get_token

    check_name(repo_id)
    files = _published(folder, repo_id)
    if (token := get_token()) and any(token in data.decode() for data in files.values() if isinstance(data, bytes)):
        raise InputError(
            f"{folder} is not published: your token stands in its {checkpoint.CONFIG} or {checkpoint.CARD}"
        )
    again = f"python -m trainer push {shlex.quote(str(folder))} --repo-id {repo_id}" + " --private" * private
    with sentences(repo_id, remedy=f"nothing was lost, this pushes it again: {again}"):
        return retry(lambda: _publish(files, repo_id, private), WRITE_WAITS, even_if_lost=True)


def list_models(author: str | None = None, *tags: str, limit: int = 100) -> list[ModelInfo]:
    """The newest Ganvas checkpoints, of one author or of all; each has an id, a pipeline_tag, downloads, likes.

    Args:
        tags: what they must carry beside the tag of all Ganvas checkpoints.

    Raises:
        InputError: the Hub is out of reach.
    """
    from huggingface_hub import ModelInfo, constants, get_session
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

    def ask() -> list[ModelInfo]:
        # HfApi.list_models waits without end for a silent Hub, and 23 s for one that is out of reach.
        query = {"filter": [TAG, *tags], "sort": "lastModified", "limit": limit}
        query |= {"author": author} if author else {}
        timeout = constants.HF_HUB_ETAG_TIMEOUT
        address = f"{constants.ENDPOINT}/api/models"
        answer = get_session().get(address, params=query, headers=build_hf_headers(), timeout=timeout)
        hf_raise_for_status(answer)
        return [ModelInfo(**model) for model in answer.json()]

    with sentences(" ".join(filter(None, (author, TAG, *tags)))):
        return retry(ask)


def peek(repo_id: str) -> tuple[checkpoint.Config, Path | None]:
    """The config of a checkpoint on the Hub, and the file of its samples.png if it has one; no weights are pulled.

    Raises:
        InputError: the repository is out of reach, or holds no Ganvas checkpoint.
    """
    with sentences(repo_id):
        info = retry(lambda: _info(repo_id))
        text = _download(info, checkpoint.CONFIG).read_text("utf-8", errors="replace")
        config = checkpoint.Config.from_json(text)
        has_samples = _size(info, checkpoint.SAMPLES) is not None
        return config, _download(info, checkpoint.SAMPLES) if has_samples else None


def _published(folder: Path, repo_id: str) -> dict[str, bytes | Path]:
    model, card, samples = (folder / name for name in (checkpoint.MODEL, checkpoint.CARD, checkpoint.SAMPLES))
    config = checkpoint.read_config(model)
    text = card.read_text(encoding="utf-8") if card.exists() else ""
    if not is_edited(text):
        text = model_card(config, repo_id, samples.exists())
    files = {
        checkpoint.MODEL: model,
        checkpoint.CONFIG: config.to_json().encode() + b"\n",
        checkpoint.CARD: text.encode(),
    }
    if directions.read(folder / directions.FILE, config):  # refused here rather than by those who pull it
        files[directions.FILE] = folder / directions.FILE
    return files | ({checkpoint.SAMPLES: samples} if samples.exists() else {})


def _publish(files: dict[str, bytes | Path], repo_id: str, private: bool) -> str:
    from huggingface_hub import CommitOperationAdd

    # None leaves the choice to the account's own default; False would override it.
    link = api().create_repo(repo_id, private=private or None, exist_ok=True)
    info = _info(repo_id)
    if private and not info.private:
        raise InputError(f"{repo_id} is public already: make it private in its settings, or choose another --repo-id")
    _check_ours(info)
    if _size(info, checkpoint.CARD) is not None and is_edited(_download(info, checkpoint.CARD).read_text("utf-8")):
        log.warning("%s of %s was edited on the Hub: it stays as it is", checkpoint.CARD, repo_id)
        files = {name: data for name, data in files.items() if name != checkpoint.CARD}
    if directions.FILE in files and _size(info, directions.FILE) is not None:
        files = files | {directions.FILE: _merged(files, info)}
    api().create_commit(
        repo_id,
        [CommitOperationAdd(name, data) for name, data in files.items()],
        commit_message="Publish a Ganvas checkpoint",
        # Refused if somebody edited the card since we looked; and a second attempt adds no second commit.
        parent_commit=info.sha,
    )
    return str(link)


def _merged(files: dict[str, bytes | Path], info: ModelInfo) -> bytes:
    """Our directions, and those on the Hub that have other names."""
    config = checkpoint.read_config(files[checkpoint.MODEL])
    ours, theirs = directions.read(files[directions.FILE], config), {}
    try:
        theirs = directions.read(_download(info, directions.FILE), config)
    except InputError as error:
        log.warning("%s of %s is replaced: %s", directions.FILE, info.id, error)
    if changed := [name for name in ours if name in theirs and (ours[name].vector != theirs[name].vector).any()]:
        log.warning("%s of %s: %s is another direction now", directions.FILE, info.id, ", ".join(changed))
    return directions.encode(theirs | ours, config)


def api() -> HfApi:
    """The Hub's client, which waits for a silent Hub no longer than TIMEOUT."""
    from huggingface_hub import HfApi, get_session

    session = get_session()
    if session.timeout.read is None:
        session.timeout = TIMEOUT
    return HfApi(library_name="ganvas")


def _info(repo_id: str, revision: str | None = None) -> ModelInfo:
    """One request: the commit, and the name and size of each file."""
    from huggingface_hub import constants

    return api().model_info(repo_id, revision=revision, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT)


def _size(info: ModelInfo, name: str) -> int | None:
    return next((file.size or 0 for file in info.siblings if file.rfilename == name), None)


def _download(info: ModelInfo, name: str) -> Path:
    from huggingface_hub import hf_hub_download

    size = _size(info, name)
    if size is None:
        raise InputError(f"{info.id} holds no {name} at {info.sha[:7]}: it is not a Ganvas checkpoint")
    if size > MAX_BYTES[name]:
        raise InputError(f"{name} of {info.id} has {size:,} bytes: at most {MAX_BYTES[name]:,} are downloaded")
    return Path(hf_hub_download(info.id, name, revision=info.sha, library_name="ganvas"))


def _cached(repo_id: str, revision: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    model = try_to_load_from_cache(repo_id, checkpoint.MODEL, revision=revision)
    return Path(model).parent if isinstance(model, str) else None


def check_name(repo_id: str) -> None:
    """Refuse what cannot be the name of a repository."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo_id)
        if repo_id.count("/") != 1:
            raise HFValidationError
    except HFValidationError:
        raise InputError(
            f"{repo_id!r} is not a repository name: user/name with letters, digits, single '-' and '.', '_', 96 at most"
        ) from None


def _check_permission(account: dict[str, Any], repo_id: str) -> None:
    """Refuse a token that cannot write to `repo_id`, as far as the Hub tells what it may do."""
    owner = repo_id.split("/")[0]
    writable = [account["name"]]
    writable += [org["name"] for org in account.get("orgs", []) if org.get("roleInOrg") != "read"]
    if owner not in writable:
        raise InputError(f"you cannot publish as {owner}: --repo-id may start with {', '.join(writable)}")
    token = account.get("auth", {}).get("accessToken", {})
    scopes = token.get("fineGrained", {}).get("scoped", [])
    allowed = {
        "read": False,
        "fineGrained": any(
            scope["entity"].get("name") in (owner, repo_id) and "repo.write" in scope["permissions"] for scope in scopes
        ),
    }
    if not allowed.get(token.get("role"), True):
        raise InputError(f"your Hugging Face token cannot write to {repo_id}: {LOGIN}")


def _check_ours(info: ModelInfo) -> None:
    """Refuse to publish over a model that is not a Ganvas checkpoint."""
    if _size(info, checkpoint.MODEL) is None:
        return
    try:
        checkpoint.Config.from_json(_download(info, checkpoint.CONFIG).read_text("utf-8"))
    except InputError as error:
        raise InputError(f"{info.id} holds another model: choose another --repo-id ({error})") from error
