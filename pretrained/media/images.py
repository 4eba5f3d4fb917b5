"""Pictures as numbers: [-1, 1] <-> uint8, grids, PNG. The only place where a range changes."""

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

from pretrained.system.errors import InputError
from pretrained.system.files import open_regular

MAX_PIXELS = 100_000_000  # of what is made
COMPRESSION = 3  # of PNG: two thirds of the time that zlib takes by default, for a twentieth more bytes
# Of what is read. Pillow keeps four bytes for a pixel with colours: 400 MB while one picture is made of another.
MAX_READ = 50_000_000
BAND = 256  # rows
MAX_HELD = MAX_READ // 2  # of those that are decoded to several whole pictures before one comes out
HELD = ("WEBP", "AVIF")
# A progressive JPEG is held as a whole, in coefficients, and gone through once for each of its scans.
MAX_PROGRESSIVE = MAX_READ // 2
MAX_SCANNED = 10 * MAX_PROGRESSIVE  # pixels times scans
START_OF_SCAN = b"\xff\xda"
# What is opened, whatever a file is called: others unpack a thousandfold (JPEG 2000), or start programs (EPS).
FORMATS = ("Png", "Jpeg", "WebP", "Gif", "Bmp", "Tiff", "Avif", "Ppm")
# What a folder is searched for.
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}


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
    """Repeat each pixel of (..., H, W, C) `scale` times both ways: small pictures shown large, and crisp."""
    return image.repeat(scale, axis=-3).repeat(scale, axis=-2)


def encode_png(image: np.ndarray | Image.Image, text: Mapping[str, str] | None = None) -> bytes:
    """A PIL image, or uint8 (H, W, C), -> a PNG file with `text` in its metadata (tEXt/iTXt chunks)."""
    info = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(key, value)
    buffer, pil = io.BytesIO(), image if isinstance(image, Image.Image) else to_pil(image)
    pil.save(buffer, "PNG", pnginfo=info, compress_level=COMPRESSION)
    return buffer.getvalue()


def enlarge_png(png: bytes, side: int, smooth: bool) -> bytes:
    """A PNG enlarged by a whole factor until its longer side has `side` px at least; what its text says stays.

    Args:
        smooth: interpolate between pixels (Lanczos), else repeat them.
    """
    with Image.open(io.BytesIO(png)) as image:
        scale = -(-side // max(image.size))
        if scale <= 1:
            return png
        resampling = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
        large = image.resize((image.width * scale, image.height * scale), resampling)
        return encode_png(large, getattr(image, "text", {}))


def flatten(image: Image.Image, channels: int = 3) -> Image.Image:
    """A PIL image of any mode as "RGB" or "L": turned as its EXIF says, transparency on white, 16 bits scaled to 8."""
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # or it would be copied
        image = ImageOps.exif_transpose(image)
    image.load()
    if image.mode.startswith("I") or image.mode == "F":
        top = 65535 if max(np.asarray(image.crop(box)).max() for box in _bands(image)) > 255 else 255
        image = _by_bands(image, "L", lambda band: _scaled(band, top))
    if image.has_transparency_data:
        image = _by_bands(image, "RGB", _on_white)
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _bands(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    for top in range(0, image.height, BAND):
        yield 0, top, image.width, min(top + BAND, image.height)


def _by_bands(image: Image.Image, mode: str, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """What `change` makes of it, some rows at a time: what lies in between takes little memory."""
    changed = Image.new(mode, image.size)
    for box in _bands(image):
        changed.paste(change(image.crop(box)), box)
    return changed


def _scaled(image: Image.Image, top: int) -> Image.Image:
    levels = np.asarray(image, np.float32)
    return Image.fromarray((levels.clip(0, top) * (255 / top)).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return white


def fit(image: Image.Image, size: int, channels: int = 3) -> Tensor:
    """A PIL image, its shorter side scaled to `size` and the centre cut out -> (1, channels, size, size) in [-1, 1]."""
    image = ImageOps.fit(flatten(image, channels), (size, size), Image.Resampling.LANCZOS)
    levels = torch.from_numpy(np.array(image)).view(1, size, size, channels)
    return from_uint8(levels).permute(0, 3, 1, 2)


def open_image(source: str | os.PathLike[str] | BinaryIO, channels: int = 3, max_pixels: int = MAX_READ) -> Image.Image:
    """Any picture file as "RGB" or "L", by `flatten`.

    A JPEG of more than `max_pixels` is decoded at a half, a quarter or an eighth of its size, within bounds.

    Raises:
        InputError: it cannot be read, or holds more than `max_pixels`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its limit is not ours
            image = Image.open(_regular(source), formats=_formats())
        with image:
            if "progressive" in image.info:
                _check_scans(image)
            if image.width * image.height > max_pixels and image.format == "JPEG":
                image.draft(None, _smaller(image.size, max_pixels))
            if image.format in HELD:
                max_pixels = min(max_pixels, MAX_HELD)
            if image.width * image.height > max_pixels:
                raise InputError(f"{image.width} x {image.height} px is too large: at most {max_pixels:,} pixels")
            return flatten(image, channels)
    except InputError:
        raise
    except UnidentifiedImageError as error:  # its message would show a Python object
        raise InputError("not a picture that can be read: a PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF will do") from error
    except Exception as error:  # Pillow's decoders raise many kinds on a broken file
        raise InputError(f"not a picture that can be read: {error}") from error


@functools.cache
def _formats() -> list[str]:
    """FORMATS, once Pillow has learnt them: it loads no more by itself where it is told which."""
    for name in FORMATS:
        importlib.import_module(f"PIL.{name}ImagePlugin")
    return [name.upper() for name in FORMATS]


def _regular(source: str | os.PathLike[str] | BinaryIO) -> str | os.PathLike[str] | BinaryIO:
    if isinstance(source, (str, os.PathLike)):
        with open_regular(Path(source)):
            pass
    return source


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
