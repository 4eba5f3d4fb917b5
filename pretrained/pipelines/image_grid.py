"""Pictures as PNG files that say how to make them again: what the command line writes and the pages offer."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from pretrained.media import provenance
from pretrained.media.images import MAX_PIXELS, encode_png, enlarge, flatten, grid, to_pil
from pretrained.networks.sizes import Size, scaled, sides
from pretrained.pipelines import write as typeset
from pretrained.pipelines.directions import FOUND, Direction, move
from pretrained.pipelines.registry import Generate, Translate, autoencoder
from pretrained.pipelines.translate import Fit
from pretrained.system.errors import InputError

METADATA = provenance.RECIPE


def render(
    pipeline: Generate,
    id: str,
    seeds: Sequence[int],
    label: int | None = None,
    truncation: float = 1.0,
    columns: int | None = None,
    scale: int = 1,
    text: str | None = None,
    moves: Mapping[str, float] | None = None,
    named: Mapping[str, Direction] = {},
) -> bytes:
    """The pictures of `seeds` in rows, each pixel repeated `scale` times both ways -> PNG.

    Its metadata holds, as JSON under METADATA, the checkpoint and what `Generate.sample` was given.

    Args:
        id: what was loaded, as the user named it.
        columns: pictures per row; None is the nearest to a square.
        moves: where to move them all, and the directions of one's own among them, as for `directions.move`.

    Raises:
        InputError: the sheet would be too large, or the pipeline refuses what it is asked for.
    """
    _check_size(pipeline, len(seeds), scale)
    offset = move(pipeline, moves, named, label) if moves else None
    images = pipeline.sample(seeds, label, truncation, text, offset)
    sheet = grid(images, min(columns, len(seeds)) if columns else None)
    recipe = {
        "verb": "sample",
        "seeds": list(seeds),
        "columns": columns,
        "label": label,
        "truncation": truncation,
        "text": text,
    }
    recipe |= {"moves": dict(moves), **named_digest(moves, named)} if moves else {}
    return _encode(pipeline, id, sheet, scale, recipe)


def mix(
    pipeline: Generate,
    id: str,
    rows: Sequence[int],
    columns: Sequence[int],
    layers: int,
    label: int | None = None,
    truncation: float = 1.0,
    scale: int = 1,
) -> bytes:
    """What `Generate.mix` gives, the pictures of the seeds themselves above and to the left -> PNG.

    A white gap of `rim_gap` pixels divides the seeds' own pictures from the mixtures. The rest is as for `render`.
    """
    _check_size(pipeline, (1 + len(rows)) * (1 + len(columns)), scale)
    mixed = pipeline.mix(rows, columns, layers, label, truncation)
    above, left = (pipeline.sample(seeds, label, truncation) for seeds in (columns, rows))
    lines = [np.full_like(above[:1], 255), above]
    for row in range(len(rows)):
        lines += [left[row : row + 1], mixed[row * len(columns) :][: len(columns)]]
    sheet, height_and_width = grid(np.concatenate(lines), 1 + len(columns)), mixed.shape[1:3]
    for axis, side in enumerate(height_and_width):
        sheet = np.insert(sheet, [side] * rim_gap(pipeline.config.size), 255, axis)
    recipe = {
        "verb": "mix",
        "rows": list(rows),
        "columns": list(columns),
        "layers": layers,
        "label": label,
        "truncation": truncation,
    }
    return _encode(pipeline, id, sheet, scale, recipe)


def rim_gap(size: Size) -> int:
    """How wide the gap of `mix` is around pictures of `size` px, in px."""
    return max(1, min(sides(size)) // 8)


def sweep(
    pipeline: Generate,
    id: str,
    rows: Mapping[str, Direction],
    strengths: Sequence[float],
    seed: int,
    label: int | None = None,
    truncation: float = 1.0,
    text: str | None = None,
    scale: int = 1,
) -> bytes:
    """The picture of a seed moved along directions: a row for each, a column for each strength -> PNG.

    The rest is as for `render`; the directions are told by what they are made of.
    """
    _check_size(pipeline, len(rows) * len(strengths), scale)
    (point,), (condition,) = (
        pipeline.to_latents([seed], label, truncation, text),
        pipeline.conditions([seed], label, text),
    )
    points = [point + np.float32(strength) * row.vector for row in rows.values() for strength in strengths]
    sheet = grid(pipeline.draw(points, [condition] * len(points)), len(strengths))
    recipe = {
        "verb": "directions",
        "seed": seed,
        "rows": [row.moves for row in rows.values()],
        "strengths": list(strengths),
    }
    recipe |= {
        "label": label,
        "truncation": truncation,
        "text": text,
        **_digest_of(row.vector for row in rows.values() if not any(map(FOUND.fullmatch, row.moves))),
    }
    return _encode(pipeline, id, sheet, scale, recipe)


def redraw(
    pipeline: Generate,
    id: str,
    point: np.ndarray,
    condition: Any,
    moves: Mapping[str, float] | None = None,
    named: Mapping[str, Direction] = {},
    scale: int = 1,
) -> bytes:
    """The picture of a point, as `projection.project` finds it, moved -> PNG.

    Its metadata holds the point, before it is moved, and nothing of the picture's file.
    """
    _check_size(pipeline, 1, scale)
    offset = move(pipeline, moves or {}, named)
    drawn = pipeline.draw([point + offset], [condition])[0]
    condition = np.asarray(condition).tolist()
    recipe = {"verb": "project", "point": point.tolist(), "condition": condition, "moves": dict(moves or {})}
    recipe |= named_digest(moves or {}, named)
    return _encode(pipeline, id, drawn, scale, recipe)


def reconstruct(pipeline: Generate, id: str, image: Image.Image, label: int | None = None, scale: int = 1) -> bytes:
    """A picture as the network sees it, or, given a label, made one of that class -> PNG.

    Its metadata holds the latent and the label, which `Autoencode.decode` takes, and nothing of the picture's file.
    """
    coder = autoencoder(pipeline)
    _check_size(pipeline, 1, scale)
    z = coder.encode(image)
    if label is None and coder.config.classes:
        label = coder.classify(image)
    return _encode(
        pipeline, id, coder.decode([z], label)[0], scale, {"verb": "reconstruct", "z": z.tolist(), "label": label}
    )


def translate(
    pipeline: Translate,
    id: str,
    image: Image.Image,
    mask: Image.Image | None = None,
    strength: float = 1.0,
    second: Image.Image | None = None,
    degrade: bool = False,
    seed: int = 0,
    fit: Fit = "crop",
) -> bytes:
    """What `Translate.translate` makes of a picture -> PNG.

    Its metadata holds what was set, and nothing of the pictures' files.
    """
    made = np.asarray(pipeline.translate(image, mask, strength, second, degrade, seed, fit))
    recipe = translation_recipe(pipeline, id, image, mask, strength, second, degrade, seed, fit)
    return _encode(pipeline, id, made.reshape(*made.shape[:2], -1), 1, recipe)


def write(
    pipeline: Generate,
    id: str,
    text: str,
    seed: int = 0,
    truncation: float = 1.0,
    scale: int = 1,
    invert: bool = False,
) -> bytes:
    """What `write.write` makes of a text -> PNG; the rest is as for `render`."""
    drawn = typeset.write(pipeline, text, seed, truncation, scale, invert)
    recipe = {"verb": "write", "text": text, "seed": seed, "truncation": truncation, "scale": scale, "invert": invert}
    return _encode(pipeline, id, drawn, 1, recipe)


def translation_recipe(
    pipeline: Translate,
    id: str,
    image: Image.Image,
    mask: Image.Image | None = None,
    strength: float = 1.0,
    second: Image.Image | None = None,
    degrade: bool = False,
    seed: int = 0,
    fit: Fit = "crop",
) -> dict[str, Any]:
    """What was set for `translate`, and the digests of what it was given."""
    parts = {"input": digest(image), "mask": digest(mask), "second": digest(second)}
    said = {"verb": "translate", "strength": strength, "degrade": degrade, "seed": seed, "fit": fit}
    return {**recipe_of(pipeline, id), **said, **parts}


def _check_size(pipeline: Generate, count: int, scale: int) -> None:
    size = scaled(pipeline.config.network.get("size", 1), scale)
    if count * math.prod(sides(size)) > MAX_PIXELS:
        raise InputError(f"{count:,} images of {size} px are too many: at most {MAX_PIXELS:,} pixels")


def _encode(pipeline: Generate | Translate, id: str, image: np.ndarray, scale: int, recipe: dict[str, Any]) -> bytes:
    return encode(enlarge(image, scale), {**recipe_of(pipeline, id), "scale": scale, **recipe})


def encode(image: np.ndarray | Image.Image, recipe: Mapping[str, Any]) -> bytes:
    """A PIL image, or uint8 (H, W, C) -> a PNG with its recipe, which is told the digest of these pixels."""
    pil = image if isinstance(image, Image.Image) else to_pil(image)
    return provenance.mark(encode_png(pil), {**recipe, "pixels": digest(pil)})


def enlarge_png(png: bytes, side: int, smooth: bool) -> bytes:
    """A PNG enlarged by a whole factor until its longer side has `side` px at least; its recipe says so.

    Args:
        smooth: interpolate between pixels (Lanczos), else repeat them.
    """
    with Image.open(io.BytesIO(png)) as image:
        factor = -(-side // max(image.size))
        if factor <= 1:
            return png
        resampling = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
        large = image.resize((image.width * factor, image.height * factor), resampling)
        text = getattr(image, "text", {})
    if METADATA not in text:
        return provenance.mark(encode_png(large))
    return encode(large, json.loads(text[METADATA]) | {"enlarged": {"side": side, "smooth": smooth}})


def recipe_of(pipeline: Generate | Translate, id: str) -> dict[str, Any]:
    """What a recipe says of a checkpoint: its id, its commit on the Hub, and the digest of its numbers."""
    return {"id": id, "revision": pipeline.revision, "digest": getattr(pipeline.network, "digest", "")}


def named_digest(moves: Iterable[str], named: Mapping[str, Direction]) -> dict[str, str]:
    """{"vectors": the digest of those directions that somebody has named}; nothing where there are none.

    One that is found, as sefa-1, is found again from the network, also where a page hands over what it has found.
    """
    return _digest_of(named[name].vector for name in moves if name in named and not FOUND.fullmatch(name))


def _digest_of(vectors: Iterable[np.ndarray]) -> dict[str, str]:
    data = b"".join(vector.astype(np.float32).tobytes() for vector in vectors)
    return {"vectors": hashlib.sha256(data).hexdigest()} if data else {}


def digest(image: Image.Image | None) -> str | None:
    """SHA-256 of the pixels of a picture, as the network is shown them."""
    flat = image and flatten(image)
    return flat and hashlib.sha256(f"{flat.mode} {flat.size} ".encode() + flat.tobytes()).hexdigest()
