"""What is put together for speed equals what PyTorch has a word for, gradients included."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pretrained import networks
from pretrained.networks.convolutions import ToFew, convolve_doubled


def gradients(y, *of):
    return torch.autograd.grad(y, of, torch.ones_like(y) + y.detach())


@pytest.mark.parametrize("outputs", [1, 4])
def test_a_doubled_convolution_is_one_of_repeated_pixels(outputs):
    x, weight, bias = torch.randn(2, 5, 6, 9), torch.randn(outputs, 5, 3, 3), torch.randn(outputs)
    x, weight, bias = (tensor.double().requires_grad_() for tensor in (x, weight, bias))
    ours = convolve_doubled(x, weight, bias)
    plain = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), weight, bias, padding=1)
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(gradients(ours, x, weight, bias), gradients(plain, x, weight, bias))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("kernel_size", "padding", "mode"), [(7, 3, "reflect"), (9, 4, "zeros"), ((3, 5), (0, 2), "zeros"), (4, 1, "zeros")]
)
def test_a_convolution_to_few_is_a_plain_one(kernel_size, padding, mode, bias):
    layer = ToFew(5, 3, kernel_size, padding=padding, padding_mode=mode, bias=bias).double()
    x = torch.randn(2, 5, 10, 13).double().requires_grad_()
    ours, plain = layer(x), nn.Conv2d.forward(layer, x)
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(gradients(ours, x, *layer.parameters()), gradients(plain, x, *layer.parameters()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_image_of_one_colour_has_no_pattern(dtype):
    """Each doubling rounds its four pixels by themselves, and a normalisation makes 300 times as much of that."""
    torch.manual_seed(0)
    G = networks.build({"class": "resnet.Generator", "width": 16, "blocks": 6}).eval()
    for module in G.modules():
        if isinstance(module, nn.InstanceNorm2d):
            nn.init.normal_(module.bias, 0.0, 0.5)  # as after some training
    with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        y = G(torch.full((1, 3, 64, 64), 0.3))
    assert (y.amax((2, 3)) - y.amin((2, 3))).max() < 1e-3
