"""Images are brought to the size asked for; those of a pair to one frame, so that they lie upon each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from pretrained.networks.sizes import Size, sides
from pretrained.system.errors import InputError

Resize = Literal["crop", "stretch", "pad"]
NEAR = 0.02  # how much the aspects of two images of one frame may differ: sides are rounded to whole pixels
COMPARED = 48  # px
CLEARLY = 1.2  # times as alike
FLAT = 0.5  # grey levels from a pixel to the next
HALVES = (1.9, 2.1)  # width over height of two pictures side by side; a photograph of 16:9 is none


def to_size(image: Image.Image, size: Size, resize: Resize = "crop") -> np.ndarray:
    """An image brought to `size`: uint8 (channels, *size).

    Args:
        resize: "crop" scales it to fill the size and cuts out the centre, "stretch" changes the shape, "pad" scales it
            to fit into the size and fills up with white.
    """
    height, width = sides(size)
    if resize == "stretch":
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    elif resize == "pad":
        white = 255 if image.mode == "L" else (255, 255, 255)
        image = ImageOps.pad(image, (width, height), Image.Resampling.LANCZOS, color=white)
    else:
        image = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    levels = np.asarray(image)
    return levels.reshape(height, width, -1).transpose(2, 0, 1)


def same_aspect(images: Sequence[Image.Image]) -> bool:
    """Whether all have the shape of one frame, but for rounding to whole pixels."""
    aspects = [image.width / image.height for image in images]
    rounding = max(1 / min(image.size) for image in images)
    return max(aspects) / min(aspects) <= 1 + max(NEAR, rounding)


def is_squeezed(images: Sequence[Image.Image]) -> bool | None:
    """Whether images of other shapes than the first show all of its frame, rather than a part cut out of the middle.

    Outlines tell: of the first, squeezed or cut, those are taken that lie nearer to the other's. None is not sure.
    """
    frame = max(images, key=lambda image: (image.width != image.height, image.width * image.height))
    wins = []
    for image in images:
        if same_aspect([frame, image]):
            continue
        outlines = _outlines(image.resize((COMPARED, COMPARED), Image.Resampling.BOX))
        whole = _outlines(frame.resize((COMPARED, COMPARED), Image.Resampling.BOX))
        part = _outlines(ImageOps.fit(frame, image.size).resize((COMPARED, COMPARED), Image.Resampling.BOX))
        likeness = [max(float((outlines * other).mean()), 1e-6) for other in (whole, part)]
        wins.append(likeness[0] / likeness[1])
    if all(win > CLEARLY for win in wins):
        return True
    return False if all(win < 1 / CLEARLY for win in wins) else None


def _outlines(image: Image.Image) -> np.ndarray:
    """How steep the brightness is at each pixel, of mean 0 and deviation 1."""
    down, across = np.gradient(np.asarray(image.convert("L"), np.float32))
    slope = np.hypot(down, across)
    return (slope - slope.mean()) / (slope.std() + 1e-6)


def to_one_frame(images: Sequence[Image.Image], stretch: bool) -> list[Image.Image]:
    """The images of a pair in the shape of one frame; those of another shape are stretched to it.

    Args:
        stretch: whether a square, or else the smaller image, is known to show the whole frame.

    Raises:
        InputError: the shapes differ, and it is not known.
    """
    if same_aspect(images):
        return list(images)
    if not stretch:
        sizes = " and ".join(f"{image.width} x {image.height}" for image in images)
        raise InputError(
            f"{sizes} px differ in shape, so the images of this pair do not lie upon each other: set `resize` to "
            "stretch if both show the whole scene, or cut them alike"
        )
    frame = max(images, key=lambda image: (image.width != image.height, image.width * image.height))
    return [image if image is frame else image.resize(frame.size, Image.Resampling.LANCZOS) for image in images]


def check_columns(size: tuple[int, int], columns: int) -> None:
    """Refuse a file that cannot hold so many pictures side by side: each about square, and all equally wide.

    Raises:
        InputError: so.
    """
    width, height = size
    low, high = (bound * columns / 2 for bound in HALVES)
    if width % columns or not low <= width / height <= high:
        raise InputError(f"{width} x {height} px are not {columns} images of one size side by side")


def is_one_picture(image: Image.Image, columns: int = 2) -> bool:
    """Whether a file that has the shape of pictures side by side goes on smoothly where they would meet."""
    levels = np.asarray(image.convert("L"), np.float32)
    steps = np.abs(np.diff(levels, axis=1)).mean(0)  # steps[i]: from column i to i + 1
    for column in range(1, columns):
        middle = column * image.width // columns - 1
        near = np.concatenate([steps[middle - 4 : middle], steps[middle + 1 : middle + 5]]).mean()
        if near < FLAT or steps[middle] > 2 * near:
            return False
    return True
