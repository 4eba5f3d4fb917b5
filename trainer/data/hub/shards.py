"""What a file of a data set on the Hub holds: picture files, each with its class and its caption where it has them.

A .zip is as a .zip on this machine; a .tar is a shard of WebDataset, where a.cls, a.txt and a.json tell of a.jpg; a
.parquet is what the library `datasets` writes. Names in them are told, and never used as paths.
"""

from __future__ import annotations

import json
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pretrained.media.files import BROKEN as UNREADABLE
from pretrained.media.files import is_image, is_litter, list_images, members
from pretrained.system.errors import InputError
from trainer.data import captions
from trainer.data.files import layout

if TYPE_CHECKING:
    import pyarrow

MAX_IMAGE = 64 << 20  # bytes of a picture file
MAX_TEXT = 1 << 20  # bytes of what is said of it, and of the head of a .tar's member
MAX_COLUMN = 4 << 30  # bytes of a .parquet's row group
TOGETHER = 32  # files of one stem in a .tar
HEADS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)  # which tarfile reads as a whole
ROWS = 16  # of a .parquet that are read at once
BROKEN = (*UNREADABLE, tarfile.TarError, ValueError, MemoryError)
CAPTION_FILES = (captions.FILE, captions.METADATA)
# What a file or a column may be called that names a picture, its class, its caption.
FILE, LABEL, CAPTION = ("file", "file_name"), ("label", "cls", "class"), ("caption", "text")


class Item(NamedTuple):
    """A picture file.

    Attributes:
        data: its bytes, or a sentence that says why there are none.
        label: the name of its class.
    """

    name: str
    data: bytes | str
    label: str | None = None
    caption: str | None = None


def from_zip(path: Path, split: str = "train", is_only: bool = True) -> Iterator[Item]:
    """The pictures of a .zip, in the order that a folder would have.

    Args:
        split: "train" or "test", where its folders are split so.
        is_only: whether it is all of the data set; then its folders are read as those of a .zip on this machine. Of
            several, each may hold one class.
    """
    listing = list_images(path)
    if not listing.images:
        return
    found = layout.find_images(listing)
    part = (found.held_out or "train") if split == "test" else "train"
    items = found.parts[part][0]
    labels, classes = (is_only and layout.classes(items)) or ([None] * len(items), [])
    with zipfile.ZipFile(path) as archive:
        infos = members(archive)
        said: dict[str, str] = {}
        for name in set(CAPTION_FILES) & set(listing.texts):
            read = partial(archive.read, infos[name])
            said |= read_captions(_within(infos[name].file_size, read, captions.MAX_BYTES))
        for item, label in zip(items, labels):
            name = item.entry.name
            data = _within(item.entry.num_bytes, partial(archive.read, infos[name]), MAX_IMAGE)
            yield Item(
                name, data, top(name) if not is_only else label if label is None else classes[label], said.get(name)
            )


class _Member(tarfile.TarInfo):
    """A member of a .tar whose long name, or what else is said of it, is no longer than MAX_TEXT."""

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> _Member:
        info = super().frombuf(buf, encoding, errors)
        if info.type in HEADS and info.size > MAX_TEXT:
            raise ValueError(f"{info.size:,} bytes are said of one file")
        return info


def from_tar(path: Path) -> Iterator[Item]:
    """The pictures of a .tar, in their order; files that differ in what follows their first dot belong together."""
    stem, together = "", {}
    # Not as a stream, which would be read up to where a member says that it ends, be it never.
    with tarfile.open(path, "r:", tarinfo=_Member) as archive:
        for info in iter(archive.next, None):
            archive.members.clear()  # or it would remember them all
            if not info.isreg():
                continue
            head, _, name = info.name.rpartition("/")
            if any(map(is_litter, info.name.split("/"))):
                continue
            own = f"{head}/{name.partition('.')[0]}"
            if own != stem or len(together) == TOGETHER:
                yield from _together(together)
                stem, together = own, {}
            is_picture = is_image(name)
            if is_picture or name.endswith((".cls", ".txt", ".json")):
                read = archive.extractfile(info).read
                together[info.name.removeprefix("./")] = _within(info.size, read, MAX_IMAGE if is_picture else MAX_TEXT)
        yield from _together(together)


def _together(files: dict[str, bytes | str]) -> Iterator[Item]:
    """The pictures among files of one stem, with what the others say of them."""
    said: dict[str, Any] = {}
    for name, data in files.items():
        kind = os.path.splitext(name)[1]
        if not is_image(name) and isinstance(data, bytes):
            text = data.decode("utf-8", "replace").strip()
            said |= _object(text) if kind == ".json" else {"cls" if kind == ".cls" else "text": text}
    for name, data in files.items():
        if is_image(name):
            yield Item(name, data, _first(said, LABEL) or top(name), _first(said, CAPTION))


