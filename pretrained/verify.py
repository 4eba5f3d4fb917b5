"""Whether an image or a video is what its recipe says: it is drawn again from that recipe, and compared."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from pretrained.loading import load, resolve
from pretrained.media import provenance, video
from pretrained.media.images import MAX_PIXELS, encode_png, safe_formats, to_pil
from pretrained.pipelines import directions, image_grid
from pretrained.pipelines import write as typeset
from pretrained.pipelines.registry import Generate, Translate
from pretrained.system.errors import InputError

LOSSLESS = (".png", ".webp")
TOLERANCE = 1  # level: versions of torch and devices round the last bit in other ways
FAR = 16  # levels on average, beyond which no encoder is to blame
MAX_SECONDS_OF_VIDEO = 60

Pipeline = Generate | Translate


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Attributes:
        kind: "same", "differs", or "unknown": it cannot be told.
        words: why, one sentence.
        difference: PNG, white where a level differs; None where nothing was compared.
    """

    kind: Literal["same", "differs", "unknown"]
    words: str
    difference: bytes | None = None


def verify(path: Path, source: Image.Image | None = None, device: str = "cpu") -> Verdict:
    """Draw a picture again from the recipe that it carries, and compare.

    Args:
        path: PNG, JPEG, GIF, WebP, MP4 or WebM.
        source: for a translation, the picture that was translated.

    Raises:
        InputError: the file cannot be read.
    """
    is_marked, recipe = provenance.read(path)
    if recipe is None:
        said = "it says that it was generated, but not how" if is_marked else "it says nothing of where it came from"
        return Verdict("unknown", f"{said}: only files that Ganvas wrote, and that nobody stripped, carry a recipe")
    try:
        pipeline = load(_id(recipe), device)
    except InputError as error:
        return Verdict("unknown", f"its checkpoint {str(recipe['id'])[:100]} is not to be had: {error}")
    digest = recipe.get("digest")
    if not digest or digest != pipeline.network.digest:
        return Verdict("unknown", f"{pipeline.config.name} is another checkpoint now than the one that drew it")
    if recipe.get("verb") not in DRAW:
        return Verdict("unknown", "its recipe names nothing that can be drawn again")
    suffix = path.suffix.lower()
    try:
        data = DRAW[recipe["verb"]](pipeline, recipe, source, suffix)
        if enlarged := recipe.get("enlarged"):
            if not isinstance(enlarged["smooth"], bool):
                raise InputError("it was enlarged by a browser, which no recipe draws again: save it as pixels there")
            data = image_grid.enlarge_png(data, _small(enlarged["side"]), enlarged["smooth"])
    except InputError as error:
        return Verdict("unknown", str(error))
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError) as error:
        return Verdict("unknown", f"its recipe is not understood: {type(error).__name__} {error}")
    return _compare(_frames(path.read_bytes(), suffix), _frames(data, suffix), suffix, recipe.get("pixels"))


def _id(recipe: Mapping[str, Any]) -> str:
    revision = recipe.get("revision")
    return f"{str(recipe['id']).partition('@')[0]}@{revision}" if revision else str(recipe["id"])


def _sample(pipeline: Generate, recipe: Mapping[str, Any], source: Image.Image | None, suffix: str) -> bytes:
    how = {name: recipe.get(name) for name in ("label", "columns", "text")}
    how |= {name: recipe.get(name, default) for name, default in (("scale", 1), ("truncation", 1.0))}
    how |= {"moves": recipe.get("moves"), "named": _named(pipeline, recipe, recipe.get("moves") or ())}
    return image_grid.render(pipeline, "", _seeds(recipe["seeds"]), **how)


def _named(pipeline: Generate, recipe: Mapping[str, Any], names: Iterable[str]) -> dict[str, directions.Direction]:
    """The directions that are kept beside the checkpoint, where those among `names` are the ones that were used."""
    named = directions.read(resolve(_id(recipe))[0].with_name(directions.FILE), pipeline.config)
    if "vectors" in recipe and image_grid.named_digest(names, named).get("vectors") != recipe["vectors"]:
        raise InputError("it was moved along directions that are not those kept beside its checkpoint")
    return named


def _directions(pipeline: Generate, recipe: Mapping[str, Any], source: Image.Image | None, suffix: str) -> bytes:
    how = {name: recipe[name] for name in ("label", "truncation", "text", "scale")}
    named = _named(pipeline, recipe, [name for moves in recipe["rows"] for name in moves])
    rows = {
        str(place): directions.Direction(directions.move(pipeline, moves, named), moves)
        for place, moves in enumerate(recipe["rows"])
    }
    return image_grid.sweep(pipeline, "", rows, recipe["strengths"], recipe["seed"], **how)


def _mix(pipeline: Generate, recipe: Mapping[str, Any], source: Image.Image | None, suffix: str) -> bytes:
    how = (recipe["layers"], recipe["label"], recipe["truncation"], recipe["scale"])
    return image_grid.mix(pipeline, "", _seeds(recipe["rows"]), _seeds(recipe["columns"]), *how)


def _project(pipeline: Generate, recipe: Mapping[str, Any], source: Image.Image | None, suffix: str) -> bytes:
    point = np.asarray(recipe["point"], np.float32)
    how = (recipe["condition"], recipe["moves"], _named(pipeline, recipe, recipe["moves"]), recipe["scale"])
    return image_grid.redraw(pipeline, "", point, *how)


def _reconstruct(pipeline: Generate, recipe: Mapping[str, Any], source: Image.Image | None, suffix: str) -> bytes:
    drawn = pipeline.decode([np.asarray(recipe["z"])], recipe["label"])[0]
    return encode_png(image_grid.enlarge(drawn, recipe["scale"]))


