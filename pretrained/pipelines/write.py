"""A text -> a picture of it in the typeface of a seed, for generators whose classes are single characters.

Letters stand apart by what lies between their ink, not by their boxes: the mean gap over the rows of two neighbours is
the same for each pair, as far as they do not touch.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, tee

import numpy as np
from PIL import Image

from pretrained.checkpoint import Config
from pretrained.inputs import latents
from pretrained.media.images import MAX_PIXELS, to_pil
from pretrained.networks.sizes import sides
from pretrained.pipelines.generate import Generate
from pretrained.system.errors import InputError

MAX_TEXT = 200  # characters
LINE = 16  # characters, after which a line is broken between words
# In shares of a letter's side: between the ink of two letters on average and at least, for a space, around the text,
# and how deep a gap is looked into.
GAP, LEAST, SPACE, MARGIN, DEPTH = 0.14, 0.05, 0.4, 0.25, 0.2
EVEN = 0.04  # what rounds such as O leave free beside a stem, in the same shares
EDGE = 0.45  # level at which the outline of an enlarged grey letter runs
INK = 0.3  # of the range of levels, from which a pixel counts as ink
SMOOTH = 5  # frames of a film over which letters move to their places


def characters(config: Config) -> dict[str, int]:
    """The label of each character that a generator can draw; empty where its classes are not single characters."""
    names = config.classes if config.input.get("noise") else []
    return {name: label for label, name in enumerate(names)} if names and all(len(name) == 1 for name in names) else {}


def lines_of(text: str, config: Config) -> list[list[int | None]]:
    """The labels of a text, line by line; None is a space.

    Case and accents are dropped where the checkpoint has no such character.

    Raises:
        InputError: there is nothing to write, too much, or a character that the checkpoint has not.
    """
    known = characters(config)
    if not known:
        raise InputError(f"{config.name} cannot write: its classes are not single characters")
    if not text.strip() or len(text) > MAX_TEXT:
        raise InputError(f"the text must have 1 to {MAX_TEXT} characters, got {len(text)}")
    wrapped = [line for part in text.splitlines() for line in textwrap.wrap(part, LINE) or [""]]
    return [[None if character == " " else _label(character, known) for character in line] for line in wrapped]


def _label(character: str, known: dict[str, int]) -> int:
    plain = unicodedata.normalize("NFD", character)[0]
    for form in (character, plain, plain.upper(), plain.lower()):
        if form in known:
            return known[form]
    raise InputError(f"{character!r} cannot be written: this model has {''.join(known)}")


def write(
    pipeline: Generate, text: str, seed: int = 0, truncation: float = 1.0, scale: int = 1, invert: bool = False
) -> np.ndarray:
    """The text in the typeface of a seed -> uint8 (H, W, C).

    Args:
        truncation: as for `Generate.sample`.
        scale: how many times larger than the network draws it; edges stay sharp.
        invert: dark on light where the network draws light on dark, in grey.

    Raises:
        InputError: as `lines_of` says, or the picture would be too large.
    """
    return next(film(pipeline, text, [seed], 1, truncation, scale=scale, invert=invert))


def film(
    pipeline: Generate,
    text: str,
    seeds: Sequence[int],
    num_frames: int = 120,
    truncation: float = 1.0,
    loop: bool = True,
    scale: int = 1,
    invert: bool = False,
) -> Iterator[np.ndarray]:
    """Frames, uint8 (H, W, C), of the text while its typeface turns from that of one seed into that of the next.

    The rest is as for `write`.
    """
    if not seeds or num_frames < 1:
        raise InputError("a video needs one seed and one frame at least")
    lines = lines_of(text, pipeline.config)
    labels = sorted({label for line in lines for label in line if label is not None})
    size, glyph_width = sides(pipeline.config.network["size"])
    height = round(len(lines) * size + 2 * MARGIN * size)
    most = round(max(map(len, lines)) * (glyph_width + GAP * size) + 2 * MARGIN * size)
    if height * most * scale**2 > MAX_PIXELS:
        raise InputError(f"the image would have {height * scale} x {most * scale} px: give a shorter text")
    keys = pipeline.latents(seeds)
    widths = [_lay_out(glyphs, lines)[1] for glyphs in _alphabets(pipeline, keys, labels, truncation)]
    width = round(max(widths) + 2 * MARGIN * size)
    recent: list[list[float]] = []
    for glyphs in _alphabets(pipeline, latents.walk(keys, num_frames, loop), labels, truncation):
        recent = [*recent[1 - SMOOTH :], _lay_out(glyphs, lines)[0]]
        yield _draw(glyphs, lines, np.mean(recent, axis=0), (height, width), scale, invert)


def _alphabets(
    pipeline: Generate, zs: Iterable[np.ndarray], labels: Sequence[int], truncation: float
) -> Iterator[dict[int, np.ndarray]]:
    """For each latent the pictures of `labels`."""
    pairs, again = tee((z, label) for z in zs for label in labels)
    drawn = pipeline.render((z for z, _ in pairs), (label for _, label in again), truncation)
    while alphabet := dict(zip(labels, islice(drawn, len(labels)))):
        yield alphabet


def _paper(glyphs: Mapping[int, np.ndarray]) -> np.ndarray:
    """The colour around the letters (C,): the median of their uppermost and lowest rows."""
    return np.median(np.concatenate([glyph[[0, -1]].reshape(-1, glyph.shape[-1]) for glyph in glyphs.values()]), axis=0)


def _sides(glyph: np.ndarray, paper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row how many pixels are free on the left and on the right of its ink, (H,) each; inf without ink."""
    height, width = glyph.shape[:2]
    if glyph.shape[-1] > 1:  # a picture of a character, not a letter of ink: it stands edge to edge
        return np.zeros(height), np.zeros(height)
    ink = np.abs(glyph - paper).max(axis=-1) > INK * 255
    has = ink.any(axis=1)
    left, right = (np.where(has, side.argmax(axis=1), np.inf) for side in (ink, ink[:, ::-1]))
    if not has.any():  # an empty picture is as wide as half a letter
        return np.full(height, width / 4), np.full(height, width / 4)
    return left, right


