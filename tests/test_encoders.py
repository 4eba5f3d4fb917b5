"""BEGAN, the variational autoencoder, IcGAN and the first GAN: equations by hand, and what each update moves."""

from __future__ import annotations

import dataclasses
import math
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import pretrained
from pretrained import checkpoint, networks, pipelines
from pretrained.checkpoint import Config
from pretrained.errors import InputError
from pretrained.images import from_uint8, to_uint8
from trainer import data
from trainer.loop import Trainer, train
from trainer.methods import RECIPES
from trainer.methods.vae import RECONSTRUCTIONS, kl_divergence
from trainer.settings import Settings

CPU = torch.device("cpu")
SMALL = {
    "gan-mnist": {"width": 40, "z_dim": 8},
    "cdcgan-mnist": {"width": 4, "z_dim": 8},
    "began-64": {"width": 4, "z_dim": 8},
    "vae-mnist": {"width": 4, "z_dim": 8},
    "vae-64": {"width": 4, "z_dim": 8},
    "icgan-mnist": {"encoder_width": 4},
}
NETWORKS = [
    ("mlp.Generator", {"size": 16, "channels": 3, "width": 20}),
    ("mlp.Generator", {"size": 32, "channels": 1, "width": 20, "num_classes": 3}),
    ("began.Generator", {"size": 16, "channels": 1, "width": 4}),
    ("began.Generator", {"size": 64, "channels": 3, "width": 4}),
    ("vae.VAE", {"size": 16, "channels": 3, "width": 4}),
    ("vae.VAE", {"size": 64, "channels": 1, "width": 4}),
    ("icgan.IcGAN", {"size": 16, "channels": 3, "width": 4, "num_classes": 3, "encoder_width": 4}),
]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def recipe(name: str, kimg: float = 0.064, **options):
    """The recipe on 16 px fakes with a tiny network."""
    small = dataclasses.replace(RECIPES[name].options, **SMALL[name], **options)
    return dataclasses.replace(RECIPES[name], data="fake", size=16, batch_size=16, kimg=kimg, options=small)


def settings(**given) -> Settings:
    return Settings(device="cpu", threads=1, snapshots=1, **given)


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """The folder of a conditional generator, hardly trained."""
    folder = tmp_path_factory.mktemp("cdcgan")
    train(recipe("cdcgan-mnist"), settings(), folder, "python -m trainer")
    return str(folder)


@pytest.fixture(params=["gan-mnist", "began-64", "vae-mnist", "vae-64", "icgan-mnist"])
def tiny(request):
    if request.param != "icgan-mnist":
        return recipe(request.param)
    return recipe(request.param, generator=request.getfixturevalue("conditional"))


