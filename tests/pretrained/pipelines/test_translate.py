"""Translate: any picture in, a picture out, the same each time."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from helpers.translating import CPU, DNCNN, RESNET, ROWS, SRRESNET, make
from PIL import Image

from pretrained import checkpoint, pipelines
from pretrained.checkpoint import Config
from pretrained.media.images import open_image
from pretrained.pipelines.degradations import DEGRADATIONS
from pretrained.pipelines.translate import Translate
from pretrained.system.errors import InputError


def image(width: int = 60, height: int = 44, mode: str = "RGB") -> Image.Image:
    """Something smooth with an edge in it."""
    y, x = np.mgrid[:height, :width] / max(width, height)
    levels = np.stack([x, y, (x + y > 0.7) * 0.8], axis=-1)
    return Image.fromarray((levels * 255).round().astype(np.uint8)).convert(mode)


def extras(pipeline: Translate, size: tuple[int, int] = (60, 44)) -> dict[str, Image.Image]:
    """What it needs beside a picture."""
    mask = Image.new("L", size)
    mask.paste(255, (size[0] // 3, size[1] // 3, size[0] // 2 + 1, size[1] // 2 + 1))
    found = {"mask": mask, "second": image(30, 50)}
    return {name: found[name] for name in found if pipeline.config.input.get(name)}


@pytest.mark.parametrize("fit", ["crop", "stretch", "tile"])
@pytest.mark.parametrize("row", ROWS)
def test_any_image_gives_a_image_of_the_size_that_is_said(row, fit):
    pipeline = make(row)
    given, more = image(), extras(make(row))
    made, seen = pipeline.translate(given, fit=fit, **more), pipeline.source(given, fit=fit, mask=more.get("mask"))
    stretched = (48, 35) if row == "wide" else (44, 32)
    sizes = {"crop": pipeline.frame, "stretch": stretched, "tile": (60, 44)} if pipeline.size else {fit: (60, 44)}
    assert made.size == tuple(side * pipeline.scale for side in sizes[fit])
    assert seen.size == (pipeline.frame if pipeline.size and fit == "stretch" else sizes[fit])
    assert made.mode == ("L" if row == "sharpen" else "RGB")
    assert seen.mode == ("L" if row in ("sketch", "wide", "colour", "sharpen") else "RGB")
    assert np.asarray(made).std() > 0
    assert made.tobytes() == pipeline.translate(given, fit=fit, **more).tobytes()


@pytest.mark.parametrize("row", [row for row in ROWS if ROWS[row][1]["source"]["kind"] in DEGRADATIONS])
def test_a_degraded_image_is_the_source_of_itself(row):
    """What `source` shows is what `translate` reads; a mosaic and what is made of it are as large as the picture."""
    pipeline = make(row)
    given = image()
    seen, made = (run(given, degrade=True, seed=3) for run in (pipeline.source, pipeline.translate))
    if row != "fill":
        assert pipeline.translate(seen).tobytes() == made.tobytes()
    assert made.size == (pipeline.frame or (60, 44))
    assert seen.tobytes() == pipeline.source(given, degrade=True, seed=3).tobytes()
    if row in ("clean", "sharpen", "fill"):
        assert seen.tobytes() != pipeline.source(given, degrade=True, seed=4).tobytes()


@pytest.mark.parametrize("row", ROWS)
def test_a_checkpoint_gives_the_same_to_the_bit(row, tmp_path):
    pipeline = make(row)
    checkpoint.save(tmp_path, pipeline.network, pipeline.config)
    loaded = pipelines.make(*checkpoint.load(tmp_path / checkpoint.MODEL), CPU)
    assert loaded.config == pipeline.config
    assert loaded.config.size == pipeline.size
    made = [each.translate(image(), **extras(each)).tobytes() for each in (pipeline, loaded)]
    assert made[0] == made[1]


def test_only_the_hole_changes():
    pipeline = make("fill")
    given = image(32, 32)
    mask = extras(pipeline, given.size)["mask"]
    made, before, hole = np.asarray(pipeline.translate(given, mask)), np.asarray(given), np.asarray(mask) > 0
    assert np.array_equal(made[~hole], before[~hole])
    assert not np.array_equal(made[hole], before[hole])
    assert (np.asarray(pipeline.source(given, mask))[hole] == 128).all()
    hidden = before.copy()
    hidden[hole] = 200
    assert pipeline.translate(Image.fromarray(hidden), mask).tobytes() == made.tobytes(), (
        "what is in the hole is not seen"
    )
    coarse = mask.resize((16, 16), Image.Resampling.NEAREST)
    assert pipeline.translate(given, coarse).size == (32, 32), "a mask of another size is fitted"


def test_strength_goes_all_the_way_by_default():
    pipeline = make("style")
    torch.nn.init.normal_(pipeline.network.layers[0].norm.slope)
    made = {strength: pipeline.translate(image(), strength=strength).tobytes() for strength in (0.0, 0.5, 1.0)}
    assert len(set(made.values())) == 3
    assert pipeline.translate(image()).tobytes() == made[1.0]


def test_the_second_image_is_seen():
    pipeline = make("pose")
    made = [pipeline.translate(image(), second=second) for second in (image(30, 50), image(50, 30, "L"))]
    assert made[0].tobytes() != made[1].tobytes()


class Identity(torch.nn.Module):
    """A network that changes nothing, and remembers how large its sources were."""

    def __init__(self, scale: int = 1, multiple: int | None = 4):
        super().__init__()
        self.scale, self.multiple, self.seen = scale, multiple, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(tuple(x.shape[2:]))
        return x.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)


def identity(size: int | None = None, scale: int = 1) -> Translate:
    spec = SRRESNET if scale > 1 else DNCNN if size is None else RESNET | {"size": size}
    given = {"source": {"kind": "picture"}, "size": size, "scale": scale}
    return Translate(Identity(scale, None if size and scale == 1 else 4), Config("same", "translate", spec, given), CPU)


@pytest.mark.parametrize("size", [32, None])
@pytest.mark.parametrize("scale", [1, 4])
def test_tiles_leave_no_seams(size, scale):
    pipeline = identity(size, scale)
    given = image(700, 300) if size is None else image(150, 70)
    made = pipeline.translate(given, fit="tile")
    expected = given.resize([side * scale for side in given.size], Image.Resampling.NEAREST)
    assert len(pipeline.network.seen) > 1
    assert set(pipeline.network.seen) == {(size or 256,) * 2}
    assert made.tobytes() == expected.tobytes()


def test_tiles_of_a_network_that_is_not_the_same_everywhere_are_blended():
    """Each tile gets a brightness of its own: across the seam it changes little by little."""
    pipeline = identity(32)
    levels = iter(torch.linspace(-0.8, 0.8, 8))
    pipeline.network.forward = lambda x: torch.full_like(x, next(levels).item())
    row = np.asarray(pipeline.translate(Image.new("RGB", (128, 32)), fit="tile"))[16, :, 0].astype(int)
    assert row[0] < 30
    assert row[-1] > 100
    assert np.diff(row).min() >= 0
    assert np.diff(row).max() <= 8


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 50), (50, 3), (33, 17)])
def test_sides_are_mirrored_to_what_the_network_needs_and_cut_off_again(width, height):
    pipeline = identity()
    given = image(width, height)
    assert pipeline.translate(given).tobytes() == given.tobytes()
    assert pipeline.network.seen == [tuple(max(8, -(-side // 4) * 4) for side in (height, width))]
    assert make("style").translate(given).size == (width, height)
    assert make("sketch").translate(given, degrade=True).size == (32, 32)


@pytest.mark.parametrize(
    ("size", "scale", "fit", "given", "seen", "made"),
    [
        (None, 1, "crop", (4000, 1000), (1536, 384), (1536, 384)),
        (None, 1, "crop", (1000, 10_000), (154, 1536), (154, 1536)),
        (None, 1, "crop", (9000, 1), (1536, 1), (1536, 1)),
        (None, 1, "tile", (5000, 50), (4096, 41), (4096, 41)),
        (None, 4, "crop", (384, 100), (384, 100), (1536, 400)),
        (None, 4, "tile", (1024, 10), (1024, 10), (4096, 40)),
        (32, 1, "crop", (5000, 20), (32, 32), (32, 32)),
        (32, 1, "stretch", (9000, 30), (32, 32), (1536, 32)),
        (32, 1, "tile", (9000, 20), (4096, 32), (4096, 32)),
        (32, 1, "tile", (10, 15), (32, 48), (32, 48)),
    ],
)
def test_sizes_are_bounded(size, scale, fit, given, seen, made):
    pipeline = identity(size, scale)
    assert pipeline.source(Image.new("RGB", given), fit=fit).size == seen
    assert pipeline.translate(Image.new("RGB", given), fit=fit).size == made


def encode(given: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    given.save(buffer, kind, **options)
    return buffer.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(image(), "JPEG", exif=exif, quality=95)


FILES = {
    "turned": (turned, (44, 60)),
    "cmyk": (lambda: encode(image(mode="CMYK"), "JPEG"), (60, 44)),
    "16 bits": (lambda: encode(Image.fromarray(np.asarray(image(mode="L"), np.uint16) * 257)), (60, 44)),
    "palette": (lambda: encode(image().quantize(8), transparency=0), (60, 44)),
    "moving": (lambda: encode(image(), "GIF", save_all=True, append_images=[image(mode="L")]), (60, 44)),
    "dot": (lambda: encode(image(1, 1)), (1, 1)),
}


@pytest.mark.parametrize("name", FILES)
def test_any_file_is_a_image(name):
    write, size = FILES[name]
    opened = open_image(io.BytesIO(write()))
    made = identity().translate(opened)
    assert made.size == size
    assert made.tobytes() == opened.tobytes()
    if min(size) > 1 and name != "turned":
        assert np.abs(np.asarray(made.convert("L"), int) - np.asarray(image(mode="L"), int)).mean() < 40
    assert make("sketch").translate(opened, degrade=True).size == (32, 32)


def test_a_image_that_was_not_opened_by_us_is_turned_and_flattened_too():
    pipeline = identity()
    assert pipeline.translate(Image.open(io.BytesIO(turned()))).size == (44, 60)
    clear = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    assert pipeline.translate(clear).getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("row", "how", "words"),
    [
        ("square", {"strength": 0.5}, "square has no `strength`"),
        ("style", {"strength": 2.0}, "0 to 1"),
        ("style", {"strength": float("nan")}, "0 to 1"),
        ("square", {"degrade": True}, "leave `degrade` out"),
        ("square", {"mask": Image.new("L", (9, 9))}, "fills no holes"),
        ("square", {"second": image()}, "takes one image"),
        ("pose", {}, "give `second` too"),
        ("fill", {}, "either `mask`"),
        ("fill", {"mask": Image.new("L", (9, 9)), "degrade": True}, "either `mask`"),
        ("square", {"fit": "squeeze"}, "crop, tile, stretch"),
    ],
)
def test_what_a_network_cannot_do_is_a_sentence(row, how, words):
    with pytest.raises(InputError, match=words):
        make(row).translate(image(), **how)


@pytest.mark.parametrize(
    ("fit", "words"), [("crop", "at most 384 px, or 1024 with `fit` tile"), ("tile", "at most 1024")]
)
def test_what_is_too_large_to_be_made_larger_is_a_sentence(fit, words):
    with pytest.raises(InputError, match=words):
        make("enlarge").translate(Image.new("RGB", (1500, 10)), fit=fit)
    assert make("enlarge").source(Image.new("RGB", (3000, 40)), degrade=True).size == (384, 5)
