"""Shards of a data set, of each kind, with a few small pictures in them."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable

import numpy as np
import pyarrow
import pyarrow.parquet
from PIL import Image

FIRST, SECOND = "train-00000-of-00002", "train-00001-of-00002"

Images = dict[str, bytes]


def png(number: int, size: tuple[int, int] = (12, 9)) -> bytes:
    levels = np.random.RandomState(number).randint(0, 256, (size[1], size[0], 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "PNG")
    return stream.getvalue()


def as_grey(image: bytes) -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(image)).convert("L").save(stream, "PNG")
    return stream.getvalue()


def caption(name: str) -> str:
    return f"a picture called {name}"


def make_zip(images: Images) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, image in reversed(images.items()):
            archive.writestr(name, image)
        lines = [json.dumps({"file_name": name, "text": caption(name)}) for name in images]
        archive.writestr("metadata.jsonl", "\n".join(lines))
    return stream.getvalue()


def make_tar(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def make_webdataset(images: Images) -> bytes:
    files = {}
    for number, (name, image) in enumerate(images.items()):
        label, about = name.split("/")[0], caption(name)
        is_json = number % 2
        said = {"json": json.dumps({"label": label, "caption": about}).encode()} if is_json else {}
        said = said or {"cls": label.encode() + b"\n", "txt": about.encode()}
        files |= {f"./{number:06d}.{kind}": content for kind, content in {"png": image, **said}.items()}
    return make_tar(files)


def make_parquet(images: Images) -> bytes:
    classes = ["dog", "cat", "dog-2", "nobody"]
    schema = pyarrow.schema(
        {
            "id": pyarrow.int64(),
            "image": pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()}),
            "label": pyarrow.int64(),
            "text": pyarrow.string(),
        },
        {"huggingface": json.dumps({"info": {"features": {"label": {"names": classes, "_type": "ClassLabel"}}}})},
    )
    rows = [
        {"id": 7, "image": {"bytes": image, "path": name}, "label": classes.index(name.split("/")[0])}
        | {"text": caption(name)}
        for name, image in images.items()
    ]
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema), stream, row_group_size=2)
    return stream.getvalue()


def make_loose(images: Images) -> dict[str, bytes]:
    lines = [json.dumps({"file": name, "caption": caption(name)}) for name in images]
    return {
        **{f"data/train/{name}": image for name, image in images.items()},
        "data/train/captions.jsonl": "\n".join(lines).encode(),
        "data/test/cat/99.png": png(99),
    }


def split(make: Callable[[Images], bytes], suffix: str, images: Images) -> dict[str, bytes]:
    """Two shards to train on, and one that is not."""
    items = list(images.items())
    halves = {f"data/{FIRST}{suffix}": dict(items[:3]), f"data/{SECOND}{suffix}": dict(items[3:])}
    halves[f"data/test-00000-of-00001{suffix}"] = {"cat/99.png": png(99)}
    return {path: make(half) for path, half in halves.items()} | {"thumbnail.png": png(77)}


KINDS: dict[str, Callable[[Images], dict[str, bytes]]] = {
    "loose": make_loose,
    "zip": lambda images: split(make_zip, ".zip", images),
    "tar": lambda images: split(make_webdataset, ".tar", images),
    "parquet": lambda images: split(make_parquet, ".parquet", images),
}