def changed(network: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


def copy_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize(("name", "spec"), NETWORKS)
def test_pictures_have_the_shape_of_the_spec(name, spec):
    network = networks.build({"class": name, "z_dim": 8, **spec}).eval()
    y = torch.tensor([0, 1, 2, 0, 1]) if "num_classes" in spec else None
    pictures = network(torch.randn(5, 8), y)
    assert pictures.shape == (5, spec["channels"], spec["size"], spec["size"])
    if not name.startswith("began"):
        assert pictures.abs().max() <= 1
    if y is not None:
        assert not torch.equal(network(torch.ones(1, 8), y[:1]), network(torch.ones(1, 8), y[1:2]))


def test_a_maxout_unit_is_the_largest_of_its_pieces():
    unit = networks.mlp.Maxout(1, 2)
    slopes = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    unit.pieces.weight.data, unit.pieces.bias.data = slopes[:, None], torch.zeros(10)
    torch.testing.assert_close(unit(torch.tensor([[3.0], [-3.0]])), torch.tensor([[6.0, 3.0], [6.0, -3.0]]))


@pytest.mark.parametrize("size", [12, 8, 48])
@pytest.mark.parametrize("name", ["began.Generator", "began.Discriminator", "vae.VAE"])
def test_sizes_that_cannot_be_built_are_refused(name, size):
    with pytest.raises(InputError, match=f"size is {size}: a power of two, 16 or more"):
        networks.build({"class": name, "size": size})


def test_the_autoencoder_of_began_restores_the_shape():
    network = networks.build({"class": "began.Discriminator", "size": 32, "channels": 3, "z_dim": 6, "width": 4})
    code = network.encoder(torch.randn(2, 3, 32, 32))
    assert code.shape == (2, 6)
    assert network.decoder(code).shape == (2, 3, 32, 32)


def test_each_update_moves_its_own_network_alone(tiny):
    trainer = Trainer(tiny, settings())
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
    """Blobs lie anywhere: their mean picture is far darker than an untrained G's grey."""
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
    """0.5 (mean^2 + variance - 1 - log variance), summed over z, mean over pictures."""
    mean = torch.tensor([[0.0, 0.0], [1.0, -2.0]])
    log_variance = torch.tensor([[0.0, 0.0], [math.log(4.0), 0.0]])
    second = 0.5 * (1 + 4 - 1 - math.log(4)) + 0.5 * (4 + 1 - 1)
    torch.testing.assert_close(kl_divergence(mean, log_variance).item(), second / 2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Two pictures of two pixels; sigmoid(0) = 1/2 and sigmoid(log 3) = 3/4.
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
def test_reconstructions_come_nearer_to_the_pictures(name, tmp_path):
    small = recipe(name)
    trainer = Trainer(dataclasses.replace(small, learning_rate=1e-2, ema_kimg=0.1), settings())
    pictures = [Image.fromarray(picture[0].numpy()) for picture in trainer.data.images[:8]]

    def error() -> float:
        config = Config(name=name, **trainer.method.checkpoint())
        checkpoint.save(tmp_path, trainer.average.network, config)
        pipeline = pretrained.load(str(tmp_path), "cpu")
        pairs = [(np.asarray(picture, float), pipeline.reconstruct(picture)[..., 0]) for picture in pictures]
        return float(np.mean([np.abs(picture - restored).mean() for picture, restored in pairs]))

    before = error()
    for _ in range(60):
        trainer.step()
    assert error() < before / 2


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


def noise_picture(seed: int, size: tuple[int, int] = (40, 24), mode: str = "RGB") -> Image.Image:
    levels = np.random.RandomState(seed).randint(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(levels).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_any_picture_can_be_encoded(autoencode, mode):
    z = autoencode.encode(noise_picture(1, mode=mode))
    assert z.shape == (8,)
    assert np.isfinite(z).all()


def test_decode_is_what_the_network_draws(autoencode):
    z = np.random.RandomState(0).randn(3, 8)
    with torch.inference_mode():
        expected = to_uint8(autoencode.network.decode(torch.from_numpy(z).float()))
    assert np.abs(autoencode.decode(list(z)).astype(int) - expected).max() <= 1
    picture = noise_picture(2)
    np.testing.assert_array_equal(autoencode.reconstruct(picture), autoencode.decode([autoencode.encode(picture)])[0])


def test_an_interpolation_goes_from_one_reconstruction_to_the_other(autoencode):
    first, last = noise_picture(1), noise_picture(2)
    frames = list(autoencode.interpolate(first, last, 20))
    assert len(frames) == 20
    np.testing.assert_array_equal(frames[0], autoencode.reconstruct(first))
    np.testing.assert_array_equal(frames[-1], autoencode.reconstruct(last))
    assert not np.array_equal(frames[0], frames[-1])
    (only,) = autoencode.interpolate(first, first, 1)
    np.testing.assert_array_equal(only, frames[0])


def test_what_a_checkpoint_cannot_do_is_said(autoencode):
    with pytest.raises(InputError, match="has no classes"):
        autoencode.classify(noise_picture(1))
    with pytest.raises(InputError, match="one frame at least"):
        next(autoencode.interpolate(noise_picture(1), noise_picture(2), 0))
    with pytest.raises(InputError, match="takes none"):
        autoencode.edit(noise_picture(1), 3)
    spec = {"class": "began.Generator", "size": 16, "channels": 1, "z_dim": 8, "width": 4}
    claims = Config("tiny", "generate", spec, {"noise": "uniform", "encode": True})
    with pytest.raises(InputError, match=r"began\.Generator here does not know how"):
        pipelines.make(networks.build(spec), claims, CPU)


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
    picture = noise_picture(3)
    z, label = pipeline.encode(picture), pipeline.classify(picture)
    assert pipeline.config.classes == ["narrow", "wide"]
    np.testing.assert_array_equal(pipeline.edit(picture, label), pipeline.reconstruct(picture))
    np.testing.assert_array_equal(pipeline.edit(picture, 1 - label), pipeline.decode([z], 1 - label)[0])
    of_generator = pretrained.load(conditional, "cpu")
    np.testing.assert_array_equal(pipeline.sample(range(4)), of_generator.sample(range(4)))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"size": 32}, "has size 16, but --data has 32"),
        ({"channels": 3}, "has channels 1, but --data has 3"),
    ],
)
def test_icgan_refuses_a_generator_that_does_not_fit(conditional, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        Trainer(dataclasses.replace(recipe("icgan-mnist", generator=conditional), **changes), settings())


def test_icgan_needs_a_conditional_dcgan(tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        Trainer(recipe("icgan-mnist", generator=str(tmp_path / "nothing")), settings())
    train(recipe("gan-mnist"), settings(), tmp_path / "gan", "python -m trainer")
    with pytest.raises(InputError, match="python -m trainer cdcgan-mnist"):
        Trainer(recipe("icgan-mnist", generator=str(tmp_path / "gan")), settings())


def test_the_perceptron_takes_no_norm():
    with pytest.raises(InputError, match="norm is 'batch'"):
        Trainer(recipe("gan-mnist", norm="batch"), settings())


def test_classes_come_from_data():
    small = recipe("cdcgan-mnist")
    trainer = Trainer(small, settings())
    assert trainer.method.checkpoint()["condition"] == {"classes": data.load("fake", 16, None).classes}
    labels = {int(label) for _, y in islice(trainer.batches, 2) for label in y}
    assert labels == {0, 1}
