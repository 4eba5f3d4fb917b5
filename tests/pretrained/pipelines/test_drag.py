"""Dragging points of a picture: they arrive, what is fixed stays, and bounds hold."""

from __future__ import annotations

import numpy as np
import pytest

import pretrained
from pretrained.pipelines.latent.drag import drag
from pretrained.system.errors import InputError


def begin(pipeline, seed: int = 0):
    return pipeline.to_latents([seed])[0], pipeline.conditions([seed])[0]


@pytest.mark.parametrize("name", ["stylegan-fashion", "dcgan-fashion", "icgan-mnist"])
def test_a_point_arrives_and_the_picture_follows(name):
    pipeline = pretrained.load(name, "cpu")
    point, condition = begin(pipeline)
    handle, target = (16.0, 10.0), (20.0, 10.0)
    steps = list(drag(pipeline, point, condition, [handle], [target], num_steps=100))
    assert np.abs(steps[0].image.astype(int) - pipeline.draw([point], [condition])[0]).max() <= 1
    assert steps[0].handles == (handle,)
    assert steps[-1].distance <= 2
    assert np.abs(steps[-1].image.astype(int) - steps[0].image).mean() > 1
    again = list(drag(pipeline, point, condition, [handle], [target], num_steps=100))
    assert np.array_equal(again[-1].image, steps[-1].image)


def test_what_the_mask_leaves_out_moves_less():
    pipeline = pretrained.load("dcgan-fashion", "cpu")
    point, condition = begin(pipeline)
    mask = np.zeros((32, 32), bool)
    mask[:16] = True
    changes = []
    for allowed in (None, mask):
        *_, last = drag(pipeline, point, condition, [(16.0, 8.0)], [(16.0, 4.0)], allowed, 30)
        first = pipeline.draw([point], [condition])[0].astype(int)
        changes.append(np.abs(last.image[18:] - first[18:]).mean())
    assert changes[1] < changes[0]


@pytest.mark.parametrize(
    ("handles", "targets", "num_steps", "words"),
    [
        ([], [], 10, "1 to 8 points and a target for each, got 0 and 0"),
        ([(1, 1)], [], 10, "got 1 and 0"),
        ([(1, 1)], [(32, 1)], 10, "must lie in the image, from 0 to 31"),
        ([(float("nan"), 1)], [(3, 1)], 10, "must lie in the image"),
        ([(1, 1)], [(2, 2)], 301, "1 to 300"),
    ],
)
def test_what_cannot_be_dragged_is_said(handles, targets, num_steps, words):
    pipeline = pretrained.load("dcgan-fashion", "cpu")
    with pytest.raises(InputError, match=words):
        next(drag(pipeline, *begin(pipeline), handles, targets, num_steps=num_steps))
