"""DnCNN (Zhang et al. 2016, arXiv:1608.03981): residual learning of the noise of an image, for denoising."""

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
from trainer.data.pairs import PairOptions, Pairs
from trainer.method import Adam, Method, Updates
from trainer.metrics.psnr_ssim import psnr
from trainer.recipe import Recipe


@dataclass(frozen=True)
class Options:
    """Noise and network."""

    low: float = 0.0
    """Smallest standard deviation of the noise, in pixel values 0 to 255."""
    high: float = 55.0
    """Largest standard deviation; each image has its own in between. Noisy images are rounded and clipped to 0..255."""
    width: int = 64
    """Channels of the hidden layers."""
    layers: int = 20
    """Number of convolutions: in the paper 17 for a known noise level, 20 for any (blind)."""
    jitter: float = 1.0
    """Random crops: images are stored larger by this fraction, and cropped to `size`."""


class Denoiser(Method):
    """One network, trained with the squared error."""

    any_shape = True
    optimizer = Adam(1e-3, (0.9, 0.999))

    def __init__(self, options: Options, data: Pairs):
        super().__init__(options, data)
        shape = {"channels": data.channels, "width": options.width, "layers": options.layers}
        self.spec = {"class": "dncnn.Generator", **shape}
        self.G = networks.build(self.spec)
        self.input = data.checkpoint_input() | {"size": None}

    @classmethod
    def read(
        cls, options: Options, name: str, size: Size, root: Path, channels: int | None, how: Reading = AS_FOUND
    ) -> Pairs:
        made = PairOptions(degradation="noise", jitter=options.jitter)
        return pairs.load_pairs(name, size, root, channels, made, {"low": options.low, "high": options.high}, how)

    def updates(self, batches: Batches) -> Updates:
        source, target = next(batches)
        output = self.G(source).float()
        self.measures = {"PSNR": _decibels(output.detach(), target), "PSNR noisy": _decibels(source, target)}
        yield self.G, {"L2": 0.5 * F.mse_loss(output, target)}  # eq. 1, mean over pixels

    def checkpoint(self) -> dict[str, Any]:
        return {"pipeline": "translate", "network": self.spec, "input": self.input}


@torch.no_grad()
def _decibels(made: Tensor, target: Tensor) -> Tensor:
    """PSNR of images in [-1, 1], mean over a batch."""
    return psnr((made.clamp(-1, 1) + 1) / 2, (target + 1) / 2).mean()


RECIPES = [
    # The paper's blind colour denoiser, CDnCNN-B, and its batch; its patches are of 50 px, and SGD gave way to Adam.
    Recipe(
        name="dncnn",
        method=Denoiser,
        options=Options(),
        summary="DnCNN: denoising of images of any size and noise level, on any folder of images",
        data="pictures",
        size=48,
        kimg=1000,
        batch_size=128,
        decay=0.5,
        horizontal_flip=True,
    ),
    # A field of view of 21 px in place of 41.
    Recipe(
        name="dncnn-photos",
        method=Denoiser,
        options=Options(width=32, layers=10, jitter=3.0),
        summary="DnCNN, small: noise of any strength taken from photographs of any size",
        result="27.0 dB where noisy photographs have 23.3; 14 min on one thread",
        data="caltech101",
        size=48,
        kimg=100,
        batch_size=32,
        decay=0.4,
        horizontal_flip=True,
    ),
]