def _translate(pipeline: Translate, recipe: Mapping[str, Any], source: Image.Image | None, suffix: str) -> bytes:
    if recipe.get("mask") or recipe.get("second"):
        raise InputError("a translation of two images cannot be drawn again from one")
    if source is None:
        raise InputError("it is a translation: give the image that was translated as `input`")
    if image_grid.digest(source) != recipe["input"]:
        raise InputError("the `input` that is given is not the image that was translated")
    how = {name: recipe[name] for name in ("strength", "degrade", "seed", "fit")}
    return image_grid.translate(pipeline, "", source, **how)


def _write(pipeline: Generate, recipe: Mapping[str, Any], source: Image.Image | None, suffix: str) -> bytes:
    return image_grid.write(pipeline, "", *(recipe[name] for name in ("text", "seed", "truncation", "scale", "invert")))


def _walk(pipeline: Generate, recipe: Mapping[str, Any], source: Image.Image | None, suffix: str) -> bytes:
    how = {name: recipe.get(name) for name in ("label", "truncation", "loop", "text")}
    return _film(recipe, suffix, lambda seeds, frames: pipeline.walk(seeds, frames, **how))


def _typefaces(pipeline: Generate, recipe: Mapping[str, Any], source: Image.Image | None, suffix: str) -> bytes:
    how = {name: recipe[name] for name in ("truncation", "scale", "invert")}
    return _film(recipe, suffix, lambda seeds, frames: typeset.film(pipeline, recipe["text"], seeds, frames, **how))


def _film(recipe: Mapping[str, Any], suffix: str, draw: Callable[[list[int], int], Iterable[np.ndarray]]) -> bytes:
    frames, fps = recipe["frames"], recipe["fps"]
    if frames > MAX_SECONDS_OF_VIDEO * fps:
        raise InputError(f"a video of more than {MAX_SECONDS_OF_VIDEO} seconds is not drawn again")
    return video.encode(draw(_seeds(recipe["seeds"]), frames), suffix, fps)


DRAW: dict[str, Callable[[Any, Mapping[str, Any], Image.Image | None, str], bytes]] = {
    "sample": _sample,
    "directions": _directions,
    "mix": _mix,
    "project": _project,
    "reconstruct": _reconstruct,
    "translate": _translate,
    "typefaces": _typefaces,
    "walk": _walk,
    "write": _write,
}


def _seeds(given: Any) -> list[int]:
    if not isinstance(given, list) or not all(type(seed) is int for seed in given):
        raise InputError("its recipe holds seeds that are no numbers")
    return given


def _small(side: Any) -> int:
    """The longer side of an enlarged picture, within what is drawn at all."""
    if type(side) is not int or not 0 < side**2 <= MAX_PIXELS:
        raise InputError("its recipe holds a size that is none")
    return side


def _frames(data: bytes, suffix: str) -> list[np.ndarray]:
    """uint8 (H, W, 3), as many as there are."""
    if suffix.lower() in (".mp4", ".webm"):
        import av

        with av.open(io.BytesIO(data)) as container:
            return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with Image.open(io.BytesIO(data), formats=safe_formats()) as image:
        count = getattr(image, "n_frames", 1)
        if count * image.width * image.height > 6 * MAX_PIXELS:
            raise InputError(f"{count} frames of {image.width} x {image.height} px are too many to compare")
        frames = []
        for place in range(count):
            image.seek(place)
            frames.append(np.asarray(image.convert("RGB")))
        return frames


def _compare(given: list[np.ndarray], drawn: list[np.ndarray], suffix: str, pixels: Any) -> Verdict:
    """Frames of a file, and what its recipe draws.

    Args:
        pixels: the digest that the recipe gives of the pixels that were written, or None. Where drawing again is off by
            the last bit, it tells an image that was altered by as little.
    """
    if len(given) != len(drawn) or given[0].shape != drawn[0].shape:
        (height, width), (other, wide) = given[0].shape[:2], drawn[0].shape[:2]
        return Verdict(
            "differs",
            f"{len(given)} of {width} x {height} px, where its recipe draws {len(drawn)} of {wide} x {other} px",
        )
    apart = [np.abs(one.astype(np.int16) - other) for one, other in zip(given, drawn)]
    most, mean = max(int(frame.max()) for frame in apart), float(np.mean([frame.mean() for frame in apart]))
    place = max(range(len(apart)), key=lambda place: apart[place].max())
    shown = encode_png(((apart[place].max(axis=-1, keepdims=True) > TOLERANCE) * 255).astype(np.uint8))
    if most == 0:
        return Verdict("same", "drawn again it is the same, to the bit", shown)
    is_untouched = pixels is None or pixels == image_grid.digest(to_pil(given[0]))
    if most <= TOLERANCE and is_untouched:
        return Verdict("same", f"drawn again it is the same, within {TOLERANCE} level of 256", shown)
    if most <= TOLERANCE and suffix in LOSSLESS:
        return Verdict("differs", f"it was altered after it was drawn, by {TOLERANCE + 1} levels or less", shown)
    count = int(np.count_nonzero(apart[place].max(axis=-1) > TOLERANCE))
    if suffix in LOSSLESS or mean > FAR:
        where = f" of frame {place}" if len(given) > 1 else ""
        return Verdict("differs", f"{count:,} pixels{where} differ, by {most} levels at most", shown)
    return Verdict(
        "unknown", f"{suffix[1:].upper()} loses detail, so {count:,} pixels that differ may be its encoder's", shown
    )
