"""Weights of other people's code: the same pictures come out, and nothing in the file is run."""

import os
import pickle
import subprocess
import sys

import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import nn

import pretrained
from pretrained.formats.convert import convert
from pretrained.system.errors import InputError


def tutorial_dcgan(size=16, z_dim=6, width=4, channels=3, bias=False, widths=None):
    """The generator of PyTorch's DCGAN tutorial, as its file has it."""
    count = size.bit_length() - 3
    widths = widths or [width * 2**level for level in reversed(range(count))]
    layers = [nn.ConvTranspose2d(z_dim, widths[0], 4, 1, 0, bias=bias)]
    for before, after in zip(widths, [*widths[1:], None]):
        layers += [nn.BatchNorm2d(before), nn.ReLU(True)]
        if after:
            layers.append(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=bias))
    network = nn.Module()
    network.main = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=bias), nn.Tanh())
    return network


class Skip(nn.Module):
    """A level of the U-Net that came with pix2pix."""

    def __init__(self, outer, inner, inner_module, norm, inputs=None):
        super().__init__()
        self.outermost = inputs is not None
        bias = norm is nn.InstanceNorm2d
        down = [nn.LeakyReLU(0.2, True), nn.Conv2d(inputs or outer, inner, 4, 2, 1, bias=bias)]
        wide = inner if inner_module is None else 2 * inner
        up = [nn.ReLU(True), nn.ConvTranspose2d(wide, outer, 4, 2, 1, bias=bias or self.outermost)]
        if self.outermost:
            layers = [down[1], inner_module, *up, nn.Tanh()]
        elif inner_module is None:
            layers = [*down, *up, norm(outer)]
        else:
            layers = [*down, norm(inner), inner_module, *up, norm(outer), nn.Dropout(0.5)]
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


def reference_unet(norm=nn.BatchNorm2d, size=32, width=4):
    count = size.bit_length() - 1
    widths = [width * min(2**level, 8) for level in range(count)]
    block = None
    for outer, inner in reversed(list(zip(widths, widths[1:]))):
        block = Skip(outer, inner, block, norm)
    network = nn.Module()
    network.model = Skip(3, width, block, norm, inputs=2)
    return network


class Residual(nn.Module):
    def __init__(self, width, norm, bias):
        super().__init__()
        half = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=bias), norm(width)]
        rest = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=bias), norm(width)]
        self.conv_block = nn.Sequential(*half, nn.ReLU(True), nn.Dropout(0.5), *rest)

    def forward(self, x):
        return x + self.conv_block(x)


def reference_resnet(norm=nn.InstanceNorm2d, width=4, blocks=6):
    bias = norm is nn.InstanceNorm2d
    layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7, bias=bias), norm(width), nn.ReLU(True)]
    for level in (1, 2):
        layers += [
            nn.Conv2d(width * level, 2 * width * level, 3, 2, 1, bias=bias),
            norm(2 * width * level),
            nn.ReLU(True),
        ]
    layers += [Residual(4 * width, norm, bias) for _ in range(blocks)]
    for level in (2, 1):
        double = nn.ConvTranspose2d(2 * width * level, width * level, 3, 2, 1, output_padding=1, bias=bias)
        layers += [double, norm(width * level), nn.ReLU(True)]
    network = nn.Module()
    network.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())
    return network


def stir(network):
    """Weights and statistics far from their defaults."""
    torch.manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5) if name.endswith("running_var") else tensor.normal_(0, 0.3)
    return network


def test_a_tutorial_dcgan_draws_the_same(tmp_path):
    for bias in (False, True):
        theirs = stir(tutorial_dcgan(bias=bias)).eval()
        torch.save(theirs.state_dict(), tmp_path / "netG.pth")
        ours, config, key = convert(tmp_path / "netG.pth")
        assert (config.network["class"], config.size, key) == ("dcgan.Generator", 16, "")
        z = torch.randn(5, 6)
        torch.testing.assert_close(ours(z), theirs.main(z[..., None, None]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, nn.InstanceNorm2d])
def test_a_reference_unet_translates_the_same(tmp_path, norm):
    theirs = stir(reference_unet(norm))
    for module in theirs.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # that code leaves it on when it tests, and batch norm on the picture's own statistics
    state = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
    torch.save(state, tmp_path / "latest_net_G.pth")
    ours, config, _ = convert(tmp_path / "latest_net_G.pth")
    assert (config.network["class"], config.size, config.network["inputs"]) == ("unet.Generator", 32, 2)
    x = torch.randn(1, 2, 32, 32)
    torch.testing.assert_close(ours(x), theirs.model(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, nn.InstanceNorm2d])
def test_a_reference_resnet_translates_the_same(tmp_path, norm):
    theirs = stir(reference_resnet(norm))
    for module in theirs.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    state = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
    torch.save(state, tmp_path / "latest_net_G_A.pth")
    ours, config, _ = convert(tmp_path / "latest_net_G_A.pth")
    assert (config.network["class"], config.network["blocks"]) == ("resnet.Generator", 6)
    x = torch.randn(1, 3, 24, 32)
    torch.testing.assert_close(ours(x), theirs.model(x), atol=1e-4, rtol=1e-3)


