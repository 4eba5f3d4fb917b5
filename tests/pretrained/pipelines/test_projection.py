"""Projection: a generator's own picture is found again, the same way each time, and a stop leaves nothing behind."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from helpers.small import noise_image, save_able
from helpers.written import complaint, read_png
from PIL import Image

import pretrained
from pretrained.__main__ import main
from pretrained.media.images import to_pil
from pretrained.pipelines import directions, projection
from pretrained.pipelines.projection import encoded, project
from pretrained.system.errors import InputError

SEED = 1003  # none of the candidates


def load(name: str) -> pretrained.pipelines.Generate:
    return pretrained.load(name, "cpu")


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b).mean())


@pytest.mark.usefixtures("repeatable")
@pytest.mark.parametrize(
    ("name", "num_steps", "near"),
    [("dcgan-mnist", 60, 4), ("stylegan-fashion", 60, 8), ("icgan-mnist", 40, 4)],
)
def test_a_image_of_the_generator_is_found_again(name, num_steps, near):
    pipeline = load(name)
    own = pipeline.sample([SEED])[0]
    steps = list(project(pipeline, to_pil(own), num_steps=num_steps))
    assert [step.number for step in steps] == list(range(num_steps + 1))
    assert all(later.loss <= step.loss for step, later in zip(steps, steps[1:]))
    assert difference(steps[-1].image, own) < min(near, 0.7 * difference(steps[0].image, own))
    for step in (steps[0], steps[-1]):
        drawn = pipeline.draw([step.point], [step.condition])[0]
        assert np.abs(drawn.astype(int) - step.image).max() <= 1
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in pipeline.network.parameters())


@pytest.mark.usefixtures("repeatable")
def test_the_same_steps_each_time_even_after_a_stop():
    pipeline, image = load("icgan-mnist"), noise_image(0)
    started = project(pipeline, image, num_steps=12)
    for _ in range(4):
        next(started)
    assert torch.is_grad_enabled()
    started.close()
    before = pipeline.sample([3])
    first, second = (list(project(pipeline, image, num_steps=12)) for _ in range(2))
    for one, other in zip(first, second):
        assert one.loss == other.loss
        assert np.array_equal(one.point, other.point)
        assert np.array_equal(one.image, other.image)
    assert np.array_equal(pipeline.sample([3]), before)


@pytest.mark.usefixtures("repeatable")
def test_a_label_is_kept_or_all_are_tried():
    pipeline = load("dcgan-mnist")
    nine = to_pil(pipeline.sample([SEED], label=9)[0])
    assert [step.condition for step in project(pipeline, nine, label=2, num_steps=4)] == [2] * 5
    *_, last = project(pipeline, nine, num_steps=20)
    assert last.condition == 9
    for given, words in (({"label": 10}, "`label` must be 0 to 9, got 10"), ({"text": "a"}, "takes no `text`")):
        with pytest.raises(InputError, match=words):
            next(project(pipeline, nine, **given))
    with pytest.raises(InputError, match="`num_steps` must be >= 0, got -1"):
        next(project(pipeline, nine, num_steps=-1))


def test_starts_are_the_best_of_each_class_and_then_the_best(monkeypatch):
    losses, classes = [5.0, 1.0, 2.0, 9.0, 3.0], [0, 0, 0, 1, 2]
    assert projection._starts(losses, classes) == [1, 4, 3, 2, 0]
    monkeypatch.setattr(projection, "NUM_STARTS", 2)
    assert projection._starts(losses, classes) == [1, 4, 3]
    assert projection._starts(losses, [[1, 2]] * 5) == [1, 2]


@pytest.mark.usefixtures("repeatable")
@pytest.mark.parametrize("text", [None, "blue"])
def test_a_network_that_reads_is_told_a_text_or_its_examples(tmp_path, text):
    pipeline = load(str(save_able(tmp_path / "reader", "text")))
    own = pipeline.sample([SEED], text=text or "a red cat")[0]
    first, *_, last = project(pipeline, to_pil(own), text=text, num_steps=16)
    assert last.loss < 0.8 * first.loss
    told = pipeline.conditions(range(2), text=text)
    assert last.condition in told


@pytest.mark.usefixtures("repeatable")
def test_the_encoder_answers_alone():
    image = Image.radial_gradient("L")
    pipeline = load("icgan-mnist")
    step = encoded(pipeline, image)
    assert math.isnan(step.loss)
    assert step.condition == pipeline.classify(image)
    assert np.array_equal(step.image, pipeline.reconstruct(image))
    assert encoded(pipeline, image, 4).condition == 4
    with pytest.raises(InputError, match="has no encoder"):
        encoded(load("dcgan-mnist"), image)


@pytest.mark.usefixtures("repeatable")
def test_the_command_redraws_and_moves(tmp_path, capsys):
    photo, out = tmp_path / "in.png", tmp_path / "out.png"
    noise_image(3).save(photo)
    command = ["project", "icgan-mnist", "--input", str(photo), "--steps", "6", "--out", str(out)]
    main([*command, "--scale", "2"])
    pipeline = load("icgan-mnist")
    *_, last = project(pipeline, noise_image(3), num_steps=6)
    drawn, recipe = read_png(out)
    assert np.array_equal(drawn[::2, ::2], pipeline.draw([last.point], [last.condition])[0, ..., 0])
    assert np.array_equal(np.float32(recipe["point"]), last.point)
    main([*command, "--move", "sefa-1=2", "axis-2=-1"])
    moved, recipe = read_png(out)
    offset = directions.move(pipeline, {"sefa-1": 2, "axis-2": -1})
    assert np.array_equal(moved, pipeline.draw([last.point + offset], [last.condition])[0, ..., 0])
    assert recipe["moves"] == {"sefa-1": 2.0, "axis-2": -1.0}
    main([*command, "--encoder-only"])
    assert np.array_equal(read_png(out)[0], pipeline.reconstruct(noise_image(3))[..., 0])
    capsys.readouterr()
    assert "has no encoder" in complaint(capsys, *["project", "dcgan-mnist"], *command[2:], "--encoder-only")
