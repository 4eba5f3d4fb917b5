"""ProGAN: equalised layers against numbers worked out by hand, growth without jumps, resumed in mid-fade."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pretrained import checkpoint, networks, pipelines
from pretrained.networks import equalized
from pretrained.networks.progan import STEPS, Stage, upsample
from pretrained.system.errors import InputError
from trainer import data
from trainer.loop import train as loop
from trainer.loop.run_folder import make_config
from trainer.loop.settings import Settings
from trainer.methods.progan import ProGAN, grown
from trainer.methods.recipes import RECIPES

SHAPE = {"size": 32, "channels": 1, "width": 4}
CPU = torch.device("cpu")
RECIPE = RECIPES["progan-mnist"]
# 16 images stable, 16 of fading: batches of 8 are at levels 0, 0, 0, 0.5, 1, 1, 1, 1.5, 2.
OPTIONS = dataclasses.replace(RECIPE.options, width=4, z_dim=8, stable_kimg=0.016, fade_kimg=0.016)
TINY = dataclasses.replace(RECIPE, options=OPTIONS, data="fake", size=16, batch_size=8, kimg=0.08)


def make_pair(value, **shape):
    torch.manual_seed(0)
    G = networks.build({"class": "progan.Generator", "z_dim": 8, **SHAPE, **shape})
    D = networks.build({"class": "progan.Discriminator", **SHAPE, **shape})
    for network in (G, D):
        network.grown.fill_(value)
    return G, D


def test_equalised_linear_is_a_scaled_weight():
    layer = equalized.Linear(8, 3, gain=2.0, rate=0.01, bias=1.0)
    x = torch.randn(5, 8)
    expected = x @ (layer.weight * (2.0 * 0.01 / math.sqrt(8))).T + 1.0
    torch.testing.assert_close(layer(x), expected)


def test_equalised_convolution_is_a_scaled_weight():
    layer = equalized.Conv2d(2, 3, 3)
    x = torch.randn(4, 2, 6, 6)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight * math.sqrt(2 / 18), padding=1))


@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_equalised_weights_keep_the_variance_whatever_the_rate(rate):
    torch.manual_seed(0)
    layer = equalized.Linear(256, 256, gain=1.0, rate=rate)
    assert layer(torch.randn(256, 256)).std().item() == pytest.approx(1.0, rel=0.05)
    assert layer.weight.std().item() == pytest.approx(1 / rate, rel=0.05)


def test_the_rate_is_that_of_the_steps():
    """One step of Adam moves what a layer applies, its scaled weight, `rate` times as far."""
    moved = []
    for rate in (1.0, 0.01):
        torch.manual_seed(0)
        layer = equalized.Linear(16, 16, rate=rate)
        before = layer.weight.detach() * layer.scale
        layer(torch.randn(8, 16)).square().sum().backward()
        torch.optim.Adam(layer.parameters(), 1e-3).step()
        moved.append((layer.weight.detach() * layer.scale - before).abs().mean().item())
    assert moved[1] == pytest.approx(0.01 * moved[0], rel=0.01)


def test_minibatch_std_by_hand():
    """Two groups: images 0 and 2 (values 1 and 5: std 2), images 1 and 3 (0 and 6: std 3)."""
    x = torch.tensor([1.0, 0.0, 5.0, 6.0]).view(4, 1, 1, 1).expand(4, 2, 3, 3)
    y = equalized.minibatch_std(x, group_size=2)
    assert y.shape == (4, 3, 3, 3)
    assert torch.equal(y[:, :2], x)
    torch.testing.assert_close(y[:, 2, 0, 0], torch.tensor([2.0, 3.0, 2.0, 3.0]))


@pytest.mark.parametrize(("count", "group"), [(8, 4), (6, 2), (5, 1)])
def test_minibatch_std_takes_any_batch(count, group):
    statistic = equalized.minibatch_std(torch.randn(count, 2, 4, 4))[:, 2, 0, 0]
    assert len(set(statistic.tolist())) == (count // group if group > 1 else 1)


def test_pixel_norm_by_hand():
    x = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(equalized.pixel_norm(x).flatten(), torch.tensor([3.0, 4.0]) / math.sqrt(12.5))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("value", "side"), [(0, 4), (1, 8), (1000, 8), (1500, 16), (2001, 32), (3000, 32)])
def test_shapes_while_growing(value, side, channels):
    G, D = make_pair(value, channels=channels)
    drawn = G.draw(torch.randn(4, 8))
    assert drawn.shape == (4, channels, side, side)
    assert G(torch.randn(4, 8)).shape == (4, channels, 32, 32)
    assert D(drawn).shape == (4,)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_fade_starts_where_the_previous_level_ended(level):
    """With alpha at 0 the new level adds nothing: G's image is the old one enlarged, D's logits are the old ones."""
    G, D = make_pair(STEPS * level)
    z = torch.randn(4, 8)
    with torch.no_grad():
        small = G.draw(z)
        logits = D(small)
        for network in (G, D):
            network.stage, network.alpha = lambda: Stage(level + 1, True), lambda: torch.zeros(())
        large = G.draw(z)
        torch.testing.assert_close(large, upsample(small))
        torch.testing.assert_close(D(large), logits)


def test_a_fade_ends_where_the_next_level_begins():
    G, _ = make_pair(2 * STEPS)
    z = torch.randn(2, 8)
    with torch.no_grad():
        whole = G.draw(z)
        G.grown.fill_(2 * STEPS - 1)
        torch.testing.assert_close(G.draw(z), whole, atol=0.01, rtol=0.01)
        G.grown.fill_(STEPS + 1)
        assert not torch.allclose(G.draw(z), whole, atol=0.1)


@pytest.mark.parametrize(
    ("images_seen", "expected"),
    [
        (0, 0),
        (1999, 0),
        (2000, 0),
        (4000, 500),
        (6000, 1000),
        (8000, 1000),
        (9000, 1250),
        (24_000, 3000),
        (10**9, 3000),
    ],
)
def test_growth_by_images_seen(images_seen, expected):
    assert grown(images_seen, stable_kimg=2, fade_kimg=4, num_levels=4) == expected


def method_batches(images_seen):
    batches = data.Batches(data.load("fake", 16, Path()), 8, 0, CPU)
    batches.images_seen = images_seen
    return batches


def test_real_images_fade_too():
    method = ProGAN(OPTIONS, data.load("fake", 16, Path()))
    x = torch.rand(2, 1, 16, 16)
    batches = method_batches(16 + 8)
    method.schedule(batches)
    assert method.phase(batches) == method.D.stage() == (1, True)
    assert method.D.alpha() == 0.5
    expected = (F.avg_pool2d(x, 2) + upsample(F.avg_pool2d(x, 4))) / 2
    torch.testing.assert_close(method.shrink(x, method.phase(batches)), expected)
    assert torch.equal(method.shrink(x, method.phase(method_batches(10**6))), x)


@pytest.mark.parametrize("images_seen", [0, 24, 48, 56, 10_000])
def test_each_update_moves_only_its_own_network(images_seen):
    torch.manual_seed(0)
    blobs = data.load("fake", 16, Path())
    method, batches = ProGAN(OPTIONS, blobs), data.Batches(blobs, 8, 0, CPU)
    batches.images_seen = images_seen
    names = []
    method.schedule(batches)
    for network, terms in method.updates(batches):
        before = {name: weight.clone() for name, weight in method.named_parameters()}
        assert all(torch.isfinite(term) for term in terms.values())
        sum(terms.values()).backward(inputs=list(network.parameters()))
        torch.optim.SGD(network.parameters(), 1e-2).step()
        (name,) = {name[0] for name, weight in method.named_parameters() if not before[name].equal(weight)}
        names.append((name, *terms))
        network.zero_grad()
    assert names == [("D", "D", "penalty", "drift"), ("G", "G")]


def test_growth_needs_a_pace():
    with pytest.raises(InputError, match="`stable_kimg` and `fade_kimg`"):
        ProGAN(dataclasses.replace(OPTIONS, stable_kimg=0, fade_kimg=0), data.load("fake", 16, Path()))


def test_resume_in_the_middle_of_a_fade_is_exact():
    settings = Settings(device="cpu", threads=1)
    first, second = loop.Trainer(TINY, settings), loop.Trainer(TINY, settings)
    for _ in range(4):
        first.step()
    assert first.method.G.stage() == (1, True)
    assert first.method.G.alpha() == 0.5
    state = first.state_dict()
    torch.manual_seed(99)
    second.load_state_dict(state)
    for _ in range(4):
        second.step()
    straight = loop.Trainer(TINY, settings)
    for _ in range(8):
        straight.step()
    for name, tensor in straight.method.state_dict().items():
        assert torch.equal(tensor, second.method.state_dict()[name]), name


def test_a_checkpoint_from_a_fade_renders_as_it_was_trained(tmp_path):
    trainer = loop.Trainer(TINY, Settings(device="cpu", threads=1))
    for _ in range(4):
        trainer.step()
    average = trainer.average.network
    assert average.stage() == (1, True)
    assert average.alpha() == 0.5
    config = make_config(TINY, trainer.method, trainer.data, "", 32, 0.0, CPU)
    checkpoint.save(tmp_path, average, config)
    network, config = checkpoint.load(tmp_path / checkpoint.MODEL)
    for name, tensor in average.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name]), name
    images = pipelines.make(network, config, CPU).sample(range(20))
    assert images.shape == (20, 16, 16, 1)
    assert np.array_equal(images, images[:, ::2, ::2].repeat(2, 1).repeat(2, 2))  # 8 px, enlarged
    assert np.array_equal(pipelines.make(network, config, CPU).sample([7]), images[7:8])