WRAPPED = {
    "plain": lambda state: state,
    "DataParallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "compiled": lambda state: {f"_orig_mod.{name}": tensor for name, tensor in state.items()},
    "generator_state_dict": lambda state: {"epoch": 3, "generator_state_dict": state, "optimizer": {"lr": 0.1}},
    "g_model_state_dict": lambda state: {"g_model_state_dict": state, "d_model_state_dict": judge()},
    "netG": lambda state: {"netG": state, "netD": judge(), "args": {"ngf": 4}},
    "Lightning": lambda state: {
        "state_dict": {
            f"{part}.{name}": tensor for part, of in {"G": state, "D": judge()}.items() for name, tensor in of.items()
        }
    },
    "raw and averaged": lambda state: {"G": {name: 0 * tensor for name, tensor in state.items()}, "g_ema": state},
}


def judge():
    return nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.LeakyReLU(), nn.Conv2d(4, 1, 4)).state_dict()


@pytest.mark.parametrize("suffix", [".pth", ".pkl", ".bin"])
@pytest.mark.parametrize("name", WRAPPED)
def test_a_generator_is_found_wherever_it_lies(tmp_path, name, suffix):
    theirs = stir(tutorial_dcgan()).eval()
    torch.save(
        WRAPPED[name](theirs.state_dict()), tmp_path / f"file{suffix}", _use_new_zipfile_serialization=suffix != ".pkl"
    )
    ours, _, _ = convert(tmp_path / f"file{suffix}")
    z = torch.randn(2, 6)
    torch.testing.assert_close(ours(z), theirs.main(z[..., None, None]), atol=1e-5, rtol=1e-4)


def test_two_generators_are_told_apart_by_a_key(tmp_path):
    first, second = reference_resnet(blocks=1).state_dict(), reference_resnet(blocks=2).state_dict()
    torch.save({"G_A": first, "G_B": second}, tmp_path / "both.pth")
    with pytest.raises(InputError, match=r"several generators: choose one with `key`: G_A, G_B"):
        convert(tmp_path / "both.pth")
    _, config, key = convert(tmp_path / "both.pth", key="G_B")
    assert (config.network["blocks"], key) == (2, "G_B")
    with pytest.raises(InputError, match=r"`key` must be one of G_A, G_B in .*, got G_C"):
        convert(tmp_path / "both.pth", key="G_C")


class Bomb:
    def __reduce__(self):
        return os.system, ("touch ran",)


def write(path, value):
    path.write_bytes(pickle.dumps(value))


REFUSED = {
    "a pickle that runs code": (lambda path: write(path, Bomb()), "nothing in it was run"),
    "torch's, that runs code": (lambda path: torch.save({"netG": Bomb()}, path), "nothing in it was run.*system"),
    "a whole module": (lambda path: torch.save(nn.Linear(2, 2), path), "nothing in it was run.*nsupported"),
    "no weights": (lambda path: path.write_bytes(b"hello"), "is refused|is not a file of weights"),
    "nothing": (lambda path: path.write_bytes(b""), "is refused|is not a file of weights"),
    "a number": (lambda path: torch.save(3, path), "holds no tensors with names"),
    "a discriminator": (lambda path: torch.save(judge(), path), "no stack of 4x4 kernels|no transposed"),
    "an unknown layer": (
        lambda path: torch.save(tutorial_dcgan().state_dict() | {"main.99.scale": torch.ones(3)}, path),
        "no place for main.99.scale|99.scale",
    ),
    "other widths": (
        lambda path: torch.save(tutorial_dcgan(32, widths=[64, 8, 4]).state_dict(), path),
        r"its blocks.0.0.weight has shape \(64, 8, 4, 4\)|project.weight has shape",
    ),
    "numbers that are none": (
        lambda path: torch.save({k: v * float("nan") for k, v in tutorial_dcgan().state_dict().items()}, path),
        "not finite",
    ),
    "a tensor larger than its file": (
        lambda path: torch.save({"main.0.weight": torch.zeros(1).expand(2**33)}, path),
        "would take more than 4 GiB",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_generator_is_refused_in_a_sentence(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    make, words = REFUSED[name]
    make(tmp_path / "file.pth")
    with pytest.raises(InputError, match=words) as caught:
        convert(tmp_path / "file.pth")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        convert(tmp_path / "none.pth")


def test_the_command_writes_a_checkpoint_that_plays(tmp_path):
    theirs = stir(tutorial_dcgan())
    safetensors.torch.save_file(theirs.state_dict(), tmp_path / "netG_epoch_24.safetensors")
    torch.save(theirs.state_dict(), tmp_path / "netG_epoch_24.pth")
    for source in ("netG_epoch_24.pth", "netG_epoch_24.safetensors"):
        out = tmp_path / source.replace(".", "-")
        command = [sys.executable, "-m", "pretrained", "convert", str(tmp_path / source), "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "found: dcgan.Generator, width 4, 16 px" in done.stderr
        assert pretrained.load(str(out), "cpu").sample([0]).shape == (1, 16, 16, 3)
        with Image.open(out / "samples.png") as samples:
            assert samples.size == (128, 128)
        assert "dcgan.Generator" in (out / "README.md").read_text()
        again = subprocess.run(command, capture_output=True, text=True)
        assert again.returncode == 2
        assert "is not empty" in again.stderr
