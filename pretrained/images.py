"""Pictures as numbers: [-1, 1] <-> uint8, grids, PNG. The only place where a range changes."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from pretrained.errors import InputError

MAX_PIXELS = 100_000_000
# What a folder is searched for.
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}


def to_uint8(pictures: Tensor) -> np.ndarray:
    """(N, C, H, W) in [-1, 1] -> uint8 (N, H, W, C)."""
    levels = pictures.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.permute(0, 2, 3, 1).cpu().numpy()


def from_uint8(pictures: Tensor) -> Tensor:
    """uint8 -> float in [-1, 1], any shape."""
    return pictures.float().div_(127.5).sub_(1)


def from_source(sources: Tensor, mask: bool = False) -> Tensor:
    """What a translator reads: uint8 (N, C, H, W) -> float in [-1, 1]; the last channel, if a `mask`, 0 or 1."""
    x = from_uint8(sources)
    if mask:
        x[:, -1] = sources[:, -1] > 127
    return x


def grid(pictures: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Lay (N, H, W, C) out in rows, left to right -> (rows * H, columns * W, C); empty places are black.

    `columns` defaults to the nearest to a square.
    """
    count, height, width, channels = pictures.shape
    columns = columns or int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:count] = pictures
    cells = cells.reshape(rows, columns, height, width, channels)
    return cells.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)


def to_pil(picture: np.ndarray) -> Image.Image:
    """uint8 (H, W, 1 or 3) -> PIL."""
    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)


def enlarge(picture: np.ndarray, scale: int) -> np.ndarray:
    """Repeat each pixel of (..., H, W, C) `scale` times both ways: small pictures shown large, and crisp."""
    return picture.repeat(scale, axis=-3).repeat(scale, axis=-2)


def encode_png(picture: np.ndarray, text: Mapping[str, str] | None = None) -> bytes:
    """uint8 (H, W, C) -> a PNG file with `text` in its metadata (tEXt/iTXt chunks)."""
    info = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(key, value)
    buffer = io.BytesIO()
    to_pil(picture).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def flatten(picture: Image.Image, channels: int = 3) -> Image.Image:
    """A PIL image of any mode as "RGB" or "L": turned as its EXIF says, transparency on white, 16 bits scaled to 8."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        levels = np.asarray(picture, np.float32)
        top = 65535 if levels.max() > 255 else 255
        picture = Image.fromarray((levels.clip(0, top) * (255 / top)).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("L" if channels == 1 else "RGB")


def fit(picture: Image.Image, size: int, channels: int = 3) -> Tensor:
    """A PIL image, its shorter side scaled to `size` and the centre cut out -> (1, channels, size, size) in [-1, 1]."""
    picture = ImageOps.fit(flatten(picture, channels), (size, size), Image.Resampling.LANCZOS)
    levels = torch.from_numpy(np.array(picture)).view(1, size, size, channels)
    return from_uint8(levels).permute(0, 3, 1, 2)


def open_picture(
    source: str | os.PathLike[str] | BinaryIO, channels: int = 3, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Any picture file as "RGB" or "L", by `flatten`.

    A JPEG of more than `max_pixels` is decoded at a half, a quarter or an eighth of its size, within bounds.

    Raises:
        InputError: it cannot be read, or holds more than `max_pixels`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its limit is not ours
            picture = Image.open(source)
        with picture:
            if picture.width * picture.height > max_pixels and picture.format == "JPEG":
                picture.draft(None, _smaller(picture.size, max_pixels))
            if picture.width * picture.height > max_pixels:
                raise InputError(f"{picture.width} x {picture.height} px is too large: at most {max_pixels:,} pixels")
            return flatten(picture, channels)
    except InputError:
        raise
    except UnidentifiedImageError as error:  # its message would show a Python object
        raise InputError("not a picture that can be read: no kind of picture file that is known") from error
    except Exception as error:  # Pillow's decoders raise many kinds on a broken file
        raise InputError(f"not a picture that can be read: {error}") from error


def _smaller(size: tuple[int, int], max_pixels: int) -> tuple[int, int]:
    """`size` halved until it holds no more than `max_pixels`."""
    width, height = size
    while width * height > max_pixels:
        width, height = max(1, width // 2), max(1, height // 2)
    return width, height
