"""BEGAN, the variational autoencoder and the first GAN: equations by hand, and what each update moves."""

from __future__ import annotations

import dataclasses
import math
from itertools import islice

import numpy as np
import pytest
import torch
from helpers.tiny import changed, copy_of, recipe, settings
from PIL import Image
from torch import nn

import pretrained
from pretrained import checkpoint, networks, pipelines
from pretrained.checkpoint import Config
from pretrained.media.images import from_uint8
from pretrained.system.errors import InputError
from trainer import data
from trainer.loop.train import Trainer, train
from trainer.methods.vae import RECONSTRUCTIONS, kl_divergence

pytestmark = pytest.mark.usefixtures("repeatable")
CPU = torch.device("cpu")
NETWORKS = [
    ("mlp.Generator", {"size": 16, "channels": 3, "width": 20}),
    ("mlp.Generator", {"size": 32, "channels": 1, "width": 20, "num_classes": 3}),
    ("began.Generator", {"size": 16, "channels": 1, "width": 4}),
    ("began.Generator", {"size": 64, "channels": 3, "width": 4}),
    ("vae.VAE", {"size": 16, "channels": 3, "width": 4}),
    ("vae.VAE", {"size": 64, "channels": 1, "width": 4}),
    ("icgan.IcGAN", {"size": 16, "channels": 3, "width": 4, "num_classes": 3, "encoder_width": 4}),
]


@pytest.fixture(params=["gan-mnist", "began-64", "vae-mnist", "vae-64", "icgan-mnist"])
def tiny(request):
    if request.param != "icgan-mnist":
        return recipe(request.param)
    return recipe(request.param, generator=request.getfixturevalue("conditional"))


@pytest.mark.parametrize(("name", "spec"), NETWORKS)
def test_images_have_the_shape_of_the_spec(name, spec):
    network = networks.build({"class": name, "z_dim": 8, **spec}).eval()
    y = torch.tensor([0, 1, 2, 0, 1]) if "num_classes" in spec else None
    images = network(torch.randn(5, 8), y)
    assert images.shape == (5, spec["channels"], spec["size"], spec["size"])
    if not name.startswith("began"):
        assert images.abs().max() <= 1
    if y is not None:
        assert not torch.equal(network(torch.ones(1, 8), y[:1]), network(torch.ones(1, 8), y[1:2]))


def test_a_maxout_unit_is_the_largest_of_its_pieces():
    unit = networks.mlp.Maxout(1, 2)
    slopes = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    unit.pieces.weight.data, unit.pieces.bias.data = slopes[:, None], torch.zeros(10)
    torch.testing.assert_close(unit(torch.tensor([[3.0], [-3.0]])), torch.tensor([[6.0, 3.0], [6.0, -3.0]]))


@pytest.mark.parametrize(
    ("name", "size", "kind"),
    [
        *[(f"began.{name}", size, "a power of two ") for name in ("Generator", "Discriminator") for size in (12, 48)],
        ("vae.VAE", 12, "a multiple of 2 "),
        ("vae.VAE", 50, "a multiple of 8 "),
    ],
)
def test_sizes_that_cannot_be_built_are_refused(name, size, kind):
    with pytest.raises(InputError, match=f"`size` must be {kind}>= 16, got {size}"):
        networks.build({"class": name, "size": size})


def test_the_autoencoder_of_began_restores_the_shape():
    network = networks.build({"class": "began.Discriminator", "size": 32, "channels": 3, "z_dim": 6, "width": 4})
    code = network.encoder(torch.randn(2, 3, 32, 32))
    assert code.shape == (2, 6)
    assert network.decoder(code).shape == (2, 3, 32, 32)


