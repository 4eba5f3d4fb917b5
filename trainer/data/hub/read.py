"""A data set on the Hugging Face Hub -> one uint8 array on this disk, a shard at a time: `--data hub:user/dataset`.

What is there of a shard is decoded straight into the array, and the shard deleted, so that neither the data set nor a
part of it need fit into memory, nor the whole of it onto the disk. After each shard a journal says how far the array
is: a preparation that was interrupted goes on with the next one.
"""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import torch
from torch import Tensor

from pretrained import loading
from pretrained.hub.account import check_name
from pretrained.hub.errors import as_input_error, is_transient, retry
from pretrained.hub.files import COMMIT, api, has_digest, is_offline
from pretrained.hub.repository import REVISION
from pretrained.networks.sizes import Size, sides
from pretrained.system.errors import InputError
from pretrained.system.files import cache_folder, locked, write_atomic
from trainer import distributed
from trainer.data import captions
from trainer.data.files import decoding, memmap, sealed
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.data.hub import cache, shards, splits
from trainer.data.hub.splits import Part

if TYPE_CHECKING:
    from huggingface_hub import DatasetInfo
    from huggingface_hub.hf_api import RepoFile

PREFIX = "hub:"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """What lies on this disk of a data set.

    Attributes:
        name: as --data takes it, with the commit.
        images: uint8 (N, channels, *size).
        labels: int64 (N,), if all pictures have a class.
        captions: a sentence for each picture, if all have one.
    """

    name: str
    images: Tensor
    labels: Tensor | None
    classes: list[str]
    captions: list[str] | None
    licence: str


def read(name: str, size: Size, channels: int | None, split: str = "train", how: Reading = AS_FOUND) -> Prepared:
    """The images of a dataset on the Hub, at `size` px as `how` says.

    Offline, or when the Hub cannot be reached, it is what was prepared before.

    Args:
        name: "user/dataset", or "user/dataset@revision".
        channels: 1 or 3; None is 1 where all images are stored as grey, else 3.
        split: "train" or "test", where its files are split so; else it has all.

    Raises:
        InputError: there is no such data set, or no picture in it, or it is out of reach; says what to do.
    """
    match = loading.HUB_ID.fullmatch(name)
    revision = match and (match["revision"] or "main")
    if not match or not REVISION.fullmatch(revision):
        raise InputError(f"`data` {PREFIX}{name} is no data set: hub:user/dataset, or hub:user/dataset@revision")
    repo_id = match["repo_id"]
    check_name(repo_id)
    place = cache_folder() / f"datasets--{repo_id.replace('/', '--')}"
    commit = _commit(repo_id, revision, place)
    ways = [how.resize] * (how.resize != "crop") + [f"{level:g}" for level in how.levels or ()]
    stem = place / "-".join([commit, split, str(size), str(channels or 3), *ways])
    if (found := sealed.read(stem)) is None:
        busy = f"another process prepares `data` {PREFIX}{name}: wait for it"
        with locked(stem.with_suffix(".lock"), busy, remedy="set XDG_CACHE_HOME"):
            if (found := sealed.read(stem)) is None:
                stem.with_suffix(".json").unlink(missing_ok=True)
                found = _prepare(repo_id, commit, (channels or 3, *sides(size)), split, how, stem)
    note = _note(place, revision)
    if revision != commit and not (note.exists() and note.read_text() == commit):
        write_atomic(note, commit.encode())
    labels = None if found["labels"] is None else torch.tensor(found["labels"])
    images = memmap.read(stem.with_suffix(".npy"))
    said = {name: found[name] for name in ("classes", "captions", "licence")}
    if channels is None and found.get("is_grey"):  # an older index does not say it
        images = images[:, :1]
    return Prepared(f"{PREFIX}{repo_id}@{commit}", images, labels, **said)


def _note(place: Path, revision: str) -> Path:
    """Where it is noted to which commit a revision led that was prepared."""
    return place / f"{quote(revision, safe='')}.commit"


