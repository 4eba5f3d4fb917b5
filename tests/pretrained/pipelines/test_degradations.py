"""Pictures made poorer: the same for a seed whatever the batch, and what each is said to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from pretrained.media.images import from_source
from pretrained.pipelines import degradations
from pretrained.pipelines.degradations import DEGRADATIONS, GREY, check, degrade
from pretrained.system.errors import InputError

SEEDS = [7, 3, [5, 1]]


def scene(size: int = 64, background: str = "white", colour: str = "#d03020") -> torch.Tensor:
    """A disc on a plain ground -> uint8 (1, 3, size, size)."""
    image = Image.new("RGB", (4 * size, 4 * size), background)
    ImageDraw.Draw(image).ellipse((size, size, 3 * size, 3 * size), fill=colour)
    levels = np.array(image.resize((size, size), Image.Resampling.LANCZOS))
    return torch.from_numpy(levels).permute(2, 0, 1)[None]


def images(channels: int = 3, height: int = 32, width: int = 24) -> torch.Tensor:
    levels = np.random.RandomState(0).randint(0, 256, (3, channels, height, width), np.uint8)
    return torch.from_numpy(levels)


@pytest.mark.parametrize("kind", DEGRADATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_one_image_and_one_seed_are_one_source(kind, channels):
    given = images(channels)
    before = given.clone()
    sources = degrade(kind, given, SEEDS)
    assert sources.dtype == torch.uint8
    shrunk = 4 if kind == "downsample" else 1
    assert sources.shape == (3, DEGRADATIONS[kind].channels(channels), 32 // shrunk, 24 // shrunk)
    assert torch.equal(given, before)
    assert torch.equal(degrade(kind, given, SEEDS), sources)
    for number, seed in enumerate(SEEDS):
        assert torch.equal(degrade(kind, given[number : number + 1], [seed])[0], sources[number])
    flat = given.contiguous(memory_format=torch.channels_last)
    assert torch.equal(degrade(kind, flat, SEEDS), sources)


@pytest.mark.parametrize("kind", ["noise", "blur", "mask"])
def test_another_seed_is_another_source(kind):
    given = images()
    assert not torch.equal(degrade(kind, given, [1, 2, 4]), degrade(kind, given, [5, 6, 7]))


@pytest.mark.parametrize("kind", DEGRADATIONS)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (5, 3)])
def test_the_smallest_images_are_no_exception(kind, size):
    given = images(3, *size)
    if kind == "downsample":
        with pytest.raises(InputError, match="too small: 4 or more"):
            degrade(kind, given, SEEDS)
    else:
        assert degrade(kind, given, SEEDS).shape[2:] == size


def test_grey_is_that_of_pillow():
    given = images()
    expected = [np.array(Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L")) for image in given]
    np.testing.assert_array_equal(degrade("grey", given, SEEDS)[:, 0], np.stack(expected))


def test_a_mosaic_is_the_mean_of_each_square():
    given = images(1, 9, 6)
    expected = given[:, :, :8, :6].float().unflatten(3, (3, 2)).unflatten(2, (4, 2)).mean(dim=(3, 5))
    sources = degrade("downsample", given, SEEDS, {"scale": 2})
    assert sources.shape == (3, 1, 4, 3)
    assert (sources - expected).abs().max() <= 0.5


def test_noise_is_blind_up_to_its_deviation():
    flat = torch.full((200, 1, 32, 32), 128, dtype=torch.uint8)
    deviations = degrade("noise", flat, range(200)).float().flatten(1).std(dim=1)
    assert deviations.min() < 5
    assert 45 < deviations.max() < 56
    assert deviations.mean() == pytest.approx(27.5, abs=3)
    fixed = degrade("noise", flat, range(200), {"low": 25, "high": 25}).float()
    assert fixed.std().item() == pytest.approx(25, rel=0.02)
    assert fixed.mean().item() == pytest.approx(128, abs=0.3)


def test_blurred_together_is_blurred_apart():
    """As a GPU does it, and as a processor does, to the bit."""
    given = torch.randint(256, (5, 3, 20, 24)).float()
    deviations = [0.1, 2.5, 0.5, 16.0, 1.0]
    apart = [degradations._gaussian(image, [deviation]) for image, deviation in zip(given.split(1), deviations)]
    assert degradations._gaussian(given, deviations).equal(torch.cat(apart))


def test_blur_keeps_brightness_and_takes_detail():
    given = scene()
    blurred = degrade("blur", given, [0], {"low": 3, "high": 3})
    assert blurred.float().mean().item() == pytest.approx(given.float().mean().item(), abs=0.5)
    steepest = [(image[..., 1:].float() - image[..., :-1].float()).abs().max() for image in (given, blurred)]
    assert steepest[1] < 0.4 * steepest[0]


def test_a_mask_is_a_hole_in_the_middle_or_strokes_and_what_is_outside_stays():
    given = images(3, 64, 64)
    centre = degrade("mask", given, SEEDS, {"strokes": 0})
    hole = torch.zeros(64, 64, dtype=torch.uint8)
    hole[16:48, 16:48] = 255
    assert torch.equal(centre[:, 3], hole.expand(3, -1, -1))
    many = degrade("mask", given[:1].expand(40, -1, -1, -1), range(40), {"strokes": 1})
    shares = many[:, 3].gt(0).float().mean(dim=(1, 2))
    assert many[:, 3].unique().tolist() == [0, 255]
    assert shares.min() > 0.01
    assert shares.max() < 0.6
    assert not torch.equal(many[0, 3], many[1, 3])
    for source, image in zip(many, given[:1].expand(40, -1, -1, -1)):
        inside = source[3] == 255
        assert (source[:3, inside] == GREY).all()
        assert torch.equal(source[:3, ~inside], image[:, ~inside])
    x = from_source(many, mask=True)
    assert x[:, 3].unique().tolist() == [0, 1]
    assert x[:, :3].min() == -1


# The last two have one brightness, or nearly: only their colours differ.
@pytest.mark.parametrize(
    ("background", "colour"),
    [("white", "#d03020"), ("#202020", "white"), ("#d04040", "#307030"), ("#6060d0", "#907020")],
)
def test_a_sketch_is_a_thin_closed_outline_in_black_on_white(background, colour):
    sketch = degrade("sketch", scene(64, background, colour), [0])[0, 0]
    y, x = np.mgrid[:64, :64] + 0.5
    distance = np.hypot(x - 32, y - 32) - 16
    ink = sketch.numpy() < 128
    assert sketch.max() == 255
    assert sketch.min() < 40
    assert np.abs(distance[ink]).max() < 2, "there is ink at the outline alone"
    angles = np.degrees(np.arctan2(y - 32, x - 32))[ink].astype(int) // 10
    assert len(set(angles)) == 36, "and all around it"
    assert ink.sum() / (2 * np.pi * 16) < 2.5, "thin"


def test_a_plain_image_has_no_outlines_and_detail_brings_more():
    plain = torch.full((1, 3, 16, 16), 77, dtype=torch.uint8)
    assert (degrade("sketch", plain, [0]) == 255).all()
    y, x = np.mgrid[:64, :64]
    waves = 128 + 40 * np.sin(x / 4) * y / 64
    given = torch.from_numpy(np.stack([waves] * 3)[None].astype(np.uint8))
    ink = [(degrade("sketch", given, [0], {"detail": detail}) < 128).sum().item() for detail in (0, 0.5, 1)]
    assert ink[0] <= ink[1] < ink[2]
    grey = degrade("sketch", given[:, :1], [0], {"detail": 1})
    assert torch.equal(grey, degrade("sketch", given, [0], {"detail": 1})), "three equal channels are grey"


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("rain", {}, "unknown degradation 'rain': one of sketch"),
        ("grey", {"scale": 2}, "grey has no option 'scale'"),
        ("downsample", {"scale": 1}, "downsample: scale is 1: a number from 2 to 8"),
        ("downsample", {"scale": 2.5}, "scale is 2.5"),
        ("noise", {"high": 1e9}, "0 to 255"),
        ("noise", {"high": float("nan")}, "0 to 255"),
        ("blur", {"low": 0}, "0.1 to 16"),
        ("sketch", {"detail": "much"}, "detail is 'much'"),
        ("mask", {"strokes": True}, "strokes is True"),
    ],
)
def test_what_is_not_legal_is_refused(kind, options, words):
    with pytest.raises(InputError, match=words):
        check(kind, options)


def test_options_that_are_not_given_have_their_defaults():
    assert check("noise", {"low": 10}) == {"low": 10, "high": 55.0}
    assert check("downsample") == {"scale": 4}