def test_each_update_moves_its_own_network_alone(tiny):
    trainer = Trainer(tiny, settings())
    trainer.schedule()
    updates = trainer.method.updates(trainer.batches)
    moved = set()
    for network, losses in updates:
        assert all(torch.isfinite(loss) for loss in losses.values())
        before = {name: copy_of(other) for name, other in trainer.networks.items()}
        trainer.optimizers[network].zero_grad(set_to_none=True)
        sum(losses.values()).backward(inputs=[weight for weight in network.parameters() if weight.requires_grad])
        trainer.optimizers[network].step()
        for name, other in trainer.networks.items():
            assert bool(changed(other, before[name])) == (other is network), name
        moved.add(network)
    assert moved == set(trainer.networks.values())


def test_a_checkpoint_gives_the_average_to_the_bit(tiny, tmp_path):
    trainer = Trainer(tiny, settings())
    for _ in range(3):
        terms = trainer.step()
    assert all(math.isfinite(float(value)) for value in terms.values())
    config = Config(name=tiny.name, **trainer.method.checkpoint())
    checkpoint.save(tmp_path, trainer.average.network, config)
    pipeline = pretrained.load(str(tmp_path), "cpu")
    for name, tensor in trainer.average.network.state_dict().items():
        assert torch.equal(pipeline.network.state_dict()[name], tensor), name
    direct = pipelines.make(trainer.average.network, config, CPU)
    np.testing.assert_array_equal(pipeline.sample(range(4)), direct.sample(range(4)))


@pytest.mark.parametrize("name", ["gan-mnist", "began-64", "vae-mnist"])
def test_a_run_leaves_a_checkpoint_that_samples(name, tmp_path):
    train(recipe(name), settings(), tmp_path / "run", "python -m trainer")
    pipeline = pretrained.load(str(tmp_path / "run"), "cpu")
    assert pipeline.sample([0, 1]).shape == (2, 16, 16, 1)
    assert isinstance(pipeline, pipelines.Autoencode) == (name == "vae-mnist")


def test_the_first_gan_learns_where_the_light_is():
    """Blobs lie anywhere: their mean image is far darker than an untrained G's grey."""
    small = recipe("gan-mnist")
    trainer = Trainer(dataclasses.replace(small, learning_rate=2e-3, batch_size=64), settings())
    x = from_uint8(trainer.data.images)

    def distance() -> float:
        with torch.no_grad():
            return float((trainer.method.G(torch.randn(256, 8)).mean(0) - x.mean(0)).abs().mean())

    before = distance()
    for _ in range(60):
        trainer.step()
    assert distance() < before / 2


class Reproduce(nn.Module):
    """Stands for an autoencoder whose error is a number chosen by hand."""

    def __init__(self, error: float):
        super().__init__()
        self.error = nn.Parameter(torch.tensor(error))

    def forward(self, x):
        return x + self.error


@pytest.mark.parametrize(
    ("k", "error", "expected"),
    [
        (0.5, 0.2, 0.5 + 0.1 * (0.5 * 0.2 - 0.2)),
        (0.0, 0.2, 0.0),  # 0.1 * (0.1 - 0.2) is below 0
        (0.5, -0.4, 0.5 + 0.1 * (0.5 * 0.4 - 0.4)),
    ],
)
def test_k_follows_its_equation(k, error, expected):
    """Real and fake errors are both |error| here, so the balance is (gamma - 1) |error|."""
    trainer = Trainer(recipe("began-64", lambda_k=0.1, gamma=0.5), settings())
    method = trainer.method
    method.D = Reproduce(error)
    method.k.fill_(k)
    (_, of_d), (_, of_g) = method.updates(trainer.batches)
    torch.testing.assert_close(of_d["real"].item(), abs(error))
    torch.testing.assert_close(of_d["fake"].item(), -k * abs(error))
    torch.testing.assert_close(of_g["G"].item(), abs(error))
    torch.testing.assert_close(method.k.item(), expected)
    torch.testing.assert_close(method.measures["M"].item(), abs(error) + abs(0.5 * abs(error) - abs(error)))