def _commit(repo_id: str, revision: str, place: Path) -> str:
    """The commit of a revision, as the Hub says; without the Hub that which was prepared."""
    if COMMIT.fullmatch(revision):
        return revision
    note = _note(place, revision)
    before = note.read_text() if note.exists() else None
    if before and (is_offline() or distributed.rank()):  # process 0 has just noted it
        return before
    with as_input_error(f"datasets/{repo_id}", revision):
        try:
            info = _ask(repo_id, revision)
        except Exception as error:
            if not before or not is_transient(error):
                raise
            log.warning("Hub unavailable; using the prepared copy of %s at %s", repo_id, before[:7])
            return before
    if not COMMIT.fullmatch(info.sha or ""):
        raise InputError(f"what the Hub says of datasets/{repo_id} names no commit: check HF_ENDPOINT if it is set")
    return info.sha


def _ask(repo_id: str, revision: str) -> DatasetInfo:
    from huggingface_hub import constants

    timeout = constants.HF_HUB_ETAG_TIMEOUT
    return retry(lambda: api().dataset_info(repo_id, revision=revision, timeout=timeout))


def _prepare(
    repo_id: str, commit: str, shape: tuple[int, int, int], split: str, how: Reading, stem: Path
) -> dict[str, Any]:
    """Write the array, then its index, and return that: the index exists only when the array is whole."""
    work = stem.with_suffix(".shard")
    try:
        shutil.rmtree(work, ignore_errors=True)  # of a process that was killed
        with as_input_error(f"datasets/{repo_id}", commit):
            info = _ask(repo_id, commit)
            fetch = partial(_download, repo_id, commit, work)
            part = splits.choose(f"{PREFIX}{repo_id}", _list(repo_id, commit), split)
            said = _captions(part, fetch)
        if part.kind == ".parquet":
            shards.import_pyarrow()
        cache.fill(part, said, fetch, shape, how, stem, work)
        licences = [tag.removeprefix("license:") for tag in info.tags or [] if tag.startswith("license:")]
        return cache.finish(f"{PREFIX}{repo_id}", ", ".join(licences) or "unknown", stem)
    except OSError as error:
        raise decoding.cannot_write(stem.parent, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _list(repo_id: str, commit: str) -> list[RepoFile]:
    from huggingface_hub.hf_api import RepoFile

    def every() -> list[RepoFile]:
        tree = api().list_repo_tree(repo_id, recursive=True, revision=commit, repo_type="dataset")
        return [file for file in tree if isinstance(file, RepoFile)]

    return retry(every)


def _download(repo_id: str, commit: str, work: Path, file: RepoFile) -> Path:
    """A file at that commit in the folder `work`, whole.

    Raises:
        InputError: it cannot be had, or there is no room for it.
    """
    from huggingface_hub import hf_hub_download

    def whole() -> Path:
        # A cache of its own, since a shard is needed once. `parts.choose` has let no path pass that leads out of it.
        path = Path(hf_hub_download(repo_id, file.path, repo_type="dataset", revision=commit, cache_dir=work))
        if not has_digest(path, file.lfs.sha256 if file.lfs else file.blob_id):
            path.resolve().unlink()
            path.unlink()
            raise OSError(f"{file.path} of {repo_id} is not what was announced")
        return path

    with as_input_error(f"datasets/{repo_id}", commit):
        try:
            return retry(whole, "fetch")
        except OSError as error:
            if error.errno in FULL:
                raise decoding.cannot_write(work.parent, error) from error
            raise


def _captions(part: Part, fetch: Callable[[RepoFile], Path]) -> dict[str, str]:
    """What files beside loose pictures say of them, by the pictures' paths in the repository."""
    said = {}
    for file in part.captions:
        if file.size <= captions.MAX_BYTES:
            head = file.path.rpartition("/")[0]
            lines = shards.read_captions(fetch(file).read_bytes())
            said |= {f"{head}/{name}".lstrip("/"): caption for name, caption in lines.items()}
    return said
