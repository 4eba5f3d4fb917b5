"""Pictures as numbers, and any picture file as RGB or grey."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from pretrained.media import images as media
from pretrained.system.errors import InputError


def test_ranges_are_inverse():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    images = media.from_uint8(levels)
    assert images.min() == -1
    assert images.max() == 1
    np.testing.assert_array_equal(media.to_uint8(images)[0, ..., 0], levels[0, 0])
    assert media.to_uint8(torch.tensor([[[[-7.0, 7.0]]]])).tolist() == [[[[0], [255]]]]


def test_grid_goes_left_to_right():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None].repeat(2, 1).repeat(3, 2)
    sheet = media.grid(images, columns=3)
    assert sheet.shape == (4, 9, 1)
    assert sheet[::2, ::3, 0].tolist() == [[0, 1, 2], [3, 4, 0]]
    assert media.grid(images).shape == (4, 9, 1), "three columns are the nearest to a square"


def test_enlarge_repeats_pixels():
    image = np.array([[[1], [2]]], np.uint8)
    assert media.enlarge(image, 2)[..., 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2]]


@pytest.mark.parametrize("channels", [1, 3])
def test_png_keeps_pixels_and_text(channels):
    image = np.random.RandomState(0).randint(0, 256, (5, 7, channels), np.uint8)
    read = Image.open(io.BytesIO(media.encode_png(image, {"ganvas": "sämples"})))
    np.testing.assert_array_equal(np.asarray(read).reshape(image.shape), image)
    assert read.text == {"ganvas": "sämples"}


def encode(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return io.BytesIO(buffer.getvalue())


RED = Image.new("RGB", (4, 4), (200, 10, 10))


def rotated_jpeg():
    image = Image.new("RGB", (40, 20), "black")
    image.paste("white", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me a quarter clockwise"
    return encode(image, "JPEG", exif=exif, quality=95)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (encode(RED), (200, 10, 10)),
        (encode(Image.new("L", (4, 4), 90)), (90, 90, 90)),
        (encode(Image.new("1", (4, 4), 1)), (255, 255, 255)),
        (encode(Image.fromarray(np.full((4, 4), 32896, np.uint16))), (128, 128, 128)),
        (encode(RED.convert("P")), None),
        (encode(RED.convert("CMYK"), "JPEG", quality=95), None),
        (encode(Image.new("RGBA", (4, 4), (0, 0, 0, 0))), (255, 255, 255)),
        (encode(Image.new("RGBA", (4, 4), (200, 10, 10, 255))), (200, 10, 10)),
        (encode(Image.new("LA", (4, 4), (50, 0))), (255, 255, 255)),
        (encode(RED.convert("P"), "GIF"), None),
    ],
    ids=["rgb", "grey", "bilevel", "16 bits", "palette", "cmyk", "clear", "opaque", "clear grey", "gif"],
)
def test_any_mode_becomes_rgb(file, expected):
    image = media.open_image(file)
    assert image.mode == "RGB"
    np.testing.assert_allclose(image.getpixel((2, 2)), expected or (200, 10, 10), atol=0 if expected else 12)
    file.seek(0)
    assert media.open_image(file, channels=1).mode == "L"


def test_a_palette_with_transparency_lies_on_white():
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    assert media.open_image(encode(palette, transparency=0)).getpixel((0, 0)) == (255, 255, 255)


def test_exif_rotation_is_honoured():
    image = media.open_image(rotated_jpeg())
    assert image.size == (20, 40)
    assert image.getpixel((10, 5))[0] > 200, "what was left is now above"
    assert image.getpixel((10, 35))[0] < 50


@pytest.mark.parametrize("data", [b"", b"not an image", encode(RED).getvalue()[:40]])
def test_broken_images_are_refused(data):
    with pytest.raises(InputError, match="not an image"):
        media.open_image(io.BytesIO(data))


def test_a_bomb_is_refused_before_it_is_decoded():
    bomb = encode(Image.new("1", (20_000, 20_000)))
    with pytest.raises(InputError, match="too large|bomb"):
        media.open_image(bomb)


@pytest.mark.parametrize("size", [(200, 120), (203, 121)])
def test_a_jpeg_that_is_too_large_is_decoded_smaller(size):
    file = encode(Image.new("RGB", size, (200, 10, 10)), "JPEG", quality=95)
    for limit, shrunk in ((size[0] * size[1], 1), (size[0] * size[1] - 1, 2), (size[0] * size[1] // 17, 8)):
        file.seek(0)
        image = media.open_image(file, max_pixels=limit)
        assert image.size == tuple(-(-side // shrunk) for side in size)
        np.testing.assert_allclose(image.getpixel((0, 0)), (200, 10, 10), atol=4)
    file.seek(0)
    for strip in (file, encode(Image.new("RGB", (9000, 1)), "JPEG")):
        with pytest.raises(InputError, match="too large"):
            media.open_image(strip, max_pixels=10)


def test_a_image_above_the_limit_of_pillow_is_refused_without_a_warning():
    with pytest.raises(InputError, match="9000 x 10000 px is too large"):
        media.open_image(encode(Image.new("1", (9000, 10_000))))


def test_what_a_translator_reads():
    levels = torch.tensor([0, 255, 255, 0], dtype=torch.uint8).view(1, 2, 1, 2)
    assert media.from_source(levels).flatten().tolist() == [-1, 1, 1, -1]
    assert media.from_source(levels, mask=True).flatten().tolist() == [-1, 1, 1, 0]
