"""Pix2pix (Isola et al. 2016, arXiv:1611.07004): a conditional GAN with an L1 loss to the target image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import nn

from pretrained import networks
from pretrained.networks.sizes import Size, sides
from pretrained.system.errors import InputError
from trainer.data import hints, pairs
from trainer.data.batches import Batches
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.data.pairs import PairOptions, Pairs
from trainer.losses import LOSSES, Targets
from trainer.method import Adam, Method, Updates
from trainer.metrics import perceptual
from trainer.recipe import Recipe

PLAIN = tuple(name for name, row in LOSSES.items() if row.penalty == "none" and not row.clip and not row.relativistic)
# What the colours of label maps are called; facades: the medians of what JPEG made of them in the pix2pix set.
PALETTES = {
    "facades": {
        "background": "#0000de",
        "wall": "#0030ff",
        "window": "#027fff",
        "door": "#01cfff",
        "cornice": "#23fee2",
        "sill": "#70fd93",
        "balcony": "#c0ff3f",
        "blind": "#fdf004",
        "decoration": "#ff9f03",
        "molding": "#fd5001",
        "pillar": "#f70305",
        "shop": "#ae0001",
    },
}


@dataclass(frozen=True)
class Options(PairOptions):
    """Pairs, networks and losses."""

    labels: Literal[("none", *PALETTES)] = "none"  # type: ignore[valid-type]
    """Sources are label maps with the colours of this palette, which the apps offer for painting."""
    network: Literal["unet", "resnet"] = "unet"
    """Architecture of G: unet (fixed image size) or resnet (CycleGAN's, any image size)."""
    loss: Literal[PLAIN] = "non-saturating"  # type: ignore[valid-type]
    """Adversarial loss."""
    l1_weight: float = 100.0
    """Weight of the L1 loss |target - output|."""
    perceptual: str = "none"
    """Network of a perceptual loss: vgg16, squeezenet (both are downloaded), a file of their weights, or none."""
    perceptual_weight: float = 10.0
    """Weight of the perceptual loss."""
    width: int = 64
    """Base number of channels of G, at the largest feature map; smaller maps have more."""
    discriminator_width: int = 64
    """Base number of channels of D."""
    resize_convolutions: bool = False
    """Upsample by convolving and interpolating, which leaves no grain of 2 px (unet only)."""
    hints: int = 0
    """Largest number of dabs of the target's colours on a source; half of the sources have none."""
    layers: int = 3
    """Strided convolutions in D: 1, 2, 3 or 4 give patches of 16, 34, 70 or 142 px."""


def patch_discriminator(inputs: int, size: Size, width: int, layers: int) -> nn.Module:
    """A PatchGAN discriminator for images (N, inputs, *size); InputError if they are too small for it."""
    if min(sides(size)) < 4 * 2**layers:
        raise InputError(f"`size` must be >= {4 * 2**layers} with `layers` {layers}, got {size}")
    return networks.build({"class": "patchgan.Discriminator", "inputs": inputs, "width": width, "layers": layers})


class Pix2Pix(Method):
    """A translator G against D, which sees patches of (source, image)."""

    any_shape = True
    shows_after = 8.0
    optimizer = Adam(2e-4)
    layout = torch.contiguous_format

    def __init__(self, options: Options, data: Pairs):
        super().__init__(options, data)
        self.input = data.checkpoint_input()
        if options.labels != "none":
            if options.degradation != "none":
                raise InputError("`labels` has no effect with `degradation`: set only one of them")
            self.input["source"] |= {"kind": "labels", "palette": PALETTES[options.labels]}
        if options.hints:
            if (data.inputs, data.channels) != (3, 3):
                raise InputError("`hints` needs pairs of drawings and images, both in colour: set `degradation` none")
            self.input["source"] = {"kind": "drawing"}
        if options.network == "resnet":
            self.input["size"] = None
        shape = {"size": data.size, "inputs": data.inputs, "channels": data.channels, "width": options.width}
        self.spec = {
            "class": f"{options.network}.Generator",
            **shape,
            **({"resize": True} if options.resize_convolutions else {}),
        }
        self.G = networks.build(self.spec)
        self.D = patch_discriminator(
            data.inputs + data.channels, data.size, options.discriminator_width, options.layers
        )
        self.loss = LOSSES[options.loss]
        self.perceptual_loss = perceptual.choose(options.perceptual)

    @classmethod
    def read(
        cls, options: Options, name: str, size: Size, root: Path, channels: int | None, how: Reading = AS_FOUND
    ) -> Pairs:
        return pairs.load_pairs(name, size, root, channels, options, how=how)

    def updates(self, batches: Batches) -> Updates:
        source, target = (x.contiguous() for x in next(batches))
        if self.options.hints:
            source, target = hints.give(source, target, self.options.hints)
        output = self.G(source)
        real = self.D(torch.cat([source, target], dim=1)).float()
        fake = self.D(torch.cat([source, output.detach()], dim=1)).float()
        # Halved, so that D learns more slowly than G (section 3.3).
        yield self.D, {"D": 0.5 * self.loss.discriminator(real, fake, Targets())}
        fake = self.D(torch.cat([source, output], dim=1)).float()
        terms = {
            "G": self.loss.generator(fake, None, Targets()),
            "L1": self.options.l1_weight * F.l1_loss(output.float(), target),
        }
        if self.perceptual_loss:
            terms["perceptual"] = self.options.perceptual_weight * self.perceptual_loss.difference(output, target)
        yield self.G, terms

    def checkpoint(self) -> dict[str, Any]:
        return {"pipeline": "translate", "network": self.spec, "input": self.input}


RECIPES = [
    # The paper's networks, batch, rate, jitter and mirroring; 200 epochs of 400 images. The set (CMP, 2013) is
    # for research: github.com/phillipi/pix2pix has it, photographs on the left.
    Recipe(
        name="pix2pix-facades",
        method=Pix2Pix,
        options=Options(direction="BtoA", labels="facades"),
        summary="pix2pix at 256 px: photographs of house fronts from painted label maps",
        data="facades",
        size=256,
        kimg=80,
        batch_size=1,
        ema_kimg=1,
        horizontal_flip=True,
    ),
    # Narrower and shorter.
    Recipe(
        name="labels-facades",
        method=Pix2Pix,
        options=Options(direction="BtoA", labels="facades", width=24, discriminator_width=24),
        summary="pix2pix at 256 px, small: house fronts from painted label maps",
        result="walls, windows and balconies where they should be, doors a blur, FID 125 of 100; 79 min on one thread",
        data="facades",
        size=256,
        kimg=20,
        batch_size=1,
        ema_kimg=1,
        horizontal_flip=True,
    ),
    # Narrower than the paper's. Any folder of images will do: their outlines are drawn as training runs.
    Recipe(
        name="pix2pix-emoji",
        method=Pix2Pix,
        options=Options(degradation="sketch", width=32, discriminator_width=32, layers=2),
        summary="pix2pix at 128 px: emoji from sketches, on any folder of images",
        result="after 80 kimg skin and hair are found from the outline, much is brown or grey-blue; "
        "75 min on one thread",
        data="emoji",
        size=128,
        kimg=200,
        batch_size=4,
        ema_kimg=2,
        decay=0.5,
        horizontal_flip=True,
    ),
    # Line drawings beside coloured pictures. Drawn dabs of colour are heeded, and lines stay.
    Recipe(
        name="draw-emoji",
        method=Pix2Pix,
        options=Options(hints=8, resize_convolutions=True, width=24, discriminator_width=16, layers=2),
        summary="pix2pix at 128 px: colours for line drawings, dabs of colour saying which",
        result="lines stay, and shapes take the colour of dabs; 67 min on one thread that was busy",
        data="openmoji",
        size=128,
        kimg=40,
        batch_size=8,
        ema_kimg=2,
        decay=0.5,
        horizontal_flip=True,
    ),
    Recipe(
        name="pix2pix-colourise",
        method=Pix2Pix,
        options=Options(degradation="grey", network="resnet", width=32, discriminator_width=32),
        summary="pix2pix at 128 px: colours for grey images of any size, on any folder of images",
        data="pictures",
        size=128,
        kimg=200,
        batch_size=4,
        ema_kimg=2,
        decay=0.5,
        horizontal_flip=True,
    ),
]