@pytest.mark.parametrize(("k", "gamma", "bound"), [(0.9, 5.0, 1.0), (0.1, 0.0, 0.0)])
def test_k_stays_between_0_and_1(k, gamma, bound):
    trainer = Trainer(recipe("began-64", lambda_k=100.0, gamma=gamma), settings())
    trainer.method.k.fill_(k)
    trainer.step()
    assert trainer.method.k.item() == bound
    assert trainer.state_dict()["method"]["k"].item() == bound


def test_noise_of_began_is_uniform_as_its_seeds_are():
    method = Trainer(recipe("began-64"), settings()).method
    z = method.noise(torch.zeros(4000, 1))
    assert -1 <= z.min() < -0.99
    assert 0.99 < z.max() <= 1
    assert abs(z.var().item() - 1 / 3) < 0.01
    assert method.checkpoint()["input"] == {"noise": "uniform"}


def test_divergence_by_hand():
    """0.5 (mean^2 + variance - 1 - log variance), summed over z, mean over images."""
    mean = torch.tensor([[0.0, 0.0], [1.0, -2.0]])
    log_variance = torch.tensor([[0.0, 0.0], [math.log(4.0), 0.0]])
    second = 0.5 * (1 + 4 - 1 - math.log(4)) + 0.5 * (4 + 1 - 1)
    torch.testing.assert_close(kl_divergence(mean, log_variance).item(), second / 2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Two images of two pixels; sigmoid(0) = 1/2 and sigmoid(log 3) = 3/4.
        ("bce", (-math.log(1 / 2) - math.log(1 / 4) - math.log(1 / 2) - math.log(3 / 4)) / 2),
        ("mse", 0.5 * ((0 - 1) ** 2 + (0.5 + 1) ** 2 + (0 + 1) ** 2 + (0.5 - 1) ** 2) / 2),
    ],
)
def test_reconstruction_is_summed_over_pixels(name, expected):
    logits = torch.tensor([0.0, math.log(3), 0.0, math.log(3)]).view(2, 1, 1, 2)
    x = torch.tensor([1.0, -1.0, -1.0, 1.0]).view(2, 1, 1, 2)
    torch.testing.assert_close(RECONSTRUCTIONS[name](logits, x).item(), expected)


def test_beta_weighs_the_divergence():
    terms = Trainer(recipe("vae-mnist", beta=3.0), settings()).step()
    torch.testing.assert_close(terms["prior"], 3 * terms["KL"])


@pytest.mark.parametrize("name", ["vae-mnist", "vae-64"])
def test_reconstructions_come_nearer_to_the_images(name, tmp_path):
    small = recipe(name)
    trainer = Trainer(dataclasses.replace(small, learning_rate=1e-2, ema_kimg=0.1), settings())
    images = [Image.fromarray(image[0].numpy()) for image in trainer.data.images[:8]]

    def error() -> float:
        config = Config(name=name, **trainer.method.checkpoint())
        checkpoint.save(tmp_path, trainer.average.network, config)
        pipeline = pretrained.load(str(tmp_path), "cpu")
        pairs = [(np.asarray(image, float), pipeline.reconstruct(image)[..., 0]) for image in images]
        return float(np.mean([np.abs(image - restored).mean() for image, restored in pairs]))

    before = error()
    for _ in range(60):
        trainer.step()
    assert error() < before / 2


def test_the_perceptron_takes_no_norm():
    with pytest.raises(InputError, match="norm must be one of none, got 'batch'"):
        Trainer(recipe("gan-mnist", norm="batch"), settings())


def test_classes_come_from_data():
    small = recipe("dcgan-mnist")
    trainer = Trainer(small, settings())
    assert trainer.method.checkpoint()["condition"] == {"classes": data.load("fake", 16, None).classes}
    labels = {int(label) for _, y in islice(trainer.batches, 2) for label in y}
    assert labels == {0, 1}
