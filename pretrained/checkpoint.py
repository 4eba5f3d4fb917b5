"""Checkpoints: one safetensors file, whose header holds the Config from which the network is rebuilt."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import safetensors
import safetensors.torch
import torch
from torch import nn

from pretrained import networks
from pretrained.config import Config
from pretrained.system.errors import InputError
from pretrained.system.files import open_regular, open_safetensors, write_atomic

MODEL, CONFIG, CARD, SAMPLES = "model.safetensors", "config.json", "README.md", "samples.png"
MAX_HEADER = 4 * 2**20  # bytes; a network of a hundred layers takes 15,000
LFS = b"version "  # what a git-LFS pointer begins with
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


def published_state(network: nn.Module, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """The tensors of `network` as they are stored."""
    return as_stored(network.state_dict(), dtype)


def as_stored(tensors: Mapping[str, torch.Tensor], dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """Tensors on the CPU, contiguous, floating ones in `dtype`."""
    return {
        name: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in tensors.items()
    }


def save(folder: Path, network: nn.Module, config: Config, dtype: torch.dtype = torch.float32) -> None:
    """Write model.safetensors and config.json, each atomically.

    Args:
        dtype: float16 halves the file; `load` gives float32 back in any case.
    """
    _write(folder, published_state(network, dtype), config)


def save_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write tensors beside a checkpoint, with the digest that `load_tensors` compares."""
    write_atomic(path, safetensors.torch.save(tensors, {"format": "pt", "sha256": _digest(tensors, "")}))


def save_again(path: Path, folder: Path, config: Config) -> None:
    """Write the checkpoint `path` with another config and bit-identical tensors."""
    _write(folder, _tensors(path), config)


def _write(folder: Path, state: dict[str, torch.Tensor], config: Config) -> None:
    text = config.to_json()
    metadata = {"format": "pt", "ganvas": text, "sha256": _digest(state, text)}
    write_atomic(folder / MODEL, safetensors.torch.save(state, metadata))
    write_atomic(folder / CONFIG, (config.to_json() + "\n").encode())


