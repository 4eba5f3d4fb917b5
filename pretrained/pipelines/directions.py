"""Directions in which pictures change: found without training, added to points of a generator, kept under names.

A direction is a vector of `Generate.space`, as long as the standard deviation of the seeds' points along it, so that
strengths mean the same everywhere: most pictures lie between -2 and 2.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from pretrained import networks
from pretrained.checkpoint import Config
from pretrained.pipelines.generate import Generate
from pretrained.system.errors import InputError
from pretrained.system.files import locked, open_safetensors, write_atomic

FILE = "directions.safetensors"
FORMAT = 1
MAX_BYTES = 8 * 2**20  # of the file: MAX_COUNT directions of the longest kind, and what is said about them
MAX_COUNT = 256
MAX_NAME = 60  # characters
NUM_SAMPLES = 2048  # seeds that are looked at
FOUND = re.compile(r"(sefa|pca|axis|seed)-([0-9]{1,10})")
LEGAL = f"1 to {MAX_NAME} printable characters without '=', and not like sefa-1"


@dataclass(frozen=True)
class Direction:
    """A vector, float32 (dim,), and what it is the sum of: strengths by name, {"sefa-3": 1.0} say."""

    vector: np.ndarray
    moves: dict[str, float]


def _principal(matrix: Tensor) -> Tensor:
    """The eigenvectors of a symmetric matrix, one a row, that of the largest eigenvalue first."""
    return torch.linalg.eigh(matrix).eigenvectors.T.flip(0)


def sefa(network: nn.Module, deviations: Tensor) -> Tensor:
    """What changes the output of the first layers most (SeFa, Shen & Zhou 2020, arXiv:2007.06600).

    The singular vectors of their weights A are the eigenvectors of A^T A.
    """
    weights = (weight.detach().cpu().double() for weight in network.first_layers())
    return _principal(sum(weight.T @ weight for weight in weights))


def pca(network: nn.Module, deviations: Tensor) -> Tensor:
    """The principal components of w (GANSpace, Härkönen et al. 2020, arXiv:2004.02546).

    For z, which is the same in all directions, they analyse the first layer; that gives what `sefa` gives.
    """
    return _principal(deviations.T @ deviations)


def axis(network: nn.Module, deviations: Tensor) -> Tensor:
    """Each number of z or w by itself."""
    return torch.eye(deviations.shape[1], dtype=deviations.dtype)


# What finds directions, and the spaces where it does.
METHODS = {"sefa": (sefa, "zw"), "pca": (pca, "w"), "axis": (axis, "zw")}


def methods(pipeline: Generate) -> list[str]:
    """The keys of METHODS that can be asked of a generator."""
    return [name for name, (_, spaces) in METHODS.items() if pipeline.space in spaces]


def find(pipeline: Generate, method: str) -> np.ndarray:
    """All directions of a generator, one a row, float32 (dim, dim), the strongest first; the same at each call.

    Their largest number is positive. Conditional styles are compared with the mean of their class.

    Raises:
        InputError: the method is unknown, or has nothing to work on here.
    """
    if method not in methods(pipeline):
        raise InputError(
            f"`method` must be one of {', '.join(methods(pipeline))} for {pipeline.config.name}, got {method}"
        )
    seeds = range(NUM_SAMPLES)
    points = torch.from_numpy(pipeline.to_latents(seeds))
    if pipeline.space == "w":
        points = points.to(pipeline.device)
        points = points - pipeline.network.truncate(points, pipeline.condition(pipeline.conditions(seeds)), 0.0)
    deviations = points.cpu().double()
    deviations -= deviations.mean(dim=0)
    rows = METHODS[method][0](pipeline.network, deviations)
    peaks = rows.gather(1, rows.abs().argmax(dim=1, keepdim=True))
    spread = (deviations @ rows.T).std(dim=0, correction=0)[:, None]
    return (rows * peaks.sign() * spread).float().numpy()


def expand(
    pipeline: Generate, names: Iterable[str], named: Mapping[str, Direction] = {}, label: int | None = None
) -> dict[str, Direction]:
    """Directions by name: of `named`, found ("sefa-1", "pca-2", "axis-3"), or the point of a seed ("seed-4").

    Args:
        label: the class of those seeds; None is each seed's own.

    Raises:
        InputError: there is no such direction.
    """
    found: dict[str, np.ndarray] = {}
    directions = {}
    for name in names:
        match = FOUND.fullmatch(name)
        if name in named:
            directions[name] = named[name]
            continue
        if match is None:
            known = ", ".join([*named, *(f"{method}-1" for method in methods(pipeline)), "seed-7"])
            raise InputError(f"{pipeline.config.name} has no direction {name[:MAX_NAME]!r}: {known}, ...")
        method, number = match[1], int(match[2])
        if method == "seed":
            vector = pipeline.to_latents([number], label)[0]
        else:
            if method not in found:
                found[method] = find(pipeline, method)
            if not 1 <= number <= len(found[method]):
                raise InputError(f"{name} is out of range: {method}-1 to {method}-{len(found[method])}")
            vector = found[method][number - 1]
        directions[name] = Direction(vector, {name: 1.0})
    return directions


def move(
    pipeline: Generate, moves: Mapping[str, float], named: Mapping[str, Direction] = {}, label: int | None = None
) -> np.ndarray:
    """What `moves` add to a point, float32 (dim,): the sum of directions, by names that `expand` knows, as strong.

    With seeds they are arithmetic: seed 7 moved by {"seed-5": -1, "seed-9": 1} is 7 - 5 + 9.
    """
    total = np.zeros_like(pipeline.to_latents([0])[0])
    for name, direction in expand(pipeline, moves, named, label).items():
        if not math.isfinite(moves[name]):
            raise InputError(f"`move` must give {name} a finite number, got {moves[name]}")
        total = total + np.float32(moves[name]) * direction.vector
    return total


def read(path: Path, config: Config) -> dict[str, Direction]:
    """The directions that are kept in a file, by name; none where there is no file.

    Raises:
        InputError: it is damaged, too large, or of another network; nothing of it is taken then.
    """
    if not path.exists():
        return {}
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"more than {MAX_BYTES:,} bytes")
        with open_safetensors(path) as file:
            about, digest = _about((file.metadata() or {}).get("ganvas", ""), config.space)
            if set(file.keys()) != {"directions"}:
                raise InputError("it must hold one tensor, 'directions'")
            stored = file.get_slice("directions")
            shape, dtype = stored.get_shape(), stored.get_dtype()
            if shape != [len(about), dim(config)] or dtype != "F32":
                raise InputError(f"{dtype} {shape} instead of F32 {[len(about), dim(config)]}")
            vectors = file.get_tensor("directions").numpy().copy()  # the file may be cut short one day
        if digest not in (None, _digest(about, vectors)):
            raise InputError("it is damaged: its digest is another")
        if not np.isfinite(vectors).all():
            raise InputError("it holds numbers that are not finite")
    except (InputError, safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{path} is refused, it is no file of directions for {config.name}: {error}") from None
    return {name: Direction(vector, moves) for (name, moves), vector in zip(about.items(), vectors)}


def dim(config: Config) -> int:
    """How many numbers a point has."""
    dim = networks.complete(config.network).get(f"{config.space}_dim")
    if config.pipeline != "generate" or dim is None:
        raise InputError(f"{config.name} draws nothing from seeds")
    return dim


def _about(text: str, space: str) -> tuple[dict[str, dict[str, float]], str | None]:
    """What the header of a file says: names, what each direction was made of, and the digest, where it has one."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError("its header is not JSON") from None
    if not isinstance(said, dict) or said.get("format") != FORMAT or said.get("space") != space:
        raise InputError(f"its header is not of format {FORMAT} and space {space!r}")
    entries = said.get("directions")
    if not isinstance(entries, list) or len(entries) > MAX_COUNT or not all(map(_is_entry, entries)):
        raise InputError(f"its header must name at most {MAX_COUNT} directions, and what each is made of")
    if len({entry["name"] for entry in entries}) != len(entries):
        raise InputError("a name stands there twice")
    return {entry["name"]: entry["moves"] for entry in entries}, said.get("sha256")


