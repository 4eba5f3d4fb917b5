"""Every network from its spec: shapes, and refusals."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pretrained import networks
from pretrained.system.errors import InputError


@pytest.mark.parametrize("size", [16, 32, 64, 128])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("num_classes", [0, 3])
def test_dcgan_at_any_size(size, channels, num_classes):
    shape = {"size": size, "channels": channels, "width": 4, "num_classes": num_classes}
    G = networks.build({"class": "dcgan.Generator", "z_dim": 8, **shape})
    D = networks.build({"class": "dcgan.Discriminator", **shape})
    y = torch.tensor([0, 2]) if num_classes else None
    x = G(torch.randn(2, 8), y)
    assert x.shape == (2, channels, size, size)
    assert -1 <= x.min() <= x.max() <= 1
    assert D(x, y).shape == (2,)


@pytest.mark.parametrize("num_classes", [0, 3])
def test_noise_and_label_modulate_every_map(num_classes):
    """What enters at the first layer held still, noise and label alone change the picture, at each level."""
    torch.manual_seed(0)
    spec = {"class": "dcgan.Generator", "size": 32, "channels": 1, "z_dim": 8, "width": 4, "num_classes": num_classes}
    G = networks.build(spec | {"modulation": True}).eval()
    assert [weight.shape[1] for weight in G.first_layers()] == [8] * 4
    torch.nn.init.zeros_(G.project.weight)
    z, y = torch.randn(2, 8), torch.tensor([0, 2]) if num_classes else None
    x = G(z, y)
    assert not x[0].equal(x[1])
    for layer in G.modulations:
        torch.nn.init.zeros_(layer.weight)
    x = G(z, y)
    assert x[0].equal(x[1])


@pytest.mark.parametrize("size", [16, 64])
def test_discriminator_compares_labels_with_a_layer_of_its_own(size):
    torch.manual_seed(0)
    spec = {"class": "dcgan.Discriminator", "size": size, "channels": 1, "width": 4, "num_classes": 3, "norm": "layer"}
    D, x = networks.build(spec | {"features": True}), torch.randn(2, 1, size, size)
    scores = torch.stack([D(x, torch.full((2,), label)) for label in range(3)])
    assert scores.shape == (3, 2)
    assert (scores[1:] != scores[0]).all()
    assert not torch.allclose(D(x.flip(3), torch.zeros(2, dtype=torch.int64)), scores[0])


def test_dcgan_is_the_papers():
    """At 64 px and width 128: 1024-512-256-128 channels, weights ~ N(0, 0.02), normalisation ~ N(1, 0.02)."""
    torch.manual_seed(0)
    G = networks.build({"class": "dcgan.Generator", "size": 64, "channels": 3, "z_dim": 100, "width": 128})
    convolutions = [m for m in G.modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    assert [m.in_channels for m in convolutions] == [1024, 512, 256, 128]
    for weight in [G.project.weight, *(m.weight for m in convolutions)]:
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert abs(weight.mean().item()) < 1e-3
    assert G.norm.weight.mean().item() == pytest.approx(1.0, abs=0.01)
    assert G.norm.weight.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("norm", ["batch", "layer", "instance", "none"])
def test_discriminator_norms(norm):
    D = networks.build({"class": "dcgan.Discriminator", "size": 16, "channels": 1, "width": 4, "norm": norm})
    x = torch.randn(4, 1, 16, 16)
    alone, together = D(x[:1]), D(x)[:1]
    assert torch.allclose(alone, together, atol=1e-5) == (norm != "batch")


# For each network from picture to picture: its spec, the shape of its sources, and that of what it gives.
TRANSLATORS = [
    ({"class": "unet.Generator", "size": 32, "inputs": 1, "width": 4}, (1, 32, 32), (3, 32, 32)),
    ({"class": "unet.Generator", "size": 128, "channels": 1, "width": 2}, (3, 128, 128), (1, 128, 128)),
    ({"class": "unet.Generator", "size": 32, "width": 4, "resize": True}, (3, 32, 32), (3, 32, 32)),
    ({"class": "resnet.Generator", "size": 32, "inputs": 4, "width": 4, "blocks": 2}, (4, 32, 32), (3, 32, 32)),
    ({"class": "resnet.Generator", "width": 4, "blocks": 1}, (3, 8, 20), (3, 8, 20)),
    ({"class": "resnet.Generator", "width": 4, "blocks": 1, "strength": True}, (3, 12, 8), (3, 12, 8)),
    ({"class": "srresnet.Generator", "width": 4, "blocks": 2}, (3, 7, 9), (3, 28, 36)),
    ({"class": "srresnet.Generator", "inputs": 1, "width": 4, "blocks": 2, "scale": 1}, (1, 1, 1), (3, 1, 1)),
    ({"class": "dncnn.Generator", "channels": 1, "width": 4, "layers": 4}, (1, 5, 1), (1, 5, 1)),
    ({"class": "context.Generator", "size": 32, "width": 4, "bottleneck": 9}, (4, 32, 32), (3, 32, 32)),
]
JUDGES = [
    ({"class": "patchgan.Discriminator", "inputs": 4, "width": 4}, (4, 256, 256), (1, 30, 30)),
    ({"class": "patchgan.Discriminator", "inputs": 4, "width": 4, "norm": "none"}, (4, 64, 32), (1, 6, 2)),
    (
        {"class": "patchgan.Discriminator", "inputs": 3, "width": 4, "layers": 1, "norm": "batch"},
        (3, 16, 16),
        (1, 6, 6),
    ),
    ({"class": "srresnet.Discriminator", "size": 48, "width": 4}, (3, 48, 48), ()),
]
BOUNDED = {"unet.Generator", "resnet.Generator", "context.Generator"}


@pytest.mark.parametrize(("spec", "source", "target"), TRANSLATORS + JUDGES, ids=str)
def test_shapes_from_image_to_image(spec, source, target):
    torch.manual_seed(0)
    network = networks.build(spec)
    x = torch.rand(2, *source) * 2 - 1
    y = network(x)
    assert y.shape == (2, *target)
    assert torch.isfinite(y).all()
    assert y.std() > 0
    assert y.abs().max() <= 1 or spec["class"] not in BOUNDED
    y.sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())
    network.eval()
    alone, flat = network(x[:1]), network.to(memory_format=torch.channels_last)(x)
    for other in (alone, flat[:1]):
        torch.testing.assert_close(network(x)[:1], other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("colour", [1.0, 0.2, -1.0])
def test_a_image_of_one_colour_gives_cyclegan_no_gradients(colour):
    """Each of twice 16 normalisations would multiply them by 1 / sqrt(eps)."""
    torch.manual_seed(0)
    G, F = (networks.build({"class": "resnet.Generator", "size": 32, "width": 8, "blocks": 6}) for _ in "AB")
    D = networks.build({"class": "patchgan.Discriminator", "inputs": 3, "width": 4, "layers": 2})
    for network in (G, F):
        for module in network.modules():
            if isinstance(module, networks.resnet.InstanceNorm):
                torch.nn.init.normal_(module.bias, 0.0, 0.5)  # as after some training
    plain, varied = torch.full((1, 3, 32, 32), colour), torch.rand(1, 3, 32, 32) * 2 - 1
    for network in (G, F):
        gradients = []
        for x in (varied, torch.cat([varied, plain])):
            (F(G(x)).sub(x).abs().sum() + D(G(x)[:1]).sum()).backward()
            gradients.append(torch.cat([weight.grad.flatten() for weight in network.parameters()]))
            G.zero_grad()
            F.zero_grad()
        assert (gradients[1] - gradients[0]).norm() < 1e-3 * gradients[0].norm()


@pytest.mark.parametrize(("layers", "expected"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_a_logit_of_patchgan_sees_the_patch_that_the_paper_says(layers, expected):
    """By gradient: which pixels move one logit in the middle."""
    D = networks.build({"class": "patchgan.Discriminator", "inputs": 1, "width": 2, "layers": layers, "norm": "none"})
    for weight in D.parameters():
        torch.nn.init.constant_(weight, 0.1)  # so that nothing cancels, and no LeakyReLU is in doubt
    x = torch.ones(1, 1, 256, 256, requires_grad=True)
    logits = D(x)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    rows, columns = x.grad[0, 0].nonzero().unbind(1)
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == expected


@pytest.mark.parametrize(("size", "levels"), [(32, 5), (128, 7), (256, 8)])
def test_unet_halves_to_one_pixel_and_meets_each_map_again(size, levels):
    G = networks.build({"class": "unet.Generator", "size": size, "width": 2}).eval()
    down, up = [], []
    for block in G.down:
        block.register_forward_hook(lambda block, x, y: down.append(y.shape))
    for block in G.up:
        block.register_forward_hook(lambda block, x, y: up.append(y.shape))
    G(torch.zeros(1, 3, size, size))
    assert len(down) == levels
    assert down[-1] == (1, 16, 1, 1)
    assert up == down[-2::-1], "what is doubled has the shape of the skip that it is joined with"


def test_unet_drops_out_in_its_first_three_blocks_and_in_training_only():
    G = networks.build({"class": "unet.Generator", "size": 64, "width": 4})
    x = torch.rand(1, 3, 64, 64)
    assert not torch.equal(G(x), G(x))
    assert torch.equal(G.eval()(x), G(x))
    shares = [module.p for module in G.modules() if isinstance(module, torch.nn.Dropout)]
    assert shares == [0.5, 0.5, 0.5, 0, 0]


def test_translators_start_as_their_papers_do():
    torch.manual_seed(0)
    for name in ("unet.Generator", "resnet.Generator", "patchgan.Discriminator"):
        for module in networks.build({"class": name, "width": 32}).modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_the_strength_of_a_style_is_linear_in_each_norm():
    torch.manual_seed(0)
    G = networks.build({"class": "resnet.Generator", "width": 4, "blocks": 1, "strength": True})
    x, (low, high) = torch.rand(2, 3, 16, 16), torch.tensor([0.0, 1.0])
    assert torch.equal(G(x), G(x, high.repeat(2))), "no strength is all of it"
    norm = next(module for module in G.modules() if isinstance(module, networks.resnet.InstanceNorm))
    torch.nn.init.normal_(norm.slope)
    features = torch.randn(2, 4, 8, 8)
    at = {s: norm(features, torch.tensor([s, s])) for s in (0.0, 0.3, 1.0)}
    torch.testing.assert_close(at[0.3], 0.7 * at[0.0] + 0.3 * at[1.0])
    mixed = G(x, torch.stack([low, high]))
    torch.testing.assert_close(mixed[:1], G(x[:1], low.view(1)))
    torch.testing.assert_close(mixed[1:], G(x[1:], high.view(1)))


def test_super_resolution_starts_near_bicubic_and_denoising_takes_away_what_it_learnt():
    torch.manual_seed(0)
    x = torch.rand(1, 3, 12, 12) * 2 - 1
    enlarged = torch.nn.functional.interpolate(x, scale_factor=4.0, mode="bicubic")
    assert (networks.build({"class": "srresnet.Generator"})(x) - enlarged).abs().mean() < 0.1
    denoiser = networks.build({"class": "dncnn.Generator", "width": 4, "layers": 3}).eval()
    torch.nn.init.zeros_(denoiser.layers[-1].weight)
    assert torch.equal(denoiser(x), x)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"class": "os.system", "command": "true"}, "unknown network"),
        ({"class": "dcgan.nn"}, "unknown network"),
        ({"class": "dcgan.__init__"}, "unknown network"),
        ({}, "class"),
        ([], "class"),
        ({"class": 7}, "class"),
        ({"class": "dcgan.Generator", "depth": 3}, "no parameter 'depth'"),
        ({"class": "dcgan.Generator", "size": "64"}, "a number or WIDTHxHEIGHT"),
        ({"class": "dcgan.Generator", "size": True}, "size must be int or WIDTHxHEIGHT"),
        ({"class": "dcgan.Generator", "size": [64, 48]}, "size must be int or WIDTHxHEIGHT"),
        ({"class": "dcgan.Generator", "size": "2000x64"}, "size must be 0 to 1024"),
        ({"class": "dcgan.Generator", "size": 50}, "a multiple of 8 >= 16, got 50: choose 48 or 56"),
        ({"class": "dcgan.Generator", "size": "100x70"}, "a multiple of 16 >= 16, got 100x70: choose 96x64 or 112x64"),
        ({"class": "dcgan.Generator", "size": 8}, ">= 16, got 8: choose 16"),
        ({"class": "progan.Generator", "size": "64x48"}, "size must be int"),
        ({"class": "progan.Generator", "size": 48}, "power of two"),
        ({"class": "dcgan.Generator", "width": 10**9}, "0 to 2048"),
        ({"class": "dcgan.Generator", "z_dim": -1}, "0 to"),
        ({"class": "dcgan.Discriminator", "norm": "spectral"}, "batch, layer"),
        ({"class": "dcgan.Discriminator", "norm": ["batch"]}, "batch, layer"),
        ({"class": "unet.Generator", "size": 40}, "multiple of 16 >= 32"),
        ({"class": "unet.Generator", "size": 16}, "multiple of 16 >= 32"),
        ({"class": "unet.Generator", "dropout": 1.5}, "dropout must be 0 to 1, got 1.5"),
        ({"class": "resnet.Generator", "strength": 1}, "strength must be bool"),
        ({"class": "resnet.Generator", "blocks": 10**6}, "0 to 64"),
        ({"class": "resnet.Generator", "inputs": 10**6}, "0 to 64"),
        ({"class": "patchgan.Discriminator", "layers": 0}, "layers must be >= 1"),
        ({"class": "patchgan.Discriminator", "norm": "spectral"}, "batch, layer"),
        ({"class": "srresnet.Generator", "scale": 3}, "power of two"),
        ({"class": "srresnet.Generator", "scale": 0}, "power of two"),
        ({"class": "srresnet.Generator", "scale": 16}, "0 to 8"),
        ({"class": "srresnet.Generator", "inputs": 2}, "inputs must be 1 or 3, got 2"),
        ({"class": "srresnet.Discriminator", "size": 40}, "multiple of 16"),
        ({"class": "dncnn.Generator", "layers": 1}, "must be >= 2, got 1"),
        ({"class": "dncnn.Generator", "size": 64}, "no parameter 'size'"),
        ({"class": "context.Generator", "size": 50}, "multiple of 8"),
        ({"class": "context.Generator", "bottleneck": 10**6}, "0 to 8192"),
    ],
)
def test_illegal_specs_are_refused(spec, words):
    with pytest.raises(InputError, match=words):
        networks.build(spec)


OUTLINES = """
import sys
from pretrained import networks

for name in networks.NETWORKS:
    if not name.endswith("Discriminator"):  # never part of a checkpoint that is opened
        networks.build_on_meta({"class": name})
slow = {"sympy", "torch._dynamo"} & sys.modules.keys()
assert not slow, slow
"""


def test_an_outline_draws_no_numbers():
    """Or a second and 145 MB go into the import of an algebra that knows how random numbers for none are drawn."""
    subprocess.run([sys.executable, "-c", OUTLINES], check=True, cwd=Path(__file__).parents[3])
