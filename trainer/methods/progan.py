"""ProGAN (Karras et al. 2017, arXiv:1710.10196): WGAN-GP, while both networks and the real images grow from 4 px."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrained import networks
from pretrained.checkpoint import Config
from pretrained.networks.progan import STEPS, Stage, fade, stage, upsample
from pretrained.system.errors import InputError
from trainer.augment import AugmentOptions, choose
from trainer.data.batches import Batches
from trainer.data.dataset import Dataset
from trainer.losses import LOSSES, PENALTIES, Targets
from trainer.method import Adam, Method, Updates
from trainer.recipe import Recipe

LOSS, PENALTY = LOSSES["wgan-gp"], PENALTIES["wgan-gp"]


@dataclass(frozen=True)
class Options(AugmentOptions):
    """Networks and the schedule of progressive growing."""

    fade_kimg: float = 600.0
    """Length of the fade-in of a new resolution, in thousands of images."""
    stable_kimg: float = 600.0
    """Length of training at a fixed resolution, before each fade-in, in thousands of images."""
    penalty_weight: float = PENALTY.weight
    """Weight of the gradient penalty."""
    drift: float = 0.001
    """Weight of the drift penalty D(x)^2."""
    z_dim: int = 128
    """Dimension of the latent z; 512 in the paper."""
    width: int = 32
    """Base number of channels, at full resolution; doubled at each lower resolution, at most 8 times as many."""
    widest: int = 0
    """Channels at 4 px, where they are more than 8 times the width: so a model grows into a higher resolution."""


def grown(images_seen: int, stable_kimg: float, fade_kimg: float, num_levels: int, begin: int = 0) -> int:
    """Growth of the networks, as in `networks.progan.Growing.grown`, as a function of the images seen.

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
            raise InputError(
                "`stable_kimg` and `fade_kimg` must be >= 0 and not both 0, "
                f"got {options.stable_kimg:g} and {options.fade_kimg:g}"
            )
        shape = {"size": data.size, "channels": data.channels, "width": options.width}
        shape |= {"widest": options.widest} if options.widest else {}
        self.spec = {"class": "progan.Generator", "z_dim": options.z_dim, **shape}
        self.G = networks.build(self.spec)
        self.D = networks.build({"class": "progan.Discriminator", **shape})
        self.begin = 0  # how far they had grown before; Python asks for it at each round, so it is no buffer
        for network in (self.G, self.D):
            network.grown.zero_()
        self.augment = choose(options, data, self.notes, has_midpoint=False)
        kimg = (len(self.G.blocks) - 1) * (options.stable_kimg + options.fade_kimg)
        self.notes.append(f"full resolution is reached at {kimg:g} kimg")

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.begin)

    def set_extra_state(self, state: Tensor) -> None:
        self.begin = int(state)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Also of a run from before there was fine-tuning."""
        return super().load_state_dict({"_extra_state": torch.tensor(0), **state_dict}, *args, **kwargs)

    def begin_from(self, base: Config) -> None:
        """Go on from the level that the base had reached."""
        self.begin = int(self.G.grown)

    def grown(self, batches: Batches) -> int:
        pace = self.options.stable_kimg, self.options.fade_kimg
        return grown(batches.images_seen, *pace, len(self.G.blocks), self.begin)

    def phase(self, batches: Batches) -> Stage:
        """The level of both networks, and whether it is still fading in."""
        return stage(self.grown(batches))

    def schedule(self, batches: Batches) -> None:
        for network in (self.G, self.D):
            network.grown.fill_(self.grown(batches))

    def shrink(self, x: Tensor, stage: Stage) -> Tensor:
        """Real images at the current resolution; during a fade-in, blended with the lower resolution like the fakes."""
        x = F.avg_pool2d(x, x.shape[-1] >> (stage.level + 2))
        return fade(upsample(F.avg_pool2d(x, 2)), x, self.D.alpha()) if stage.fades else x

    def noise(self, like: Tensor) -> Tensor:
        """z ~ N(0, 1), one for each image of `like`."""
        return torch.randn(len(like), self.options.z_dim, device=like.device)

    def updates(self, batches: Batches) -> Updates:
        stage = self.phase(batches)
        D = partial(self.D, stage=stage)
        x, _ = next(batches)
        real = self.augment(self.shrink(x, stage))
        with torch.no_grad():
            fake = self.augment(self.G.draw(self.noise(x), stage).float())
        scores = D(real).float()
        terms = {
            "D": LOSS.discriminator(scores, D(fake).float(), Targets()),
            "penalty": self.options.penalty_weight * PENALTY.function(D, real, fake),
            "drift": self.options.drift * scores.square().mean(),
        }
        yield self.D, terms
        fake = self.augment(self.G.draw(self.noise(x), stage))
        yield self.G, {"G": LOSS.generator(D(fake).float(), None, Targets())}

    def checkpoint(self) -> dict[str, Any]:
        return {"pipeline": "generate", "network": self.spec, "input": {"noise": "normal"}, "condition": None}


RECIPES = [
    Recipe(
        name="progan-mnist",
        method=ProGAN,
        options=Options(fade_kimg=40, stable_kimg=40, z_dim=64, width=16),
        summary="ProGAN growing from 4 to 32 px on handwritten digits, small enough for a CPU",
        result="grown in 36 kimg, after 110 a classifier recognises 0.65 times as many samples as real digits; "
        "25 min on one thread",
        data="mnist",
        size=32,
        kimg=600,
        batch_size=32,
    ),
    Recipe(
        name="progan-64",
        method=ProGAN,
        options=Options(),
        summary="ProGAN growing from 4 to 64 px at the paper's pace, on a folder of images",
        result="on 2,059 hand signs at 32 px after 75 kimg: FID 56 with features of SqueezeNet; 51 min on one thread",
        data="cifar10",
        size=64,
        kimg=6000,
        batch_size=32,
    ),
]