def _is_entry(entry: Any) -> bool:
    moves = entry.get("moves") if isinstance(entry, dict) else None
    return (
        isinstance(moves, dict)
        and isinstance(entry.get("name"), str)
        and _is_name(entry["name"])
        and all(type(strength) in (int, float) and math.isfinite(strength) for strength in moves.values())
    )


def _is_name(name: str) -> bool:
    clean = name.isprintable() and name == name.strip() and "=" not in name
    return clean and 0 < len(name) <= MAX_NAME and not FOUND.fullmatch(name)


def encode(named: Mapping[str, Direction], config: Config) -> bytes:
    """The file that keeps `named`, as `read` reads it."""
    about = {name: direction.moves for name, direction in named.items()}
    vectors = np.stack([direction.vector for direction in named.values()]).astype(np.float32)
    entries = [{"name": name, "moves": moves} for name, moves in about.items()]
    said = {"format": FORMAT, "space": config.space, "directions": entries, "sha256": _digest(about, vectors)}
    # One key of the header alone: safetensors writes several in any order, and equal files are not sent again.
    text = json.dumps(said, ensure_ascii=False)
    return safetensors.torch.save({"directions": torch.from_numpy(vectors)}, {"ganvas": text})


def _digest(about: Mapping[str, Mapping[str, float]], vectors: np.ndarray) -> str:
    return hashlib.sha256(json.dumps(about).encode() + vectors.tobytes()).hexdigest()


def add(named: Mapping[str, Direction], name: str, direction: Direction) -> dict[str, Direction]:
    """`named` with one more; InputError when the name is taken or not legal, or there are MAX_COUNT."""
    if not _is_name(name):
        raise InputError(f"{name[:MAX_NAME]!r} is no name for a direction: {LEGAL}")
    if name in named:
        raise InputError(f"there is a direction {name!r} already: choose another name")
    if len(named) >= MAX_COUNT:
        raise InputError(f"there are {MAX_COUNT} directions already, and no room for more")
    if not direction.vector.any():
        raise InputError(f"{name!r} would lead nowhere: move something first")
    return {**named, name: direction}


def keep(path: Path, config: Config, name: str, direction: Direction) -> None:
    """Add a direction to a file, which is made if there is none; what it holds stays.

    Raises:
        InputError: as `read` and `add` say, or the file cannot be written.
    """
    busy = f"{path} is being written by somebody else: try again"
    with locked(path.with_name(f".{path.name}.lock"), busy, timeout=10, remedy="name another file"):
        write_atomic(path, encode(add(read(path, config), name, direction), config))
