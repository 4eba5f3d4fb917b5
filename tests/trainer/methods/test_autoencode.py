"""The pipeline of a checkpoint that carries its encoder: images in, images out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.small import noise_image

from pretrained import networks, pipelines
from pretrained.checkpoint import Config
from pretrained.media.images import to_uint8
from pretrained.system.errors import InputError

pytestmark = pytest.mark.usefixtures("repeatable")
CPU = torch.device("cpu")


@pytest.fixture
def autoencode():
    spec = {"class": "vae.VAE", "size": 16, "channels": 3, "z_dim": 8, "width": 4}
    network = networks.build(spec)
    with torch.no_grad():  # an untrained network draws grey; this one draws something
        network.decoder[-1].weight.mul_(20)
        for _ in range(30):
            network(torch.randn(32, 8))
            network.encode(torch.randn(32, 3, 16, 16))
    return pipelines.make(network.eval(), Config("tiny", "generate", spec, {"noise": "normal", "encode": True}), CPU)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_any_image_can_be_encoded(autoencode, mode):
    z = autoencode.encode(noise_image(1, mode=mode))
    assert z.shape == (8,)
    assert np.isfinite(z).all()


def test_decode_is_what_the_network_draws(autoencode):
    z = np.random.RandomState(0).randn(3, 8)
    with torch.inference_mode():
        expected = to_uint8(autoencode.network.decode(torch.from_numpy(z).float()))
    assert np.abs(autoencode.decode(list(z)).astype(int) - expected).max() <= 1
    image = noise_image(2)
    np.testing.assert_array_equal(autoencode.reconstruct(image), autoencode.decode([autoencode.encode(image)])[0])


def test_an_interpolation_goes_from_one_reconstruction_to_the_other(autoencode):
    first, last = noise_image(1), noise_image(2)
    frames = list(autoencode.interpolate(first, last, 20))
    assert len(frames) == 20
    np.testing.assert_array_equal(frames[0], autoencode.reconstruct(first))
    np.testing.assert_array_equal(frames[-1], autoencode.reconstruct(last))
    assert not np.array_equal(frames[0], frames[-1])
    (only,) = autoencode.interpolate(first, first, 1)
    np.testing.assert_array_equal(only, frames[0])


def test_what_a_checkpoint_cannot_do_is_said(autoencode):
    with pytest.raises(InputError, match="has no classes"):
        autoencode.classify(noise_image(1))
    with pytest.raises(InputError, match="one frame at least"):
        next(autoencode.interpolate(noise_image(1), noise_image(2), 0))
    with pytest.raises(InputError, match="has no classes"):
        autoencode.edit(noise_image(1), 3)
    spec = {"class": "began.Generator", "size": 16, "channels": 1, "z_dim": 8, "width": 4}
    claims = Config("tiny", "generate", spec, {"noise": "uniform", "encode": True})
    with pytest.raises(InputError, match=r"began\.Generator here does not know how"):
        pipelines.make(networks.build(spec), claims, CPU)
