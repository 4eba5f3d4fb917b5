"""What is fuzzed: functions of bytes that may end in nothing but a result or an InputError of one line."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from pretrained import checkpoint, networks, pipelines
from pretrained.checkpoint import Config
from pretrained.inputs.seeds import parse_seeds
from pretrained.media.images import open_image
from pretrained.pipelines import directions
from pretrained.system.errors import InputError

MAX_PIXELS = 1_000_000
MAX_BODY = 1 << 20
GENERATOR = Config("seed", "generate", {"class": "dcgan.Generator", "size": 16, "z_dim": 8}, {"noise": "normal"})


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Put up with a refusal in one line."""
    try:
        yield
    except InputError as error:
        if not str(error).isprintable():
            raise RuntimeError("a refusal that is not one line of letters that print") from error


def config(data: bytes) -> None:
    """The JSON of a config, as far as a network without memory, and what its pipeline checks."""
    parsed = Config.from_json(data.decode("utf-8", "replace"))
    if Config.from_json(parsed.to_json()) != parsed:
        raise RuntimeError("it does not come back as it was written")
    pipelines.make(networks.build_on_meta(parsed.network), parsed, torch.device("meta"))


def _file(header: bytes) -> bytes:
    """A safetensors file of zeros, as many as the header says, so that one is not refused for its length alone."""
    ends = [int(end) for end in re.findall(rb"([0-9]{1,9})\s*\]\s*\}", header)]
    return struct.pack("<Q", len(header)) + header + bytes(min(max(ends, default=0), MAX_BODY))


def header(data: bytes) -> None:
    """The JSON header of a checkpoint whose tensors are zeros."""
    with _written(_file(data)) as path:
        checkpoint.read_config(path)
        network, parsed = checkpoint.load(path)
        pipelines.make(network, parsed, pipelines.pick_device("cpu"))


def found(data: bytes) -> None:
    """The JSON header of a file of directions."""
    with _written(_file(data)) as path:
        directions.read(path, GENERATOR)


def image(data: bytes) -> None:
    """A picture file."""
    open_image(io.BytesIO(data), max_pixels=MAX_PIXELS)


def seeds(data: bytes) -> None:
    """What is typed for seeds."""
    parse_seeds(data.decode("utf-8", "replace"))


@contextlib.contextmanager
def _written(data: bytes) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(data)
        file.flush()
        yield Path(file.name)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "config": config,
    "header": header,
    "directions": found,
    "picture": image,
    "seeds": seeds,
}
