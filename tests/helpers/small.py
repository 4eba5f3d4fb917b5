"""A small checkpoint for tests, whose pictures differ as those of a trained one do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import nn

from pretrained import checkpoint, networks
from pretrained.networks.sizes import Size

CLASSES = ["<b>coat</b>", "bag"]


def save_small(
    folder: Path, channels: int = 3, classes: list[str] | None = None, size: Size = 32, batch: int = 256
) -> Path:
    """An untrained generator with lively weights, and norms that know what comes in -> `folder`."""
    torch.manual_seed(0)
    spec = {"class": "dcgan.Generator", "size": size, "channels": channels, "z_dim": 8, "width": 4}
    spec |= {"num_classes": len(classes)} if classes else {}
    network = networks.build(spec)
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.2)
    labels = torch.arange(batch) % len(classes) if classes else None
    for _ in range(20):
        network.train()(torch.randn(batch, 8), labels)
    config = checkpoint.Config(
        folder.name,
        "generate",
        spec,
        {"noise": "normal"},
        {"classes": classes} if classes else None,
        {"data": "noise", "kimg": 0.5, "licence": "MIT"},
    )
    checkpoint.save(folder, network.eval(), config)
    return folder


ABLE = {
    "style": ({"class": "stylegan.Generator", "w_dim": 8, "width": 4, "mapping_layers": 2}, True),
    "encode": ({"class": "vae.VAE", "width": 4}, True),
    "encode labels": ({"class": "icgan.IcGAN", "width": 4, "encoder_width": 4, "num_classes": 2}, True),
    "text": (
        {"class": "stackgan.Generator", "width": 4, "text_dim": 6, "num_words": 3},
        {"vocabulary": ["red", "blue", "cat"], "examples": ["a red cat", "the blue cat"]},
    ),
}


def save_able(folder: Path, ability: str, channels: int = 3) -> Path:
    """An untrained network at 32 px with lively weights that can do what a row of ABLE says -> `folder`."""
    torch.manual_seed(0)
    spec, said = ABLE[ability]
    spec = spec | {"size": 32, "channels": channels, "z_dim": 8}
    network = networks.build(spec)
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1 and not isinstance(network, networks.stylegan.Generator):
            nn.init.normal_(parameter, 0.0, 1.0 if "read" in name else 0.2)
    for _ in range(20):  # norms learn what comes in
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.train()
        y = torch.arange(128) % 2 if "num_classes" in spec else torch.randint(4, (128, 5))
        network(torch.randn(128, 8), y)
        if hasattr(network, "encode"):
            network.encode(torch.rand(128, channels, 32, 32) * 2 - 1)
    if ability == "style":
        network.w_mean = network.mapping(torch.randn(128, 8)).detach().mean(dim=0, keepdim=True)
    condition = {"classes": CLASSES} if "num_classes" in spec else None
    config = checkpoint.Config(folder.name, "generate", spec, {"noise": "normal", ability.split()[0]: said}, condition)
    checkpoint.save(folder, network.eval(), config)
    return folder


def save_kinds(runs: Path) -> None:
    """A generator of each kind below `runs`, called after what it can do."""
    save_small(runs / "labelled", classes=CLASSES)
    save_small(runs / "plain", channels=1)
    for name, ability in {"styled": "style", "editor": "encode labels", "reader": "text"}.items():
        save_able(runs / name, ability)


def save_squeezenet(path: Path) -> Path:
    """The weights of a SqueezeNet 1.0 that has learnt nothing, in a file like that of the real ones."""
    torch.manual_seed(0)
    state = torchvision.models.squeezenet1_0().state_dict()
    np.savez(path, **{name: tensor.numpy() for name, tensor in state.items()})
    return path


def noise_image(seed: int, size: tuple[int, int] = (40, 24), mode: str = "RGB") -> Image.Image:
    levels = np.random.RandomState(seed).randint(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(levels).convert(mode)
