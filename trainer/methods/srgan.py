"""SRGAN (Ledig et al. 2016, arXiv:1609.04802): super-resolution with a content and an adversarial loss."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrained import networks
from pretrained.networks.sizes import Size
from pretrained.system.errors import InputError
from trainer.data import pairs
from trainer.data.batches import Batches
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.data.pairs import PairOptions, Pairs
from trainer.losses import bce
from trainer.method import Adam, Method, Updates
from trainer.metrics import perceptual
from trainer.metrics.psnr_ssim import WINDOW, luma, psnr, ssim
from trainer.recipe import Recipe


@dataclass(frozen=True)
class Options:
    """Networks, losses and the schedule."""

    scale: int = 4
    """Upscaling factor: 2, 4 or 8."""
    mse_kimg: float = 100.0
    """Train G with the squared error alone (SRResNet) for this many thousand images, then with D."""
    adversarial_weight: float = 1e-3
    """Weight of the adversarial loss."""
    perceptual: str = "vgg16"
    """Network of the content loss: vgg16, squeezenet (both are downloaded), a file of their weights, or none (MSE)."""
    width: int = 64
    """Channels of G."""
    blocks: int = 16
    """Residual blocks of G."""
    discriminator_width: int = 64
    """Base number of channels of D, at the largest feature map; smaller maps have more."""
    jitter: float = 1.0
    """Random crops: images are stored larger by this fraction, and cropped to `size`."""


class SRGAN(Method):
    """A super-resolution network G against a D of large images."""

    optimizer = Adam(1e-4, (0.9, 0.999))

    def __init__(self, options: Options, data: Pairs):
        super().__init__(options, data)
        smallest = 2 * options.scale + WINDOW
        if data.size < smallest:
            raise InputError(f"`size` must be >= {smallest} with `scale` {options.scale}, got {data.size}")
        network = {"width": options.width, "blocks": options.blocks, "scale": options.scale}
        self.spec = {"class": "srresnet.Generator", "inputs": data.inputs, "channels": data.channels, **network}
        self.G = networks.build(self.spec)
        discriminator_args = {"size": data.size, "channels": data.channels, "width": options.discriminator_width}
        self.D = networks.build({"class": "srresnet.Discriminator", **discriminator_args})
        self.perceptual_loss = perceptual.choose(options.perceptual)
        self.input = data.checkpoint_input() | {"size": None, "scale": options.scale}
        self.notes.append(f"adversarial training starts at {options.mse_kimg:g} kimg")

    @classmethod
    def read(
        cls, options: Options, name: str, size: Size, root: Path, channels: int | None, how: Reading = AS_FOUND
    ) -> Pairs:
        made = PairOptions(degradation="downsample", jitter=options.jitter)
        return pairs.load_pairs(name, size, root, channels, made, {"scale": options.scale}, how)

    def phase(self, batches: Batches) -> bool:
        """Whether G still minimises the error alone."""
        return batches.images_seen < self.options.mse_kimg * 1000

    def updates(self, batches: Batches) -> Updates:
        starts_with_error = self.phase(batches)
        source, target = next(batches)
        output = self.G(source)
        self.measures = self._measures(source, output.detach(), target)
        error = F.mse_loss(output.float(), target)
        if starts_with_error:
            yield self.G, {"MSE": error}
            return
        yield self.D, {"D": bce(self.D(target).float(), 1.0) + bce(self.D(output.detach()).float(), 0.0)}
        content = (
            {"content": self.perceptual_loss.difference(output, target)} if self.perceptual_loss else {"MSE": error}
        )
        yield self.G, {**content, "G": self.options.adversarial_weight * bce(self.D(output).float(), 1.0)}

    @torch.no_grad()
    def _measures(self, source: Tensor, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """PSNR and SSIM of the brightness without a border of `scale` px, of G and of bicubic enlargement."""
        bicubic = F.interpolate(source, target.shape[2:], mode="bicubic")
        wanted = luma(target, self.options.scale)
        return {
            f"{measure.__name__.upper()}{name}": measure(luma(made, self.options.scale), wanted).mean()
            for measure in (psnr, ssim)
            for name, made in (("", output), (" bicubic", bicubic))
        }

    def checkpoint(self) -> dict[str, Any]:
        return {"pipeline": "translate", "network": self.spec, "input": self.input}


RECIPES = [
    # The paper's networks (G without batch normalisation), batch, rate and 96 px; its features are those of VGG-19's
    # last convolution, and it trains on 350,000 images.
    Recipe(
        name="srgan-x4",
        method=SRGAN,
        options=Options(),
        summary="SRGAN: super-resolution of images of any size by a factor of 4, on any folder of images",
        data="pictures",
        size=96,
        kimg=200,
        batch_size=16,
        horizontal_flip=True,
    ),
]
