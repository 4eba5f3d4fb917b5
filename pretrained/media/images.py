"""Images as numbers: [-1, 1] <-> uint8, grids, PNG. The only place where a range changes."""

from __future__ import annotations

import functools
import importlib
import io
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from pretrained.media.files import formats
from pretrained.networks.sizes import Size, sides
from pretrained.system.errors import InputError
from pretrained.system.files import open_regular

MAX_PIXELS = 100_000_000  # of what is made
COMPRESSION = 3  # of PNG: two thirds of the time that zlib takes by default, for a twentieth more bytes
# Of what is read. Pillow keeps four bytes for a pixel with colours: 400 MB while one image is made of another.
MAX_READ = 50_000_000
BAND = 256  # rows
MAX_HELD = MAX_READ // 2  # of those that are decoded to several whole images before one comes out
HELD = ("WEBP", "AVIF")
# A progressive JPEG is held as a whole, in coefficients, and gone through once for each of its scans.
MAX_PROGRESSIVE = MAX_READ // 2
MAX_SCANNED = 10 * MAX_PROGRESSIVE  # pixels times scans
START_OF_SCAN = b"\xff\xda"
# What is opened of a stranger, whatever a file is called: others unpack a thousandfold (JPEG 2000), or start programs.
FORMATS = ("Png", "Jpeg", "WebP", "Gif", "Bmp", "Tiff", "Avif", "Ppm")
WIDEST = 65535  # the value of white in 16 bits
NEARLY_BLACK, TWELVE_BITS = 255, 4095  # of 16 bits
LFS = b"version https://git-lfs"

Levels = tuple[float, float]  # the values of black and white


def to_uint8(images: Tensor) -> np.ndarray:
    """(N, C, H, W) in [-1, 1] -> uint8 (N, H, W, C)."""
    levels = images.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.permute(0, 2, 3, 1).cpu().numpy()


def from_uint8(images: Tensor) -> Tensor:
    """uint8 -> float in [-1, 1], any shape."""
    return images.float().div_(127.5).sub_(1)


def from_source(sources: Tensor, mask: bool = False) -> Tensor:
    """What a translator reads: uint8 (N, C, H, W) -> float in [-1, 1]; the last channel, if a `mask`, 0 or 1."""
    x = from_uint8(sources)
    if mask:
        x[:, -1] = sources[:, -1] > 127
    return x


def grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Lay (N, H, W, C) out in rows, left to right -> (rows * H, columns * W, C); empty places are black.

    `columns` defaults to the nearest to a square.
    """
    count, height, width, channels = images.shape
    columns = columns or int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:count] = images
    cells = cells.reshape(rows, columns, height, width, channels)
    return cells.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)


def to_pil(image: np.ndarray) -> Image.Image:
    """uint8 (H, W, 1 or 3) -> PIL."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def enlarge(image: np.ndarray, scale: int) -> np.ndarray:
    """Repeat each pixel of (..., H, W, C) `scale` times both ways: small images shown large, and crisp."""
    return image.repeat(scale, axis=-3).repeat(scale, axis=-2)


def encode_png(image: np.ndarray | Image.Image, text: Mapping[str, str] | None = None) -> bytes:
    """A PIL image, or uint8 (H, W, C), -> a PNG file with `text` in its metadata (tEXt/iTXt chunks)."""
    info = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(key, value)
    buffer, pil = io.BytesIO(), image if isinstance(image, Image.Image) else to_pil(image)
    pil.save(buffer, "PNG", pnginfo=info, compress_level=COMPRESSION)
    return buffer.getvalue()


def flatten(image: Image.Image, channels: int = 3, levels: Levels | None = None) -> Image.Image:
    """A PIL image of any mode as "RGB" or "L": turned as its EXIF says, transparency on white, deep values in 8 bits.

    Args:
        levels: the values that are black and white in an image of 16 or 32 bits; None is as its format says.

    Raises:
        LevelsUnknown: its format does not say it.
    """
    deep = image.mode.startswith("I") or image.mode == "F"
    known = (levels or _levels(image)) if deep else None
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # or it would be copied
        image = ImageOps.exif_transpose(image)
    image.load()
    if deep:
        low, high = known if levels else _checked(image, known)
        image = _by_bands(image, "L", lambda band: _scaled(band, low, high))
    if image.has_transparency_data:
        image = _by_bands(image, "RGB", _on_white)
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _levels(image: Image.Image) -> Levels | None:
    """The values of black and white that the format and the mode of a deep image define."""
    if image.mode == "F":
        return 0.0, 1.0
    bits = getattr(image, "tag_v2", {}).get(258, (16,))  # TIFF's BitsPerSample; 12 of them come as they are
    if image.mode.startswith("I;16"):
        return 0, 2 ** bits[0] - 1
    return (0, WIDEST) if image.format in ("PNG", "PPM") else None  # Pillow scales these to 16 bits


class LevelsUnknown(InputError):
    """Neither the format of a deep image nor its values say which ones are black and white.

    Attributes:
        found: its lowest and its highest value.
    """

    def __init__(self, message: str, found: Levels = (0, 255)):
        super().__init__(message)
        self.found = found


