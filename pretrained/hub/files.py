"""Files of a repository on the Hub, downloaded at one commit and verified by their digests."""

from __future__ import annotations

import functools
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretrained import checkpoint
from pretrained.hub import guest_cache
from pretrained.hub.errors import raise_if_busy, raise_if_slow, retry
from pretrained.pipelines import directions
from pretrained.run_files import DISCRIMINATOR
from pretrained.system.errors import InputError

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

MAX_BYTES = {
    checkpoint.MODEL: 8 * 2**30,
    checkpoint.CONFIG: 2**20,
    checkpoint.CARD: 2**20,
    checkpoint.SAMPLES: 2**24,
    directions.FILE: directions.MAX_BYTES,
    DISCRIMINATOR: 8 * 2**30,
}
# Timeouts in seconds: to connect, to read, to write, to wait for a free connection.
TIMEOUT = (10, 60, 60, 60)
COMMIT = re.compile(r"[0-9a-f]{40}")
Tell = Callable[[int, int], object]
_changing_the_session = threading.Lock()


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE=1 is set."""
    from huggingface_hub import is_offline_mode

    return is_offline_mode()


def api() -> HfApi:
    """The client of the Hub, with TIMEOUT and without retries of its own: those are made by `retry`.

    This changes the session of the whole process, unless it has its own.
    """
    from huggingface_hub import HfApi, get_session, set_client_factory

    with _changing_the_session:
        session = get_session()
        if session.timeout.read is None:
            hooks = session.event_hooks | {"response": [*session.event_hooks["response"], raise_if_busy, raise_if_slow]}
            # Not only this session: the client opens a new one if a connection fails.
            set_client_factory(lambda: type(session)(event_hooks=hooks, follow_redirects=True, timeout=TIMEOUT))
    return HfApi(library_name="ganvas")


def ask(repo_id: str, revision: str | None = None, as_guest: bool = False) -> ModelInfo:
    """One request: the commit, and the name, the size and the digest of each file.

    Raises:
        InputError: what answers names no commit, or another one than was asked for.
    """
    from huggingface_hub import constants

    how = {"timeout": constants.HF_HUB_ETAG_TIMEOUT, "token": False if as_guest else None}
    info = api().model_info(repo_id, revision=revision, files_metadata=True, **how)
    is_asked_for = info.sha == revision or not COMMIT.fullmatch(revision or "")
    if not COMMIT.fullmatch(info.sha or "") or not is_asked_for:
        raise InputError(f"{repo_id}: the Hub answers with commit {str(info.sha)[:40]!r} for {revision!r}: try again")
    return info


def size(info: ModelInfo, name: str) -> int | None:
    """Size of a file in bytes; None if it does not exist."""
    return next((file.size or 0 for file in info.siblings if file.rfilename == name), None)


def check_size(info: ModelInfo, name: str) -> int:
    """The bytes of a file; InputError when there is none of this name, or it is larger than MAX_BYTES."""
    bytes = size(info, name)
    if bytes is None:
        raise InputError(f"{info.id} holds no {name} at {info.sha[:7]}: it is not a Ganvas checkpoint")
    if bytes > MAX_BYTES[name]:
        raise InputError(f"{name} of {info.id} has {bytes:,} bytes: at most {MAX_BYTES[name]:,} are downloaded")
    return bytes


def download(info: ModelInfo, name: str, tell: Tell | None = None, as_guest: bool = False) -> Path:
    """Download a file of that commit to the cache of the Hub.

    Args:
        as_guest: without the host's token, into a cache that holds nothing else.
        tell: progress callback (bytes downloaded, total bytes), called from any thread; an exception in it stops the
            download, except with Xet.

    Raises:
        InputError: there is no such file, or it is larger than MAX_BYTES.
        Exception: those that `as_input_error` converts.
    """
    check_size(info, name)
    return retry(lambda: _download(info, name, tell, as_guest), "fetch")


def _download(info: ModelInfo, name: str, tell: Tell | None, as_guest: bool) -> Path:
    from huggingface_hub import hf_hub_download

    how = {"token": False, "cache_dir": guest_cache.folder()} if as_guest else {}
    how |= {"tqdm_class": _telling(tell, size(info, name))} if tell else {}
    path = Path(hf_hub_download(info.id, name, revision=info.sha, library_name="ganvas", **how))
    if path.parent.name != info.sha:
        raise OSError(f"{name} of {info.id} came at another commit than {info.sha}")
    announced = next(file for file in info.siblings if file.rfilename == name)
    # The client checks only sizes, and does not verify files in the cache.
    if not _is_whole(path, announced.lfs.sha256 if announced.lfs else announced.blob_id):
        blob = path.resolve()
        path.unlink()
        blob.unlink(missing_ok=True)
        raise OSError(f"{name} of {info.id} has another digest")
    return path


def _telling(tell: Tell, whole: int) -> type:
    """A tqdm class for the client that draws nothing and calls `tell`; `whole` is the file size in bytes."""
    from tqdm import tqdm

    class Bar(tqdm):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given | {"disable": True})

        def update(self, n: float = 1) -> None:
            self.n += n
            tell(min(int(self.n), whole), whole)  # Xet has a second bar for the transfer

    return Bar


def cached(repo_id: str, revision: str, as_guest: bool = False) -> Path | None:
    """The cached folder of the last downloaded commit of a revision; None if missing or incomplete."""
    from huggingface_hub import try_to_load_from_cache

    where = guest_cache.folder() if as_guest else None
    model = try_to_load_from_cache(repo_id, checkpoint.MODEL, cache_dir=where, revision=revision)
    if not isinstance(model, str):
        return None
    files = [Path(model).with_name(name) for name in (checkpoint.MODEL, directions.FILE)]
    return files[0].parent if all(_is_whole(file) for file in files if file.exists()) else None


def _is_whole(path: Path, digest: str | None = None) -> bool:
    """Whether a file has this digest; by default, the one in the name of its blob in the cache."""
    if digest is None and path.is_symlink():
        digest = Path(os.readlink(path)).name
    there = path.stat()
    return digest is None or _digest(path, len(digest) == 40, there.st_size, there.st_mtime_ns, there.st_ino) == digest


@functools.lru_cache(maxsize=256)
def _digest(path: Path, is_small: bool, *version: int) -> str:
    """SHA-256, or the git hash of small files; cached per version of a file."""
    from huggingface_hub.utils.sha import git_hash, sha_fileobj

    with path.open("rb") as file:
        return git_hash(file.read()) if is_small else sha_fileobj(file).hex()


def has_digest(path: Path, digest: str) -> bool:
    """Whether a file has this digest: the SHA-256 of a large file, or the git hash of a small one."""
    return _is_whole(path, digest)
