"""Every network from its spec: shapes, and refusals."""

import pytest
import torch

from pretrained import networks
from pretrained.errors import InputError


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
        ({"class": "dcgan.Generator", "size": "64"}, "size must be int"),
        ({"class": "dcgan.Generator", "size": True}, "size must be int"),
        ({"class": "dcgan.Generator", "size": 48}, "power of two"),
        ({"class": "dcgan.Generator", "size": 8}, "power of two"),
        ({"class": "dcgan.Generator", "width": 10**9}, "0 to 2048"),
        ({"class": "dcgan.Generator", "z_dim": -1}, "0 to"),
        ({"class": "dcgan.Discriminator", "norm": "spectral"}, "batch, layer"),
        ({"class": "dcgan.Discriminator", "norm": ["batch"]}, "batch, layer"),
    ],
)
def test_illegal_specs_are_refused(spec, words):
    with pytest.raises(InputError, match=words):
        networks.build(spec)
