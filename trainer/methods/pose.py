"""Pose-guided images of people (Ma et al. 2017, arXiv:1705.09368): the same person, in another pose.

As in the paper, G is first trained with an L1 loss, weighted higher on the body, and later with a discriminator. Here
both stages train one U-Net; the paper refines the result of the first with a second network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrained import networks
from pretrained.networks.sizes import Size
from trainer.data import pairs
from trainer.data.batches import Batches
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.data.pairs import NUM_FAKE, NUM_FAKE_HELD_OUT, Pairs
from trainer.data.sets import stick_figures
from trainer.data.sources import Stacked
from trainer.losses import bce
from trainer.method import Adam, Method, Updates
from trainer.methods.pix2pix import patch_discriminator
from trainer.recipe import Recipe

FIGURES = "figures"
NUM_FIGURES, NUM_HELD_OUT = 2000, 100


@dataclass(frozen=True)
class Options:
    """Networks and losses."""

    l1_kimg: float = 20.0
    """Train G with the L1 loss alone for this many thousand images, then with D."""
    l1_weight: float = 100.0
    """Weight of the L1 loss |target - output|, doubled on the body."""
    thickness: float = 0.08
    """Radius of the body around the bones of the pose, as a fraction of the image size."""
    width: int = 64
    """Base number of channels of G, at the largest feature map; smaller maps have more."""
    discriminator_width: int = 64
    """Base number of channels of D."""
    layers: int = 3
    """Strided convolutions in D: 1, 2, 3 or 4 give patches of 16, 34, 70 or 142 px."""


def body_mask(pose: Tensor, radius: int) -> Tensor:
    """Poses (N, 3, H, W) in [-1, 1], black but for the bones -> (N, 1, H, W), 1 within `radius` px of them (3.2)."""
    bones = (pose.amax(dim=1, keepdim=True) > -0.5).float()
    return F.max_pool2d(bones, 2 * radius + 1, stride=1, padding=radius)


def masked_l1(output: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """|target - output|, twice where the mask (N, 1, H, W) is 1, mean over all (eq. 1)."""
    return ((output - target).abs() * (1 + mask)).mean()


class PoseGuided(Method):
    """A translator G of (person, pose) against a PatchGAN D of (person, image)."""

    optimizer = Adam(2e-4)

    def __init__(self, options: Options, data: Pairs):
        super().__init__(options, data)
        second = data.sources.second
        self.second, self.channels = second, data.channels
        shape = {"size": data.size, "inputs": data.inputs, "channels": data.channels, "width": options.width}
        self.spec = {"class": "unet.Generator", **shape}
        self.G = networks.build(self.spec)
        self.D = patch_discriminator(2 * data.channels, data.size, options.discriminator_width, options.layers)
        self.radius = max(1, round(options.thickness * data.size))
        self.input = data.checkpoint_input() | {"second": {"kind": "pose", "channels": second}}
        self.notes.append(f"adversarial training starts at {options.l1_kimg:g} kimg")

    @classmethod
    def read(
        cls, options: Options, name: str, size: Size, root: Path, channels: int | None, how: Reading = AS_FOUND
    ) -> Pairs:
        if name not in (FIGURES, "fake"):
            return pairs.load_stacks(name, size, 3, 0.0, ("A", "pose", "B"), how=how)
        count, held_out = (NUM_FIGURES, NUM_HELD_OUT) if name == FIGURES else (NUM_FAKE, NUM_FAKE_HELD_OUT)
        images = stick_figures.render(count + held_out, size)
        stacked = Stacked(6, second=3)
        return Pairs(name, images[held_out:], licence="CC0", crop=size, sources=stacked, held_out=images[:held_out])

    def phase(self, batches: Batches) -> bool:
        """Whether G still minimises L1 alone."""
        return batches.images_seen < self.options.l1_kimg * 1000

    def updates(self, batches: Batches) -> Updates:
        starts_with_l1 = self.phase(batches)
        source, target = next(batches)
        person, pose = source.split([self.channels, self.second], dim=1)
        output = self.G(source)
        l1 = self.options.l1_weight * masked_l1(output.float(), target, body_mask(pose, self.radius))
        if starts_with_l1:
            yield self.G, {"L1": l1}
            return
        real = self.D(torch.cat([person, target], dim=1)).float()
        fake = self.D(torch.cat([person, output.detach()], dim=1)).float()
        yield self.D, {"D": 0.5 * (bce(real, 1.0) + bce(fake, 0.0))}
        yield self.G, {"L1": l1, "G": bce(self.D(torch.cat([person, output], dim=1)).float(), 1.0)}

    def checkpoint(self) -> dict[str, Any]:
        return {"pipeline": "translate", "network": self.spec, "input": self.input}


RECIPES = [
    # People are drawn before training begins; a folder of your own holds person, pose and person side by side in each
    # file, or sub-folders A, pose and B.
    Recipe(
        name="pose-figures",
        method=PoseGuided,
        options=Options(width=32, discriminator_width=32),
        summary="pose transfer at 64 px: a drawn person in the pose of a stick figure",
        data=FIGURES,
        size=64,
        kimg=100,
        batch_size=8,
        ema_kimg=2,
    ),
]
