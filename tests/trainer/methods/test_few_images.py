"""FastGAN and R3GAN: their networks by hand, and what each update moves."""

import pytest
import torch
from helpers.recipes import make
from torch import nn

from pretrained import networks
from pretrained.networks import fastgan, r3gan
from pretrained.system.errors import InputError

CPU = torch.device("cpu")
FAST = {"class": "fastgan.Generator", "channels": 3, "z_dim": 8, "width": 4}


@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_of_fastgan(size, channels):
    shape = {"size": size, "channels": channels, "width": 4}
    G = networks.build(FAST | shape).eval()
    D = networks.build({"class": "fastgan.Discriminator", **shape})
    x = G(torch.randn(2, 8))
    assert x.shape == (2, channels, size, size)
    assert x.abs().max() <= 1
    assert len(G.excitations) == size.bit_length() - 6, "one for each level from 64 px on"
    logits, whole, part = D.describe(x, torch.tensor([0, 3]))
    assert logits.shape == (2, 25)
    assert whole.shape == part.shape == (2, channels, size // 2, size // 2)


def test_quarters_row_by_row():
    x = torch.arange(16.0).view(1, 1, 4, 4).expand(4, 1, 4, 4)
    found = fastgan.quarter(x, torch.arange(4))
    assert found[:, 0, 0, 0].tolist() == [0, 2, 8, 10]
    assert torch.equal(found[1], x[1, :, :2, 2:])


def test_a_coarse_map_excites_channels_of_a_fine_one():
    torch.manual_seed(0)
    G = networks.build({**FAST, "size": 64})  # in training, or the norms would leave nothing of such small weights
    z = torch.randn(2, 8)
    before = G(z)
    excitation = G.excitations[0]
    factors = excitation(torch.randn(2, excitation[1].in_channels, 4, 4))
    assert factors.shape == (2, excitation[1].out_channels, 1, 1)
    assert ((factors > 0) & (factors < 1)).all()
    nn.init.normal_(excitation[3].weight, 0.0, 9.0)
    assert not torch.allclose(G(z), before)


def test_noise_is_constant_at_rest_and_drawn_in_training():
    noise = fastgan.Noise(8)
    nn.init.ones_(noise.strength)
    x = torch.zeros(2, 3, 8, 8)
    assert not torch.equal(noise(x), noise(x))
    noise.eval()
    assert torch.equal(noise(x), noise(x))
    assert torch.equal(noise(x)[0], noise(x)[1])


def test_sizes_that_fastgan_refuses():
    with pytest.raises(InputError, match=">= 64"):
        networks.build({**FAST, "size": 32})


@pytest.mark.parametrize("size", [16, 32])
@pytest.mark.parametrize("num_classes", [0, 3])
def test_shapes_of_r3gan(size, num_classes):
    shape = {"size": size, "channels": 3, "width": 4, "num_classes": num_classes}
    G = networks.build({"class": "r3gan.Generator", "z_dim": 8, **shape})
    D = networks.build({"class": "r3gan.Discriminator", **shape})
    y = torch.arange(2) if num_classes else None
    x = G(torch.randn(2, 8), y)
    assert x.shape == (2, 3, size, size)
    assert D(x, y).shape == (2,)
    assert not any(isinstance(layer, nn.modules.batchnorm._NormBase) for layer in [*G.modules(), *D.modules()])


def test_a_block_begins_as_the_identity_and_keeps_the_variance_within():
    torch.manual_seed(0)
    block = r3gan.Block(64, num_blocks=1)
    x = torch.randn(2, 64, 16, 16)
    assert torch.equal(block(x), x)
    assert block.grouped.groups == 8
    inside = block.widen(x)
    assert inside.std().item() == pytest.approx((2 / 1.04) ** 0.5, rel=0.1)


def test_a_transition_keeps_a_flat_map_flat():
    x = torch.full((1, 4, 4, 4), 0.7)
    for scale, side in ((2, 8), (0.5, 2)):
        changed = r3gan.Transition(4, 4, scale)(x)
        assert changed.shape[-1] == side
        torch.testing.assert_close(changed, torch.full_like(changed, 0.7))


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("fastgan-64", [("D", "D", "reconstruction"), ("G", "G")]),
        ("r3gan-mnist", [("D", "D", "penalty"), ("G", "G")]),
        ("cut-emoji", [("D", "D"), ("G", "G", "NCE", "identity")]),
        ("fastcut-emoji", [("D", "D"), ("G", "G", "NCE")]),
    ],
)
def test_each_update_moves_only_its_own_network(name, terms):
    method, dataset = make(name)
    found = []
    for network, losses in method.updates(dataset.batches(4, 0, CPU)):
        before = {part: weight.clone() for part, weight in method.named_parameters()}
        assert all(torch.isfinite(loss) for loss in losses.values())
        sum(losses.values()).backward(inputs=list(network.parameters()))
        torch.optim.SGD(network.parameters(), 1e-2).step()
        (moved,) = {part[0] for part, weight in method.named_parameters() if not before[part].equal(weight)}
        found.append((moved, *losses))
        network.zero_grad()
    assert found == terms


def test_r3gan_compares_each_fake_with_a_real_image():
    method, dataset = make("r3gan-mnist")
    method.D.score.weight.data.zero_()  # D says 0 of everything
    losses = [
        float(losses["D" if network is method.D else "G"].detach())
        for network, losses in method.updates(dataset.batches(8, 0, CPU))
    ]
    assert losses == pytest.approx([0.6931, 0.6931], abs=1e-3)


def test_fastgan_learns_to_redraw_real_images():
    method, dataset = make("fastgan-64", augment="none")
    optimizer, missed = torch.optim.Adam(method.D.parameters(), 2e-3), []
    batches = dataset.batches(8, 0, CPU)
    for _ in range(12):
        network, losses = next(method.updates(batches))
        assert network is method.D
        missed.append(losses["reconstruction"].item())
        optimizer.zero_grad()
        losses["reconstruction"].backward()
        optimizer.step()
    assert missed[-1] < 0.8 * missed[0]