def _checked(image: Image.Image, levels: Levels | None) -> Levels:
    """The same levels; LevelsUnknown where the values leave open what black and white are."""
    low, high = found = image.getextrema()
    remedy = "set `levels` to the values of black and white"
    name = f"values from {low:g} to {high:g}"
    if image.mode == "F" and not (low >= -1e-3 and high <= 1 + 1e-3):
        raise LevelsUnknown(f"floating-point {name} have no range that is known (0 to 1 is): {remedy}", found)
    if levels is None:
        raise LevelsUnknown(f"32-bit {name} have no range that is known: {remedy}", found)
    # Cameras, scanners and microscopes write 10 or 12 bits like this. What is nearly black in 16 bits may be so.
    if levels[1] == WIDEST and NEARLY_BLACK < high <= TWELVE_BITS:
        raise LevelsUnknown(f"16-bit {name} may be of 12 bits: {remedy}, 0 {TWELVE_BITS} or 0 {WIDEST}", found)
    return levels


def _bands(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    for top in range(0, image.height, BAND):
        yield 0, top, image.width, min(top + BAND, image.height)


def _by_bands(image: Image.Image, mode: str, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """What `change` makes of it, some rows at a time: what lies in between takes little memory."""
    changed = Image.new(mode, image.size)
    for box in _bands(image):
        changed.paste(change(image.crop(box)), box)
    return changed


def _scaled(image: Image.Image, low: float, high: float) -> Image.Image:
    values = np.nan_to_num(np.asarray(image, np.float32), nan=low)
    return Image.fromarray(((values.clip(low, high) - low) * (255 / (high - low))).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return white


def fit(image: Image.Image, size: Size, channels: int = 3) -> Tensor:
    """A PIL image, scaled to fill `size` and the centre cut out -> (1, channels, *size) in [-1, 1]."""
    height, width = sides(size)
    image = ImageOps.fit(flatten(image, channels), (width, height), Image.Resampling.LANCZOS)
    levels = torch.from_numpy(np.array(image)).view(1, height, width, channels)
    return from_uint8(levels).permute(0, 3, 1, 2)


def open_image(
    source: str | os.PathLike[str] | BinaryIO,
    channels: int = 3,
    max_pixels: int = MAX_READ,
    levels: Levels | None = None,
    any_format: bool = False,
) -> Image.Image:
    """Any image file as "RGB" or "L", by `flatten`.

    A JPEG of more than `max_pixels` is decoded at a half, a quarter or an eighth of its size, within bounds.

    Args:
        levels: the values that are black and white in a file of 16 or 32 bits; None is as its format says.
        any_format: whether formats are read that only files of one's own should have: JPEG 2000, TGA, PSD, ...

    Raises:
        InputError: it cannot be read, holds more than `max_pixels`, or does not say which values are black and white.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its limit is not ours
            image = Image.open(_regular(source), formats=_all_formats() if any_format else safe_formats())
        with image:
            if "progressive" in image.info:
                _check_scans(image)
            if image.width * image.height > max_pixels and image.format == "JPEG":
                image.draft(None, _smaller(image.size, max_pixels))
            if image.format in HELD:
                max_pixels = min(max_pixels, MAX_HELD)
            if image.width * image.height > max_pixels:
                raise InputError(f"{image.width} x {image.height} px is too large: at most {max_pixels:,} pixels")
            return flatten(image, channels, levels)
    except InputError:
        raise
    except UnidentifiedImageError as error:  # its message would show a Python object
        if _is_lfs_pointer(source):
            raise InputError("a git-LFS pointer in place of an image: fetch it with git lfs pull") from error
        raise InputError("not an image that can be read: a PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF will do") from error
    except Exception as error:  # Pillow's decoders raise many kinds on a broken file
        raise InputError(f"not an image that can be read: {error}") from error


@functools.cache
def safe_formats() -> list[str]:
    """FORMATS, once Pillow has learnt them: it loads no more by itself where it is told which."""
    for name in FORMATS:
        importlib.import_module(f"PIL.{name}ImagePlugin")
    return [name.upper() for name in FORMATS]


@functools.cache
def _all_formats() -> list[str]:
    """All that Pillow reads by itself."""
    return sorted(set(formats().values()))


def _regular(source: str | os.PathLike[str] | BinaryIO) -> str | os.PathLike[str] | BinaryIO:
    if isinstance(source, (str, os.PathLike)):
        with open_regular(Path(source)):
            pass
    return source


def _is_lfs_pointer(source: str | os.PathLike[str] | BinaryIO) -> bool:
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            return file.read(len(LFS)) == LFS
    source.seek(0)
    return source.read(len(LFS)) == LFS


def _check_scans(image: Image.Image) -> None:
    """Refuse a progressive JPEG that takes much memory or time, however small it is drafted."""
    pixels = image.width * image.height
    image.fp.seek(0)
    scans = image.fp.read().count(START_OF_SCAN)
    if pixels > MAX_PROGRESSIVE or pixels * scans > MAX_SCANNED:
        raise InputError(
            f"{image.width} x {image.height} px in {scans} scans is too large for a progressive JPEG: at most "
            f"{MAX_PROGRESSIVE:,} pixels in 10 scans"
        )


def _smaller(size: tuple[int, int], max_pixels: int) -> tuple[int, int]:
    """`size` halved until it holds no more than `max_pixels`."""
    width, height = size
    while width * height > max_pixels:
        width, height = max(1, width // 2), max(1, height // 2)
    return width, height
