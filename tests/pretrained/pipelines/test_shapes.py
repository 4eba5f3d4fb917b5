"""Pipelines whose images are not square: sheets, latents of images, drags, words and translations."""

import io

import numpy as np
import pytest
import torch
from helpers import translating
from helpers.small import CLASSES
from PIL import Image

from pretrained import networks, pipelines
from pretrained.checkpoint import Config
from pretrained.pipelines import directions, image_grid, projection, write
from pretrained.pipelines.directions import Direction
from pretrained.pipelines.latent.drag import drag
from pretrained.system.errors import InputError

WIDE = {"size": "24x16", "channels": 3, "z_dim": 8, "width": 4}
ROWS = {
    "plain": ({"class": "dcgan.Generator", **WIDE}, {}),
    "letters": ({"class": "dcgan.Generator", **WIDE, "channels": 1, "num_classes": 2}, {}),
    "style": (
        {"class": "stylegan.Generator", **WIDE, "w_dim": 8, "mapping_layers": 2, "num_classes": 2},
        {"style": True},
    ),
    "encode": ({"class": "vae.VAE", **WIDE}, {"encode": True}),
}


def make(row, classes=CLASSES):
    torch.manual_seed(0)
    spec, said = ROWS[row]
    condition = {"classes": classes} if "num_classes" in spec else None
    config = Config(row, "generate", spec, {"noise": "normal", **said}, condition)
    return pipelines.make(networks.build(spec).eval(), config, torch.device("cpu"))


def size_of(png):
    with Image.open(io.BytesIO(png)) as image:
        return image.size


@pytest.mark.parametrize("row", ROWS)
def test_sheets(row):
    pipeline = make(row)
    assert size_of(image_grid.render(pipeline, row, range(6), columns=3, scale=2)) == (3 * 24 * 2, 2 * 16 * 2)
    known = {name: Direction(row, {name: 1.0}) for name, row in zip("ab", directions.find(pipeline, "axis"))}
    assert size_of(image_grid.sweep(pipeline, row, known, [-2, 0, 2], 0)) == (3 * 24, 2 * 16)
    with pytest.raises(InputError, match="24000x16000 px are too many"):
        image_grid.render(pipeline, row, [0], scale=1000)


def test_a_mixture_has_its_gaps_between_whole_images():
    pipeline = make("style")
    png = image_grid.mix(pipeline, "style", [0, 1], [2, 3, 4], 3)
    assert size_of(png) == (4 * 24 + 2, 3 * 16 + 2)
    with Image.open(io.BytesIO(png)) as sheet:
        levels = np.asarray(sheet)
    assert (levels[16:18] == 255).all()
    assert (levels[:, 24:26] == 255).all()
    assert np.array_equal(levels[:16, 26:50], pipeline.sample([2])[0])


@pytest.mark.parametrize("row", ["plain", "encode"])
def test_an_image_is_cut_to_the_shape_and_found_again(row):
    pipeline = make(row)
    own = Image.fromarray(pipeline.sample([3])[0]).resize((240, 160))
    steps = list(projection.project(pipeline, own, num_steps=4))
    assert steps[-1].image.shape == (16, 24, 3)
    assert steps[-1].loss <= steps[0].loss
    if row == "encode":
        assert pipeline.reconstruct(own).shape == (16, 24, 3)


def test_points_are_dragged_along_the_longer_side():
    pipeline = make("plain")
    point, condition = pipeline.to_latents([0])[0], pipeline.conditions([0])[0]
    steps = list(drag(pipeline, point, condition, [(20, 4)], [(22, 4)], num_steps=2))
    assert steps[-1].image.shape == (16, 24, 3)
    with pytest.raises(InputError, match="from 0 to 23 across and 15 down"):
        next(drag(pipeline, point, condition, [(4, 20)], [(4, 2)]))


def test_words_are_as_high_as_their_letters():
    drawn = write.write(make("letters", ["A", "B"]), "AB", scale=2)
    assert drawn.shape[0] == round(16 * (1 + 2 * write.MARGIN)) * 2


@pytest.mark.parametrize(
    ("fit", "size", "made"),
    [("crop", (90, 90), (48, 32)), ("stretch", (90, 90), (48, 48)), ("tile", (84, 32), (84, 32))],
)
def test_a_picture_is_fitted_to_the_shape(fit, size, made):
    pipeline = translating.make("wide")
    image = Image.radial_gradient("L").resize(size)
    assert pipeline.translate(image, fit=fit).size == made
    assert pipeline.passes(size, fit=fit) == (2 if fit == "tile" else 1)
