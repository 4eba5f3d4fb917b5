"""A small checkpoint for tests, whose pictures differ as those of a trained one do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import nn

from pretrained import checkpoint, networks

CLASSES = ["<b>coat</b>", "bag"]


def save_small(folder: Path, channels: int = 3, classes: list[str] | None = None, size: int = 32) -> Path:
    """An untrained generator with lively weights, and norms that know what comes in -> `folder`."""
    torch.manual_seed(0)
    spec = {"class": "dcgan.Generator", "size": size, "channels": channels, "z_dim": 8, "width": 4}
    spec |= {"num_classes": len(classes)} if classes else {}
    network = networks.build(spec)
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.2)
    labels = torch.arange(256) % len(classes) if classes else None
    for _ in range(20):
        network.train()(torch.randn(256, 8), labels)
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


def save_squeezenet(path: Path) -> Path:
    """The weights of a SqueezeNet 1.0 that has learnt nothing, in a file like that of the real ones."""
    torch.manual_seed(0)
    state = torchvision.models.squeezenet1_0().state_dict()
    np.savez(path, **{name: tensor.numpy() for name, tensor in state.items()})
    return path
