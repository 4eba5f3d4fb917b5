"""IcGAN: two encoders learn to read what a conditional generator draws."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from helpers.small import noise_image
from helpers.tiny import changed, copy_of, recipe, settings

import pretrained
from pretrained.system.errors import InputError
from trainer.loop.train import Trainer, train

pytestmark = pytest.mark.usefixtures("repeatable")


def test_the_encoders_of_icgan_learn_and_its_generator_stays(conditional):
    small = recipe("icgan-mnist", generator=conditional)
    trainer = Trainer(dataclasses.replace(small, learning_rate=3e-3), settings())
    before = copy_of(trainer.method.icgan.G)
    terms = [trainer.step() for _ in range(40)]
    assert not changed(trainer.method.icgan.G, before)
    assert not changed(trainer.average.network.G, before)
    given = pretrained.load(conditional, "cpu").network
    assert not changed(given, before)
    for name in ("z", "y"):
        first, last = (float(torch.stack([term[name] for term in part]).mean()) for part in (terms[:5], terms[-5:]))
        assert last < 0.9 * first, name


def test_each_loss_of_icgan_moves_its_own_encoder(conditional):
    trainer = Trainer(recipe("icgan-mnist", generator=conditional), settings())
    encoders = {"z": trainer.method.icgan.E_z, "y": trainer.method.icgan.E_y}
    ((_, losses),) = trainer.method.updates(trainer.batches)
    for name, loss in losses.items():
        for other, encoder in encoders.items():
            gradients = torch.autograd.grad(loss, list(encoder.parameters()), retain_graph=True, allow_unused=True)
            assert all((gradient is not None) == (name == other) for gradient in gradients)


def test_icgan_edits_the_class_and_keeps_z(conditional, tmp_path):
    train(recipe("icgan-mnist", generator=conditional), settings(), tmp_path / "run", "python -m trainer")
    pipeline = pretrained.load(str(tmp_path / "run"), "cpu")
    image = noise_image(3)
    z, label = pipeline.encode(image), pipeline.classify(image)
    assert pipeline.config.classes == ["narrow", "wide"]
    np.testing.assert_array_equal(pipeline.edit(image, label), pipeline.reconstruct(image))
    np.testing.assert_array_equal(pipeline.edit(image, 1 - label), pipeline.decode([z], 1 - label)[0])
    of_generator = pretrained.load(conditional, "cpu")
    np.testing.assert_array_equal(pipeline.sample(range(4)), of_generator.sample(range(4)))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"size": 32}, "has size 16, but `data` has 32"),
        ({"channels": 3}, "has channels 1, but `data` has 3"),
    ],
)
def test_icgan_refuses_a_generator_that_does_not_fit(conditional, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        Trainer(dataclasses.replace(recipe("icgan-mnist", generator=conditional), **changes), settings())


def test_icgan_needs_a_conditional_dcgan(tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        Trainer(recipe("icgan-mnist", generator=str(tmp_path / "nothing")), settings())
    train(recipe("gan-mnist"), settings(), tmp_path / "gan", "python -m trainer")
    with pytest.raises(InputError, match="recipe dcgan-mnist"):
        Trainer(recipe("icgan-mnist", generator=str(tmp_path / "gan")), settings())