def from_parquet(path: Path) -> Iterator[Item]:
    """The pictures of a .parquet, in the order of its rows."""
    pyarrow, parquet = import_pyarrow()
    try:
        # Neither a whole file nor a whole column of one is read at once.
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            columns = _columns(file)
            for group in range(file.num_row_groups):
                _check_group(file, group, columns)
                for batch in file.iter_batches(ROWS, row_groups=[group], columns=list(columns.values())):
                    yield from _rows(batch, columns, _classes(file.schema_arrow))
    except pyarrow.ArrowException as error:  # some are no ValueError
        raise ValueError(str(error)) from error


def import_pyarrow() -> tuple[Any, Any]:
    """The library that reads .parquet, and its module for that.

    Raises:
        InputError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("this data set is in .parquet files: pip install -r requirements-data.txt") from None
    return pyarrow, pyarrow.parquet


def _columns(file: Any) -> dict[str, str]:
    """Which column holds the picture, the class and the caption."""
    import pyarrow.types as types

    schema = file.schema_arrow
    kinds = {field.name: field.type for field in schema}
    images = [name for name, kind in kinds.items() if types.is_struct(kind) and kind.get_field_index("bytes") >= 0]
    images += [name for name, kind in kinds.items() if types.is_binary(kind) or types.is_large_binary(kind)]
    if not images:
        raise ValueError(f"no column holds images, of {', '.join(kinds)[:200]}")
    texts = [name for name, kind in kinds.items() if types.is_string(kind) or types.is_large_string(kind)]
    numbers = [name for name, kind in kinds.items() if types.is_integer(kind)]
    classes = list(_classes(schema))
    found = {
        "picture": images[0],
        "label": next((name for name in (*classes, *LABEL) if name in (*numbers, *texts)), None),
        "caption": next((name for name in CAPTION if name in texts), None),
    }
    return {what: name for what, name in found.items() if name}


def _classes(schema: pyarrow.Schema) -> dict[str, list[str]]:
    """The names of the classes, for each column whose numbers are such."""
    features = _object((schema.metadata or {}).get(b"huggingface", b"")).get("info", {})
    features = features.get("features", {}) if isinstance(features, dict) else {}
    items = features.items() if isinstance(features, dict) else ()
    return {
        name: [str(each) for each in kind["names"]]
        for name, kind in items
        if isinstance(kind, dict) and isinstance(kind.get("names"), list)
    }


def _check_group(file: Any, group: int, columns: dict[str, str]) -> None:
    """Refuse a row group that says it unpacks to more than MAX_COLUMN."""
    about = file.metadata.row_group(group)
    parts = [about.column(number) for number in range(about.num_columns)]
    wanted = tuple(f"{name}." for name in columns.values())
    size = sum(part.total_uncompressed_size for part in parts if f"{part.path_in_schema}.".startswith(wanted))
    if size > MAX_COLUMN:
        raise ValueError(f"row group {group} unpacks to {size:,} bytes: at most {MAX_COLUMN:,}")


def _rows(batch: pyarrow.RecordBatch, columns: dict[str, str], classes: dict[str, list[str]]) -> Iterator[Item]:
    names = classes.get(columns.get("label", ""), [])
    for number in range(batch.num_rows):
        row = {what: batch.column(name)[number].as_py() for what, name in columns.items()}
        image = row["picture"]
        struct = image if isinstance(image, dict) else {"bytes": image}
        data, label = struct.get("bytes"), row.get("label")
        if isinstance(label, int):
            # The library says -1 where a class is not known.
            label = (names[label] if label < len(names) else str(label)) if label >= 0 else None
        name = os.path.basename(str(struct.get("path") or "")) or f"row {number}"
        if len(data or b"") > MAX_IMAGE:
            data = f"{len(data):,} bytes are too many: at most {MAX_IMAGE:,}"
        yield Item(name, data or "holds no bytes", label or None, row.get("caption"))


def read_captions(data: bytes | str) -> dict[str, str]:
    """Of lines {"file": ..., "caption": ...}, or the Hub's {"file_name": ..., "text": ...}; others are passed by."""
    if isinstance(data, str):
        return {}
    lines = map(_object, data.splitlines())
    return {_first(line, FILE): _first(line, CAPTION) for line in lines if _first(line, FILE) and _first(line, CAPTION)}


def top(name: str) -> str | None:
    """The first folder of a path: its class."""
    return name.partition("/")[0] if "/" in name else None


def _within(size: int, read: Callable[[], bytes], most: int) -> bytes | str:
    """What `read` gives, or why not, as a sentence."""
    if size > most:
        return f"{size:,} bytes are too many: at most {most:,}"
    try:
        return read()
    except UNREADABLE as error:
        return f"cannot be read: {error}"


def _object(text: str | bytes) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _first(said: dict[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of these that is said, in a text or a number."""
    found = (said[name] for name in names if isinstance(said.get(name), (str, int)))
    return next((str(value) for value in found if value != ""), None)


READERS: dict[str, Callable[[Path, str, bool], Iterator[Item]]] = {
    ".zip": from_zip,
    ".tar": lambda path, split, is_only: from_tar(path),
    ".parquet": lambda path, split, is_only: from_parquet(path),
}
