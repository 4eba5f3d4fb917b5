"""StyleGAN: modulation against the paper's definition, mixing, truncation towards the mean, one seed one image."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pretrained import checkpoint, networks, pipelines
from pretrained.checkpoint import Config
from pretrained.media.images import to_uint8
from pretrained.networks import stylegan
from pretrained.system.errors import InputError
from trainer import data
from trainer.loop import train as loop
from trainer.loop.settings import Settings
from trainer.methods.recipes import RECIPES
from trainer.methods.stylegan import StyleGAN

CPU = torch.device("cpu")
RECIPE = RECIPES["stylegan-mnist"]
OPTIONS = dataclasses.replace(RECIPE.options, width=4, z_dim=8, w_dim=8, mapping_layers=2)
SPEC = {"class": "stylegan.Generator", "size": 16, "channels": 3, "z_dim": 8, "w_dim": 8, "width": 4}


def make(num_classes=0, **changes):
    """A pipeline whose noise and styles show."""
    torch.manual_seed(0)
    network = networks.build({**SPEC, "num_classes": num_classes, "mapping_layers": 2, **changes})
    with torch.no_grad():
        for layer in network.layers:
            layer.noise_strength.fill_(0.3)
        network.w_mean.normal_()
    condition = {"classes": [f"class {i}" for i in range(num_classes)]} if num_classes else None
    spec = {**SPEC, "num_classes": num_classes, "mapping_layers": 2, **changes}
    config = Config("tiny", "generate", spec, {"noise": "normal", "style": True}, condition)
    return pipelines.make(network.eval(), config, CPU)


@pytest.mark.parametrize("demodulate", [True, False])
def test_modulated_convolution_is_the_papers(demodulate):
    """Scaling activations is the same as scaling the weight for each image (2019, eq. 1 and 3)."""
    torch.manual_seed(0)
    layer = stylegan.ModulatedConv2d(6, 5, w_dim=7, demodulate=demodulate)
    x, w = torch.randn(4, 6, 8, 8), torch.randn(4, 7)
    style = layer.style(w)
    expected = []
    for image in range(4):
        weight = layer.weight * layer.scale * style[image].view(1, 6, 1, 1)
        if demodulate:
            weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        expected.append(F.conv2d(x[image : image + 1], weight, padding=1))
    torch.testing.assert_close(layer(x, w), torch.cat(expected), atol=1e-5, rtol=1e-5)


def test_demodulation_keeps_unit_variance_whatever_the_style():
    torch.manual_seed(0)
    layer = stylegan.ModulatedConv2d(64, 64, w_dim=8)
    x = torch.randn(8, 64, 16, 16)
    for strength in (0.1, 1.0, 100.0):
        inside = layer(x, strength * torch.randn(8, 8))[:, :, 1:-1, 1:-1]  # the border sees zeros
        assert inside.std().item() == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("size", [8, 16, 64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("num_classes", [0, 3])
def test_shapes(size, channels, num_classes):
    shape = {"size": size, "channels": channels, "width": 2, "num_classes": num_classes}
    G = networks.build({**SPEC, **shape, "w_dim": 6})
    D = networks.build({"class": "stylegan.Discriminator", **shape})
    y = torch.arange(2) if num_classes else None
    w = G.mapping(torch.randn(2, 8), y)
    assert w.shape == (2, 6)
    assert G.num_styles == 2 * (size.bit_length() - 2)
    x = G.synthesis(w[:, None].expand(-1, G.num_styles, -1))
    assert x.shape == (2, channels, size, size)
    assert D(x, y).shape == (2,)


def test_every_style_changes_the_image():
    network = make().network
    ws = torch.zeros(1, network.num_styles, 8)
    plain = network.synthesis(ws)
    for place in range(network.num_styles):
        changed = ws.clone()
        changed[:, place] = 1
        assert not torch.equal(network.synthesis(changed), plain), place


def test_only_the_mapping_learns_at_a_hundredth_of_the_rate():
    G = networks.build({**SPEC, "mapping_layers": 8})
    assert len(G.mapping_layers) == 8
    assert {layer.rate for layer in G.mapping_layers} == {0.01}
    assert {layer.convolution.style.rate for layer in G.layers} == {1.0}


def test_noise_is_random_in_training_and_constant_afterwards():
    network = make().network
    z = torch.randn(2, 8)
    assert torch.equal(network(z), network(z))
    network.train()
    assert not torch.equal(network(z), network(z))


@pytest.mark.parametrize("num_classes", [0, 3])
def test_one_seed_is_one_image(num_classes):
    pipeline = make(num_classes)
    together = pipeline.sample(range(64), truncation=0.7)
    assert together.std() > 10
    for seed in (0, 17, 63):
        np.testing.assert_array_equal(pipeline.sample([seed], truncation=0.7)[0], together[seed])


@pytest.mark.parametrize("num_classes", [0, 3])
def test_truncation_goes_to_the_mean_style(num_classes):
    pipeline = make(num_classes)
    label = 2 if num_classes else None
    network = pipeline.network
    mean = network.w_mean[label or 0].expand(1, network.num_styles, -1)
    from_mean = network.synthesis(mean)
    images = pipeline.sample([1, 2], label, truncation=0.0)
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_allclose(images[0], to_uint8(from_mean)[0], atol=1)
    z = torch.randn(3, 8)
    y = torch.full((3,), label or 0)
    w = network.mapping(z, y)
    torch.testing.assert_close(network.truncate(w, y, 1.0), w)


def test_mixing_takes_coarse_styles_from_the_row_and_fine_ones_from_the_column():
    pipeline = make()
    rows, columns = [3, 5], [1, 2, 4]
    alone = dict(zip(range(6), pipeline.sample(range(6))))
    as_columns, as_rows = pipeline.mix(rows, columns, 0), pipeline.mix(rows, columns, pipeline.network.num_styles)
    for place, (row, column) in enumerate((row, column) for row in rows for column in columns):
        np.testing.assert_array_equal(as_columns[place], alone[column])
        np.testing.assert_array_equal(as_rows[place], alone[row])
    mixed = pipeline.mix(rows, columns, 2)
    assert mixed.shape == (6, 16, 16, 3)
    assert len({image.tobytes() for image in [*mixed, *alone.values()]}) == 12


def test_mixing_refuses_what_it_cannot_do():
    with pytest.raises(InputError, match="0 to 6"):
        make().mix([1], [2], 7)
    spec = {"class": "dcgan.Generator", "size": 16, "channels": 1, "z_dim": 8, "width": 4}
    plain = networks.build(spec).eval()
    with pytest.raises(InputError, match="no styles"):
        pipelines.make(plain, Config("tiny", "generate", spec, {"noise": "normal"}), CPU).mix([1], [2], 1)
    with pytest.raises(InputError, match="style"):
        pipelines.make(plain, Config("tiny", "generate", spec, {"noise": "normal", "style": True}), CPU)


def test_training_mixes_styles_of_two_latents():
    blobs = data.load("fake", 16, Path())
    torch.manual_seed(0)
    method = StyleGAN(OPTIONS, blobs)
    x = torch.zeros(2000, 1, 16, 16)
    ws = method.styles(x, None).detach()
    changes = (ws[:, 1:] != ws[:, :-1]).any(2)  # (N, num_styles - 1)
    assert changes.sum(1).max() == 1
    assert changes.any(1).float().mean().item() == pytest.approx(0.9, abs=0.03)
    assert changes.float().mean(0).min() > 0.1  # every place is a change-over now and then


@pytest.mark.parametrize("conditional", [False, True])
def test_the_mean_style_is_tracked(conditional):
    torch.manual_seed(0)
    method = StyleGAN(dataclasses.replace(OPTIONS, conditional=conditional), data.load("fake", 16, Path()))
    y = torch.arange(1000) % 2 if conditional else None
    with torch.no_grad():
        for _ in range(30):
            method.styles(torch.zeros(1000, 1, 16, 16), y)
        z = torch.randn(4000, 8)
        for label in range(len(method.G.w_mean)):
            expected = method.G.mapping(z, torch.full((4000,), label)).mean(0)
            torch.testing.assert_close(method.G.w_mean[label], expected, atol=0.03, rtol=0.1)


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("images_seen", [0, 8 * 15])
def test_each_update_moves_only_its_own_network(conditional, images_seen):
    torch.manual_seed(0)
    blobs = data.load("fake", 16, Path())
    method = StyleGAN(dataclasses.replace(OPTIONS, conditional=conditional), blobs)
    batches = data.Batches(blobs, 8, 0, CPU)
    batches.images_seen = images_seen
    names = []
    for network, terms in method.updates(batches):
        before = {name: weight.clone() for name, weight in method.named_parameters()}
        assert all(torch.isfinite(term) for term in terms.values())
        sum(terms.values()).backward(inputs=list(network.parameters()))
        torch.optim.SGD(network.parameters(), 1e-2).step()
        (name,) = {name[0] for name, weight in method.named_parameters() if not before[name].equal(weight)}
        names.append((name, *terms))
        assert all(weight.grad is not None for weight in network.parameters())
        network.zero_grad()
    assert names == [("D", "D", "R1") if images_seen else ("D", "D"), ("G", "G")]


def test_labels_are_needed():
    with pytest.raises(InputError, match="`conditional` needs labels"):
        StyleGAN(dataclasses.replace(OPTIONS, conditional=True), data.Dataset("none", torch.zeros(8, 1, 16, 16)))


def test_a_checkpoint_comes_back_to_the_bit(tmp_path):
    recipe = dataclasses.replace(RECIPE, options=OPTIONS, data="fake", size=16, batch_size=8)
    trainer = loop.Trainer(recipe, Settings(device="cpu", threads=1))
    for _ in range(3):
        trainer.step()
    average = trainer.average.network
    config = Config("tiny", **trainer.method.checkpoint())
    checkpoint.save(tmp_path, average, config)
    network, read = checkpoint.load(tmp_path / checkpoint.MODEL)
    assert read == config
    for name, tensor in average.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name]), name
    for noise in (name for name in average.state_dict() if name.endswith("noise")):
        assert torch.equal(average.state_dict()[noise], trainer.method.G.state_dict()[noise]), "averaged away"
    assert average.w_mean.abs().sum() > 0