def _digest(state: Mapping[str, torch.Tensor], text: str) -> str:
    """SHA-256 of the tensors as they are stored, in the order of their names, and of the config."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(_bytes(state[name]))
    return digest.hexdigest()


def _bytes(tensor: torch.Tensor) -> memoryview:
    return tensor.view(-1).view(torch.uint8).numpy().data


def check_header(path: Path) -> None:
    """InputError for a safetensors file with a header that is too long to parse quickly."""
    with open_regular(path) as file:
        start = file.read(8)
    length = int.from_bytes(start, "little")
    if start == LFS:
        raise InputError(f"{path} is a git-LFS pointer, not the weights themselves: fetch them with git lfs pull")
    if length > min(path.stat().st_size, MAX_HEADER):
        raise InputError(
            f"{path} is not a whole safetensors file: its header has {length:,} bytes, of {MAX_HEADER:,} at most"
        )


def _open(path: Path) -> Any:
    try:
        check_header(path)
        return open_safetensors(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a whole safetensors file: {error}") from None


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read into memory: if a mapped file is truncated, reading it kills the process."""
    try:
        return safetensors.torch.load(path.read_bytes())
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a whole safetensors file: {error}") from None


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, floating-point ones as float32; at most twice the size of the file.

    Raises:
        InputError: the file is incomplete or damaged, or has values that are not finite.
    """
    with _open(path) as file:
        said = file.metadata() or {}
    tensors = _tensors(path)
    if "sha256" in said and said["sha256"] != _digest(tensors, said.get("ganvas", "")):
        raise InputError(f"{path} is damaged: its digest is another")
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise InputError(f"{path} is refused: {name} has values that are not finite")
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def _config(path: object, metadata: Mapping[str, str] | None) -> Config:
    if not isinstance((metadata or {}).get("ganvas"), str):
        raise InputError(
            f"{path} carries no Ganvas config: turn other weights into a checkpoint with `python -m pretrained convert`"
        )
    try:
        return Config.from_json(metadata["ganvas"])
    except InputError as error:
        raise InputError(f"{path} is refused: {error}") from None


def read_config(path: Path) -> Config:
    """The config in the header of a checkpoint, without reading any weights."""
    with _open(path) as file:
        return _config(path, file.metadata())


def outline(header: Mapping[str, Any], where: object) -> tuple[nn.Module, Config]:
    """The network of a header without memory, on the meta device, and its config, if it holds exactly its tensors.

    Args:
        header: what a safetensors file begins with.
        where: the file, for what is said of it.

    Raises:
        InputError: it is refused; says why.
    """
    stored = {name: entry for name, entry in header.items() if name != "__metadata__"}
    config = _config(where, header.get("__metadata__"))
    network = networks.build_on_meta(config.network)
    expected = network.state_dict()
    if stored.keys() != expected.keys():
        missing, extra = sorted(expected.keys() - stored.keys()), sorted(stored.keys() - expected.keys())
        raise InputError(f"{where} is refused: missing tensors {missing[:3]}, unexpected tensors {extra[:3]}")
    for name, tensor in expected.items():
        shape, dtype = stored[name].get("shape"), DTYPES.get(stored[name].get("dtype"))
        if shape != list(tensor.shape):
            raise InputError(f"{where} is refused: {name} has shape {shape}, not {list(tensor.shape)}")
        if dtype is None or dtype.is_floating_point != tensor.is_floating_point():
            raise InputError(f"{where} is refused: {name} is stored as {stored[name].get('dtype')}")
    return network, config


def read_header(file: BinaryIO, path: Path) -> tuple[dict[str, Any], int]:
    """What an open safetensors file begins with: types, shapes and places of its tensors, and where the first begins.

    Raises:
        InputError: it is no whole safetensors file.
    """
    length = int.from_bytes(file.read(8), "little")
    try:
        header = json.loads(file.read(min(length, MAX_HEADER)))
        entries = [entry for name, entry in header.items() if name != "__metadata__"]
        ends = [place for entry in entries for place in entry["data_offsets"]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError(f"{path} is not a whole safetensors file: its header is not understood") from None
    if any(type(end) is not int or not 0 <= end <= os.fstat(file.fileno()).st_size - 8 - length for end in ends):
        raise InputError(f"{path} is not a whole safetensors file: it is shorter than its header says")
    return header, 8 + length


def load(path: Path) -> tuple[nn.Module, Config]:
    """Load the network of a checkpoint, in eval mode, in float32, on the CPU.

    The network is laid out without memory first and compared with the header, so that nothing is allocated for a
    file that does not hold exactly its tensors. They are read one after another into memory of their own, so that one
    tensor is taken beside the network; a mapped file that somebody cuts short would end the process.

    Raises:
        InputError: the file is not a valid checkpoint.
    """
    with _open(path):  # its own look at the header
        pass
    try:
        with open_regular(path) as file:
            header, start = read_header(file, path)
            network, config = outline(header, path)
            metadata, state = header["__metadata__"], {}
            digest = hashlib.sha256(metadata["ganvas"].encode())
            for name in sorted(network.state_dict()):
                stored = _read_tensor(file, path, start, header[name])
                digest.update(name.encode())
                digest.update(_bytes(stored))
                state[name] = stored.float() if stored.is_floating_point() else stored
            file.seek(0)
            if read_header(file, path) != (header, start):
                raise InputError(f"{path} has changed while it was read: try again")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    if metadata.get("sha256") not in (None, digest.hexdigest()):
        raise InputError(f"{path} is damaged: its numbers are not those that were written; take it from elsewhere")
    for name, tensor in state.items():
        if tensor.is_floating_point() and tensor.numel() and not all(end.isfinite() for end in tensor.aminmax()):
            raise InputError(f"{path} is refused: {name} has values that are not finite")
    network.load_state_dict(state, strict=True, assign=True)
    network.digest = digest.hexdigest()  # of the numbers and the config, for recipes
    return network.eval().requires_grad_(False), config


def _read_tensor(file: BinaryIO, path: Path, start: int, entry: Mapping[str, Any]) -> torch.Tensor:
    """A tensor of the file, as it is stored."""
    tensor = torch.empty(entry["shape"], dtype=DTYPES[entry["dtype"]])
    first, last = entry["data_offsets"]
    file.seek(start + first)
    if last - first != tensor.nbytes or (tensor.numel() and file.readinto(_bytes(tensor)) != tensor.nbytes):
        raise InputError(f"{path} has changed while it was read: try again")
    return tensor