def _gap(right: np.ndarray, left: np.ndarray) -> float:
    """The distance (in px) of the boxes of two letters, given the free pixels between their boxes and their ink."""
    if not (right.any() or left.any()):
        return 0.0
    size = len(right)
    free = np.minimum(right - right.min(), DEPTH * size) + np.minimum(left - left.min(), DEPTH * size)
    rows = np.isfinite(right) | np.isfinite(left)
    near = np.minimum(right, np.roll(right, 1)), np.minimum(left, np.roll(left, -1))
    closest = (near[0] - right.min() + near[1] - left.min()).min()
    even = GAP * size - np.minimum(free[rows], DEPTH * size).mean() + EVEN * size
    return max(even, LEAST * size - closest)


def _lay_out(glyphs: Mapping[int, np.ndarray], lines: Sequence[Sequence[int | None]]) -> tuple[list[float], float]:
    """Where the pictures of all letters begin, from the left, lines centred -> places in px, and the largest width."""
    paper = _paper(glyphs)
    sides = {label: _sides(glyph, paper) for label, glyph in glyphs.items()}
    size, glyph_width = next(iter(glyphs.values())).shape[:2]
    placed, widths = [], []
    for line in lines:
        places, end, before = [], 0.0, None  # `end` is where the ink ends
        for label in line:
            if label is None:
                end, before = end + SPACE * size, None
                continue
            left, right = sides[label]
            start = end + (_gap(before, left) if before is not None else 0.0)
            places.append(start - left.min())
            end, before = start + glyph_width - left.min() - right.min(), right
        placed.append(places)
        widths.append(end)
    most = max(widths)
    return [place - width / 2 for places, width in zip(placed, widths) for place in places], most


def _draw(
    glyphs: Mapping[int, np.ndarray],
    lines: Sequence[Sequence[int | None]],
    places: Sequence[float],
    shape: tuple[int, int],
    scale: int,
    invert: bool,
) -> np.ndarray:
    """Letters at their places, counted from the middle -> uint8 (scale * H, scale * W, C); the stronger ink wins."""
    paper, size = _paper(glyphs), len(next(iter(glyphs.values()))) * scale
    sheet = np.tile(paper, (shape[0] * scale, shape[1] * scale, 1))
    large = {label: _enlarge(glyph, scale).astype(float) for label, glyph in glyphs.items()}
    place = iter(places)
    for number, line in enumerate(lines):
        top = round(MARGIN * size) + number * size
        for label in line:
            if label is None:
                continue
            left = round((shape[1] / 2 + next(place)) * scale)
            first, last = max(0, -left), min(large[label].shape[1], sheet.shape[1] - left)
            if last <= first:
                continue
            there = sheet[top : top + size, left + first : left + last]
            glyph = large[label][:, first:last]
            stronger = np.abs(glyph - paper) > np.abs(there - paper)
            there[...] = np.where(stronger if glyph.shape[-1] == 1 else True, glyph, there)
    drawn = sheet.round().clip(0, 255).astype(np.uint8)
    return 255 - drawn if invert and drawn.shape[-1] == 1 else drawn


def _enlarge(glyph: np.ndarray, scale: int) -> np.ndarray:
    """`scale` times as large, uint8 (H, W, C): smooth outlines, and for grey letters edges as sharp as before."""
    if scale == 1:
        return glyph
    image = to_pil(glyph)
    large = np.asarray(image.resize((image.width * scale, image.height * scale), Image.Resampling.BICUBIC))
    if glyph.shape[-1] > 1:
        return large
    steep = (large / 255.0 - EDGE) * scale / 2 + EDGE
    return (255 * steep.clip(0, 1)).astype(np.uint8)[..., None]
