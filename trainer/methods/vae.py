"""Variational autoencoder (Kingma & Welling 2013, arXiv:1312.6114); `beta` weighs its prior (Higgins et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrained import networks
from trainer.data.batches import Batches
from trainer.data.dataset import Dataset
from trainer.method import MAIN, Adam, Method, Published, Updates
from trainer.recipe import Recipe


def bernoulli(logits: Tensor, x: Tensor) -> Tensor:
    """-log p(x|z) of a Bernoulli distribution per pixel -> scalar, summed over pixels, mean over images."""
    return F.binary_cross_entropy_with_logits(logits, (x + 1) / 2, reduction="sum") / len(x)


def gaussian(logits: Tensor, x: Tensor) -> Tensor:
    """-log p(x|z) of a Gaussian of unit variance per pixel, up to a constant -> scalar, summed and averaged alike."""
    return 0.5 * F.mse_loss((logits / 2).tanh(), x, reduction="sum") / len(x)


RECONSTRUCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"bce": bernoulli, "mse": gaussian}


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)), summed over z, mean over images (appendix B)."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(dim=1).mean()


@dataclass(frozen=True)
class Options:
    """Network and losses."""

    reconstruction: Literal[tuple(RECONSTRUCTIONS)] = "bce"  # type: ignore[valid-type]
    """Reconstruction loss: bce (a Bernoulli distribution per pixel) or mse (a Gaussian)."""
    beta: float = 1.0
    """Weight of the KL loss to the prior; 1 is the VAE, smaller values give sharper images."""
    z_dim: int = 32
    """Dimension of the latent z."""
    width: int = 32
    """Base number of channels, at the largest feature map; deeper layers have more."""
    widest: int = 0
    """Channels at 4 px, where they are more than 8 times the width: so a model grows into a higher resolution."""


class VAE(Method):
    """An encoder and a decoder, published as one network."""

    any_shape = True
    optimizer = Adam(1e-3, (0.9, 0.999))
    published: ClassVar = {MAIN: Published("autoencoder")}

    def __init__(self, options: Options, data: Dataset):
        super().__init__(options, data)
        shape = {"size": data.size, "channels": data.channels}
        shape |= {"widest": options.widest} if options.widest else {}
        self.spec = {"class": "vae.VAE", **shape, "z_dim": options.z_dim, "width": options.width}
        self.autoencoder = networks.build(self.spec)

    def updates(self, batches: Batches) -> Updates:
        x, _ = next(batches)
        mean, log_variance = (part.float() for part in self.autoencoder.encode(x))
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)  # eq. 10
        reconstruction = RECONSTRUCTIONS[self.options.reconstruction](self.autoencoder.logits(z).float(), x)
        kl = kl_divergence(mean, log_variance)
        self.measures = {"KL": kl.detach()}
        yield self.autoencoder, {"reconstruction": reconstruction, "prior": self.options.beta * kl}

    def checkpoint(self) -> dict[str, Any]:
        return {"pipeline": "generate", "network": self.spec, "input": {"noise": "normal", "encode": True}}


RECIPES = [
    # The paper has perceptrons with 500 hidden units, Adagrad and batches of 100; these are convolutions and Adam.
    Recipe(
        name="vae-mnist",
        method=VAE,
        options=Options(z_dim=16),
        summary="variational autoencoder at 32 px on handwritten digits",
        result="146 nats an image; a classifier recognises 0.65 times as many samples as real digits; "
        "6 min on one thread",
        data="mnist",
        size=32,
        kimg=600,
    ),
    # A Gaussian for each pixel, as for the paper's Frey faces, but of fixed variance, for which --beta compensates.
    Recipe(
        name="vae-64",
        method=VAE,
        options=Options(reconstruction="mse", z_dim=128, width=64),
        summary="variational autoencoder at 64 px, on a folder of images",
        result="on 2,059 hand signs after 50 kimg: hands with soft fingers; 7 min on one thread",
        data="cifar10",
        size=64,
        kimg=2000,
    ),
]
