"""IcGAN (Perarnau et al. 2016, arXiv:1611.06355): encoders that invert a conditional generator.

G is trained beforehand and frozen. E_z is trained on generated images, whose z is known, and E_y on real images, whose
label is known (section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F

import pretrained
from pretrained import checkpoint, networks
from pretrained.checkpoint import Config
from pretrained.system.errors import InputError
from trainer.data.batches import Batches
from trainer.data.dataset import Dataset
from trainer.method import MAIN, Adam, Method, Published, Updates
from trainer.recipe import Recipe


@dataclass(frozen=True)
class Options:
    """Generator and encoders."""

    generator: str = "dcgan-mnist"
    """Conditional DCGAN to invert: a bundled name, the folder of a dcgan-mnist run, or USER/NAME on the Hub."""
    encoder_width: int = 32
    """Base number of channels of the encoders, at the largest feature map; deeper layers have more."""


class IcGAN(Method):
    """A frozen generator and its two encoders, published as one network."""

    published: ClassVar = {MAIN: Published("icgan")}
    optimizer = Adam(2e-4)

    def __init__(self, options: Options, data: Dataset):
        super().__init__(options, data)
        generator, config = checkpoint.load(pretrained.resolve(options.generator)[0])
        _check(config, options.generator, data)
        shape = {name: value for name, value in config.network.items() if name != "class"}
        self.classes, self.source = config.classes, config.input
        self.spec = {"class": "icgan.IcGAN", **shape, "encoder_width": options.encoder_width}
        self.icgan = networks.build(self.spec)
        self.icgan.G.load_state_dict(generator.state_dict())
        self.icgan.G.requires_grad_(False)
        self.icgan.train()

    def updates(self, batches: Batches) -> Updates:
        x, y = next(batches)
        z = torch.randn(len(x), self.spec["z_dim"], device=x.device)
        with torch.no_grad():
            fake = self.icgan.G(z, y)
        z_error = (self.icgan.E_z(fake).float() - z).square().sum(dim=1).mean()
        # The paper has a squared error for attributes; classes exclude each other.
        y_error = F.cross_entropy(self.icgan.E_y(x).float(), y)
        # E_z and E_y share no weights, so a step on the sum is a step of each on its own.
        yield self.icgan, {"z": z_error, "y": y_error}

    def checkpoint(self) -> dict[str, Any]:
        condition = {"classes": self.classes}
        inputs = {**self.source, "encode": True}
        return {"pipeline": "generate", "network": self.spec, "input": inputs, "condition": condition}


def _check(config: Config, id: str, data: Dataset) -> None:
    """InputError unless it is a conditional DCGAN that fits the dataset."""
    if config.network["class"] != "dcgan.Generator" or not config.classes:
        raise InputError(f"`generator` must be a conditional DCGAN, got {id}: train one with the recipe dcgan-mnist")
    of_generator = (config.network["size"], config.network["channels"], config.classes)
    of_data = (data.size, data.channels, data.classes)
    for name, theirs, ours in zip(("size", "channels", "classes"), of_generator, of_data):
        if theirs != ours:
            raise InputError(f"`generator` {id} has {name} {theirs}, but `data` has {ours}: they must be equal")


RECIPES = [
    # The paper's independent encoders (IND), on the bundled generator.
    Recipe(
        name="icgan-mnist",
        method=IcGAN,
        options=Options(),
        summary="IcGAN: encoders for a trained conditional DCGAN, to change the class of a digit and keep its style",
        result="labels of test digits are read right in 99 of 100, redrawn digits keep slant and weight; "
        "2 min on one thread",
        data="mnist",
        size=32,
        kimg=150,
    ),
]
