"""StyleGAN (Karras et al. 2018, arXiv:1812.04948; 2019, arXiv:1912.04958): non-saturating loss, lazy R1, style mixing.

Path length regularisation is left out: it needs second derivatives of G, and StyleGAN2-ADA (2020, arXiv:2006.06676)
does not use it on CIFAR-10, whose images are as small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pretrained import networks
from pretrained.system.errors import InputError
from trainer import distributed
from trainer.augment import AugmentOptions, choose
from trainer.data.batches import Batches
from trainer.data.dataset import Dataset
from trainer.losses import LOSSES, PENALTIES, Targets
from trainer.method import Adam, Method, Updates
from trainer.recipe import Recipe

LOSS, R1 = LOSSES["non-saturating"], PENALTIES["r1"]


@dataclass(frozen=True)
class Options(AugmentOptions):
    """Networks and regularisation."""

    gamma: float = 1.0
    """Weight of R1, gamma / 2 ||dD/dx||^2; 10 in the paper, at 1024 px."""
    penalty_every: int = 16
    """Compute R1 only in every n-th update of D, with n times the weight (lazy regularisation)."""
    mixing: float = 0.9
    """Probability of style mixing: coarse and fine styles from two latents."""
    z_dim: int = 128
    """Dimension of the latent z; 512 in the paper."""
    w_dim: int = 128
    """Dimension of the style w; 512 in the paper."""
    width: int = 32
    """Base number of channels, at full resolution; doubled at each lower resolution, at most 8 times as many."""
    widest: int = 0
    """Channels at 4 px, where they are more than 8 times the width: so a model grows into a higher resolution."""
    mapping_layers: int = 8
    """Layers of the mapping network from z to w."""
    conditional: bool = False
    """Train a class-conditional model: classes are the labels of a named dataset, or the sub-folders of a folder."""


class StyleGAN(Method):
    """A style-based G against a residual D."""

    any_shape = True
    shows_after = 40.0
    optimizer = Adam(2e-3, (0.0, 0.99))
    won_below = LOSS.won_below

    def __init__(self, options: Options, data: Dataset):
        super().__init__(options, data)
        if options.conditional and not data.classes:
            raise InputError(f"`conditional` needs labels, but {data.name} has none: use a folder with sub-folders")
        self.classes = data.classes if options.conditional else []
        shape = {"size": data.size, "channels": data.channels, "width": options.width, "num_classes": len(self.classes)}
        shape |= {"widest": options.widest} if options.widest else {}
        mapping = {"z_dim": options.z_dim, "w_dim": options.w_dim, "mapping_layers": options.mapping_layers}
        self.spec = {"class": "stylegan.Generator", **shape, **mapping}
        self.G = networks.build(self.spec)
        self.D = networks.build({"class": "stylegan.Discriminator", **shape})
        self.augment = choose(options, data, self.notes)

    def styles(self, x: Tensor, y: Tensor | None) -> Tensor:
        """ws (N, num_styles, w_dim): style mixing of two latents per image at a random crossover layer (2018, 3.1)."""
        z = torch.randn(2, len(x), self.options.z_dim, device=x.device)
        coarse, fine = self.G.mapping(z[0], y), self.G.mapping(z[1], y)
        num_styles = self.G.num_styles
        crossover = torch.randint(1, num_styles, (len(x), 1, 1), device=x.device)
        mixed = torch.rand(len(x), 1, 1, device=x.device) < self.options.mixing
        crossover = torch.where(mixed, crossover, num_styles)
        self._track_mean(coarse.detach(), y)
        place = torch.arange(num_styles, device=x.device).view(1, -1, 1)
        return torch.where(place < crossover, coarse[:, None], fine[:, None])

    @torch.no_grad()
    def _track_mean(self, w: Tensor, y: Tensor | None) -> None:
        """Update the mean style w of each class, for truncation: an EMA with weight 1 / 1000 for each w."""
        mean = self.G.w_mean
        classes = torch.arange(len(mean), device=w.device)
        member = (classes[:, None] == y).float() if y is not None else torch.ones(1, len(w), device=w.device)
        totals = torch.cat([member @ w, member.sum(dim=1, keepdim=True)], dim=1)
        distributed.all_reduce_mean([totals])
        sums, counts = (totals * distributed.count()).split([w.shape[1], 1], dim=1)  # counts (num_classes, 1)
        mean.lerp_(sums / counts.clamp(min=1), 1 - 0.999**counts)

    def phase(self, batches: Batches) -> bool:
        """Whether the next round has R1."""
        return (batches.num_batches + 1) % self.options.penalty_every == 0

    def updates(self, batches: Batches) -> Updates:
        has_penalty = self.phase(batches)
        x, y = next(batches)
        y = y if self.classes else None
        real = self.augment(x)
        with torch.no_grad():
            fake = self.augment(self.G.synthesis(self.styles(x, y)))
        logits = self.D(real, y).float()
        terms = {"D": LOSS.discriminator(logits, self.D(fake, y).float(), Targets())}
        self.measures = self.augment.observe(logits)
        if has_penalty:
            strength = self.options.gamma * self.options.penalty_every
            terms["R1"] = strength * R1.function(lambda x: self.D(x, y), real, fake)
        yield self.D, terms
        fake = self.augment(self.G.synthesis(self.styles(x, y)))
        yield self.G, {"G": LOSS.generator(self.D(fake, y).float(), None, Targets())}

    def checkpoint(self) -> dict[str, Any]:
        return {
            "pipeline": "generate",
            "network": self.spec,
            "input": {"noise": "normal", "style": True},
            "condition": {"classes": self.classes} if self.classes else None,
        }


RECIPES = [
    Recipe(
        name="stylegan-mnist",
        method=StyleGAN,
        options=Options(z_dim=64, w_dim=64, width=16, mapping_layers=4),
        summary="StyleGAN at 32 px on handwritten digits, small enough for a CPU",
        result="after 200 kimg a classifier recognises 0.85 times as many samples as real digits; 29 min on one thread",
        data="mnist",
        size=32,
        kimg=600,
        batch_size=32,
    ),
    Recipe(
        name="stylegan-fashion",
        method=StyleGAN,
        options=Options(z_dim=64, w_dim=64, width=16, mapping_layers=4, conditional=True, penalty_every=8),
        summary="StyleGAN at 32 px on clothes, each of a class that you name",
        result="a classifier recognises 0.93 times as many samples as real clothes; 23 min on one thread",
        data="fashion-mnist",
        size=32,
        kimg=300,
        batch_size=32,
        decay=0.3,
        ema_kimg=20,
    ),
    Recipe(
        name="stylegan-64",
        method=StyleGAN,
        options=Options(),
        summary="StyleGAN at 64 px on a folder of images",
        result="on 2,059 hand signs after 100 kimg: FID 34 with features of SqueezeNet; 93 min on one thread",
        data="cifar10",
        size=64,
        kimg=2000,
        batch_size=32,
    ),
]
