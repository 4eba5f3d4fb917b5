"""CycleGAN (Zhu et al. 2017, arXiv:1703.10593): two inverse translators, trained without pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrained import networks
from pretrained.networks.sizes import Size, sides
from trainer import distributed
from trainer.data import domains
from trainer.data.batches import Batches
from trainer.data.domains import Domains
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.data.pairs import JITTER
from trainer.losses import Targets, lsgan_discriminator
from trainer.method import MAIN, Adam, Method, Published, Updates
from trainer.methods.pix2pix import patch_discriminator
from trainer.recipe import Recipe


@dataclass(frozen=True)
class Options:
    """Networks and losses."""

    cycle_weight: float = 10.0
    """Weight of the cycle loss |a - BA(AB(a))|, and of the same for b: lambda in the paper."""
    identity_weight: float = 5.0
    """Weight of the identity loss |b - AB(b)|, and of the same for a; keeps colours; lambda / 2 in the paper."""
    pool_size: int = 50
    """Size of the buffer of past fakes, from which half of D's fakes are drawn (section 4)."""
    width: int = 64
    """Base number of channels of a translator, at the largest feature map; smaller maps have more."""
    blocks: int = 9
    """Residual blocks: 6 at 128 px in the paper, 9 at 256 px."""
    discriminator_width: int = 64
    """Base number of channels of both D."""
    layers: int = 3
    """Strided convolutions in D: 1, 2, 3 or 4 give patches of 16, 34, 70 or 142 px."""
    jitter: float = JITTER
    """Random crops: images are stored larger by this fraction, and cropped to `size`."""


class Pool(nn.Module):
    """Pool of past fakes (Shrivastava et al. 2016, arXiv:1612.07828), in buffers, so that a resumed run has it."""

    def __init__(self, pool_size: int, channels: int, size: Size):
        super().__init__()
        # "images" is the name in the resume files of earlier runs.
        self.register_buffer("pictures", torch.zeros(pool_size, channels, *sides(size)))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def swap(self, fakes: Tensor) -> Tensor:
        """Fakes (N, C, H, W) -> as many; from a full pool, each is swapped with a past one with probability 0.5."""
        new, pool_size = distributed.gather(fakes.detach().float().contiguous()), len(self.pictures)
        if not pool_size:
            return new[distributed.local_slice(len(new))]
        swaps = distributed.gather(torch.rand(len(fakes), device=new.device)) < 0.5
        places = distributed.gather(torch.randint(pool_size, (len(fakes),), device=new.device))
        shown = []
        for fake, swap, place in zip(new.split(1), swaps, places.split(1)):
            is_full = self.count == pool_size
            place = torch.where(is_full, place, self.count.clamp(max=pool_size - 1))
            older = self.pictures.index_select(0, place)
            self.pictures.index_copy_(0, place, torch.where(~is_full | swap, fake, older))
            self.count += ~is_full
            shown.append(torch.where(is_full & swap, older, fake))
        return torch.cat(shown)[distributed.local_slice(len(new))]


class CycleGAN(Method):
    """AB and BA, optimised together as G, against a PatchGAN D in each domain."""

    any_shape = True
    shows_after = 4.0
    optimizer = Adam(2e-4)
    published: ClassVar = {MAIN: Published("G.AB"), "reverse": Published("G.BA", Domains.reversed)}
    layout = torch.contiguous_format

    def __init__(self, options: Options, data: Domains):
        super().__init__(options, data)
        shape = {"size": data.size, "inputs": data.channels, "channels": data.channels}
        self.spec = {"class": "resnet.Generator", **shape, "width": options.width, "blocks": options.blocks}
        self.G = nn.ModuleDict({"AB": networks.build(self.spec), "BA": networks.build(self.spec)})
        discriminator_args = data.channels, data.size, options.discriminator_width, options.layers
        self.D_A, self.D_B = patch_discriminator(*discriminator_args), patch_discriminator(*discriminator_args)
        self.pool_A = Pool(options.pool_size, data.channels, data.size)
        self.pool_B = Pool(options.pool_size, data.channels, data.size)

    @classmethod
    def read(
        cls, options: Options, name: str, size: Size, root: Path, channels: int | None, how: Reading = AS_FOUND
    ) -> Domains:
        return domains.load(name, size, channels, options.jitter, how)

    def updates(self, batches: Batches) -> Updates:
        a, b = (x.contiguous() for x in next(batches))
        AB, BA = self.G["AB"], self.G["BA"]
        # Section 5.2, identity loss: G should not change images of its target domain. Computed in the same pass.
        both = 2 if self.options.identity_weight else 1
        fake_a, *same_a = BA(torch.cat([b, a][:both])).split(len(b))
        fake_b, *same_b = AB(torch.cat([a, b][:both])).split(len(a))
        cycle = F.l1_loss(BA(fake_b).float(), a) + F.l1_loss(AB(fake_a).float(), b)  # eq. 2
        terms = {
            "AB": (self.D_B(fake_b).float() - 1).square().mean(),
            "BA": (self.D_A(fake_a).float() - 1).square().mean(),
            "cycle": self.options.cycle_weight * cycle,
        }
        for stays_a, stays_b in zip(same_a, same_b):
            identity = F.l1_loss(stays_b.float(), b) + F.l1_loss(stays_a.float(), a)
            terms["identity"] = self.options.identity_weight * identity
        yield self.G, terms
        for name, D, real, fake in (
            ("D_A", self.D_A, a, self.pool_A.swap(fake_a)),
            ("D_B", self.D_B, b, self.pool_B.swap(fake_b)),
        ):
            # The factors 0.5 of the loss are those of the paper, which slow D down relative to G.
            yield D, {name: lsgan_discriminator(*D(torch.cat([real, fake])).float().chunk(2), Targets())}

    def checkpoint(self) -> dict[str, Any]:
        given = {"source": {"kind": "picture"}, "size": self.spec["size"], "scale": 1}
        return {"pipeline": "translate", "network": self.spec, "input": given}


RECIPES = [
    # Old and new Noto emoji, github.com/googlefonts/noto-emoji, png/128: the commits e4566541 and 41e31b11, in folders
    # A and B, which may be links. Narrower than the paper's networks, with its 6 blocks at 128 px, its batch and rate.
    Recipe(
        name="cyclegan-emoji",
        method=CycleGAN,
        options=Options(width=32, blocks=6, discriminator_width=32),
        summary="CycleGAN at 128 px: old emoji to new emoji and back, without pairs",
        result="at 64 px after 12 kimg: darker outlines and a sheen, FID 128 of 108; 50 min on one thread",
        data="blob2noto",
        size=128,
        kimg=100,
        batch_size=1,
        ema_kimg=1,
        decay=0.5,
        horizontal_flip=True,
    ),
    # As the paper has it: 100 epochs of horse2zebra's 1,067 horses, and as many while the rate falls.
    Recipe(
        name="cyclegan-256",
        method=CycleGAN,
        options=Options(),
        summary="CycleGAN at 256 px, as in the paper, on a folder with trainA and trainB",
        data="horse2zebra",
        size=256,
        kimg=213,
        batch_size=1,
        ema_kimg=1,
        decay=0.5,
        horizontal_flip=True,
    ),
]
