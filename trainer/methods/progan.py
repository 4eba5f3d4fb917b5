"""ProGAN (Karras et al. 2017, arXiv:1710.10196): WGAN-GP, while both networks and the real pictures grow from 4 px."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrained import networks
from pretrained.checkpoint import Config
from pretrained.networks.progan import STEPS, upsample
from pretrained.system.errors import InputError
from trainer.augment import AugmentOptions, choose
from trainer.data.dataset import Batches, Dataset
from trainer.losses import LOSSES, PENALTIES, Targets
from trainer.method import Adam, Method, Updates
from trainer.recipe import Recipe

LOSS, PENALTY = LOSSES["wgan-gp"], PENALTIES["wgan-gp"]


@dataclass(frozen=True)
class Options(AugmentOptions):
    """How the networks are made, and how fast they grow."""

    fade_kimg: float = 600.0
    """Thousands of pictures over which a level fades in."""
    stable_kimg: float = 600.0
    """Thousands of pictures between two fades, and before the first."""
    penalty_weight: float = PENALTY.weight
    """Weight of the gradient penalty."""
    drift: float = 0.001
    """Weight of D(x)^2, which keeps the critic near zero."""
    z_dim: int = 128
    """Length of the latent vector; 512 in the paper."""
    width: int = 32
    """Channels at full size, doubled with each halving, 8 times at most."""
    widest: int = 0
    """Channels at 4 px, where they are more than 8 times the width: so a model grows into a higher resolution."""


def grown(images_seen: int, stable_kimg: float, fade_kimg: float, num_levels: int, begin: int = 0) -> int:
    """How far the networks have grown, as `networks.progan.Growing.grown`: a function of the pictures seen alone.

    Args:
        begin: how far they had grown before.
    """
    cycles, since = divmod(images_seen / 1000, stable_kimg + fade_kimg)
    share = max(since - stable_kimg, 0) / fade_kimg if fade_kimg else 0.0
    return min(begin + int(STEPS * (cycles + share)), STEPS * (num_levels - 1))


class ProGAN(Method):
    """A growing generator G against a growing critic D."""

    optimizer = Adam(1e-3, (0.0, 0.99))

    def __init__(self, options: Options, data: Dataset):
        super().__init__(options, data)
        if options.stable_kimg < 0 or options.fade_kimg < 0 or options.stable_kimg + options.fade_kimg == 0:
            raise InputError("--stable-kimg and --fade-kimg must not be negative, nor both 0")
        shape = {"size": data.size, "channels": data.channels, "width": options.width}
        shape |= {"widest": options.widest} if options.widest else {}
        self.spec = {"class": "progan.Generator", "z_dim": options.z_dim, **shape}
        self.G = networks.build(self.spec)
        self.D = networks.build({"class": "progan.Discriminator", **shape})
        self.register_buffer("begin", torch.tensor(0))
        self.grow(0)
        self.augment = choose(options, data, self.notes, has_midpoint=False)
        kimg = (len(self.G.blocks) - 1) * (options.stable_kimg + options.fade_kimg)
        self.notes.append(f"full size is reached at {kimg:g} kimg; until then pictures are coarser")

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Also of a run from before there was fine-tuning."""
        return super().load_state_dict({"begin": torch.tensor(0), **state_dict}, *args, **kwargs)

    def grow(self, images_seen: int) -> None:
        """Set both networks to where they should be after so many pictures."""
        value = grown(
            images_seen, self.options.stable_kimg, self.options.fade_kimg, len(self.G.blocks), int(self.begin)
        )
        self.G.grown.fill_(value)
        self.D.grown.fill_(value)

    def begin_from(self, base: Config) -> None:
        """Go on from the level that the base had reached."""
        self.begin.fill_(int(self.G.grown))

    def shrink(self, x: Tensor) -> Tensor:
        """Real pictures at the side of the highest level; while it fades in, they gain their detail with it."""
        level, alpha = self.D.stage()
        x = F.avg_pool2d(x, x.shape[-1] >> (level + 2))
        return x if alpha == 1 else torch.lerp(upsample(F.avg_pool2d(x, 2)), x, alpha)

    def noise(self, like: Tensor) -> Tensor:
        """z ~ N(0, 1), one for each picture of `like`."""
        return torch.randn(len(like), self.options.z_dim, device=like.device)

    def updates(self, batches: Batches) -> Updates:
        self.grow(batches.images_seen)
        x, _ = next(batches)
        real = self.augment(self.shrink(x))
        with torch.no_grad():
            fake = self.augment(self.G.draw(self.noise(x)).float())
        scores = self.D(real).float()
        terms = {
            "D": LOSS.discriminator(scores, self.D(fake).float(), Targets()),
            "penalty": self.options.penalty_weight * PENALTY.function(self.D, real, fake),
            "drift": self.options.drift * scores.square().mean(),
        }
        yield self.D, terms
        fake = self.augment(self.G.draw(self.noise(x)))
        yield self.G, {"G": LOSS.generator(self.D(fake).float(), None, Targets())}

    def checkpoint(self) -> dict[str, Any]:
        return {"pipeline": "generate", "network": self.spec, "input": {"noise": "normal"}, "condition": None}


RECIPES = [
    Recipe(
        name="progan-mnist",
        method=ProGAN,
        options=Options(fade_kimg=40, stable_kimg=40, z_dim=64, width=16),
        summary="ProGAN growing from 4 to 32 px on handwritten digits, small enough for a processor",
        data="mnist",
        size=32,
        kimg=600,
        batch_size=32,
    ),
    Recipe(
        name="progan-64",
        method=ProGAN,
        options=Options(),
        summary="ProGAN growing from 4 to 64 px at the paper's pace, on a folder of pictures",
        data="cifar10",
        size=64,
        kimg=6000,
        batch_size=32,
    ),
]
