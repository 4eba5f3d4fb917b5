"""CUT and FastCUT (Park et al. 2020, arXiv:2007.15651): one translator, learnt without pairs by contrasting patches.

A patch of the output should have more in common with the patch of the source at its place than with any other patch of
that source, in the features of the translator's own encoder. There is no way back, so half of CycleGAN's networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrained import networks
from pretrained.networks.sizes import Size
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
    """How the networks are made, and what they minimise."""

    nce_weight: float = 1.0
    """Weight of the contrast between patches, of the output and its source: lambda_X; 10 in FastCUT."""
    identity: bool = True
    """Contrast also what is made of an image of the target domain with itself, as CUT does and FastCUT does not."""
    flip: bool = False
    """Mirror source and output before half of the comparisons, as FastCUT does."""
    temperature: float = 0.07
    """tau in eq. 2."""
    patches: int = 256
    """Patches of an image that are compared, in each layer."""
    head_width: int = 256
    """Length of the vectors that are compared."""
    width: int = 64
    """Channels of the translator's largest map; the smaller ones have more."""
    blocks: int = 9
    """Residual blocks: 6 at 128 px, 9 at 256 px."""
    discriminator_width: int = 64
    """The same of D."""
    layers: int = 3
    """Halvings in D, whose patches are of 16, 34, 70 or 142 px with 1, 2, 3 or 4 of them."""
    jitter: float = JITTER
    """Images are stored larger by this share, and cut to size at random places."""


class Heads(nn.ModuleList):
    """H_l in section 3.2: for each layer of the encoder two linear layers, from its channels to unit vectors."""

    def __init__(self, channels: list[int], width: int):
        super().__init__(
            nn.Sequential(nn.Linear(there, width), nn.ReLU(inplace=True), nn.Linear(width, width)) for there in channels
        )

    def forward(self, maps: list[Tensor], places: list[Tensor]) -> list[Tensor]:
        """Maps (N, C, H, W) and places in them (N, S) -> vectors (N, S, width) of length 1, for each layer."""
        chosen = [
            x.flatten(2).gather(2, place[:, None].expand(-1, x.shape[1], -1)).transpose(1, 2)
            for x, place in zip(maps, places)
        ]
        return [F.normalize(head(x).float(), dim=2) for head, x in zip(self, chosen)]


def patch_nce(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of finding each query (N, S, D) its key (N, S, D) among those of the same image (eq. 2)."""
    logits = queries @ keys.detach().transpose(1, 2) / temperature  # (N, S, S)
    own = torch.arange(logits.shape[1], device=logits.device).expand(len(logits), -1)
    return F.cross_entropy(logits.flatten(0, 1), own.flatten())


class CUT(Method):
    """A translator with the heads of its contrast, one network to the optimiser, against a D that sees patches."""

    any_shape = True
    optimizer = Adam(2e-4)
    published: ClassVar = {MAIN: Published("G.AB")}
    layout = torch.contiguous_format

    def __init__(self, options: Options, data: Domains):
        super().__init__(options, data)
        shape = {"size": data.size, "inputs": data.channels, "channels": data.channels}
        self.spec = {"class": "resnet.Generator", **shape, "width": options.width, "blocks": options.blocks}
        # The source, both halvings, the first block and the one in the middle.
        self.places = (0, 2, 3, 4, 4 + options.blocks // 2)[: 4 + (options.blocks > 1)]
        channels = [data.channels, 2 * options.width, *[4 * options.width] * (len(self.places) - 2)]
        heads = Heads(channels, options.head_width)
        self.G = nn.ModuleDict({"AB": networks.build(self.spec), "heads": heads})
        self.D = patch_discriminator(data.channels, data.size, options.discriminator_width, options.layers)

    @classmethod
    def read(
        cls, options: Options, name: str, size: Size, root: Path, channels: int | None, how: Reading = AS_FOUND
    ) -> Domains:
        return domains.load(name, size, channels, options.jitter, how)

    def contrast(self, source: Tensor, output: Tensor) -> Tensor:
        """The mean of `patch_nce` over the layers, at the same random places of both (eq. 3)."""
        if self.options.flip:
            mirror = torch.rand(len(source), 1, 1, 1, device=source.device) < 0.5
            source, output = (torch.where(mirror, x.flip(3), x) for x in (source, output))
        AB, heads = self.G["AB"], self.G["heads"]
        maps = [AB.features(x, self.places) for x in (output, source)]
        places = [self.choose(x.flatten(2)) for x in maps[0]]
        vectors = zip(*(heads(found, places) for found in maps))
        losses = [patch_nce(queries, keys, self.options.temperature) for queries, keys in vectors]
        return torch.stack(losses).mean()

    def choose(self, x: Tensor) -> Tensor:
        """Maps (N, C, places) -> at most `patches` places of each (N, S), drawn at random."""
        num, _, num_places = x.shape
        return torch.rand(num, num_places, device=x.device).topk(min(self.options.patches, num_places)).indices

    def updates(self, batches: Batches) -> Updates:
        a, b = (x.contiguous() for x in next(batches))
        AB = self.G["AB"]
        fake, *same = AB(torch.cat([a, b][: 1 + self.options.identity])).split(len(a))
        logits = self.D(torch.cat([b, fake.detach()])).float()
        yield self.D, {"D": lsgan_discriminator(*logits.chunk(2), Targets())}
        weight = self.options.nce_weight / (1 + self.options.identity)
        terms = {"G": (self.D(fake).float() - 1).square().mean(), "NCE": weight * self.contrast(a, fake)}
        for stays in same:
            terms["identity"] = weight * self.contrast(b, stays)
        yield self.G, terms

    def checkpoint(self) -> dict[str, Any]:
        given = {"source": {"kind": "picture"}, "size": self.spec["size"], "scale": 1}
        return {"pipeline": "translate", "network": self.spec, "input": given}


EMOJI = {"width": 32, "blocks": 6, "discriminator_width": 32}
FAST = {"nce_weight": 10.0, "identity": False, "flip": True}

RECIPES = [
    # The networks, the data and the length of cyclegan-emoji.
    Recipe(
        name="cut-emoji",
        method=CUT,
        options=Options(**EMOJI),
        summary="CUT at 128 px: old emoji made new, without pairs and with half of CycleGAN's networks",
        data="blob2noto",
        size=128,
        kimg=100,
        batch_size=1,
        ema_kimg=1,
        decay=0.5,
        horizontal_flip=True,
    ),
    Recipe(
        name="fastcut-emoji",
        method=CUT,
        options=Options(**EMOJI, **FAST),
        summary="FastCUT at 128 px: the same in less time and memory",
        data="blob2noto",
        size=128,
        kimg=50,
        batch_size=1,
        ema_kimg=1,
        decay=0.5,
        horizontal_flip=True,
    ),
    # As the paper has it: 400 epochs of horse2zebra's 1,067 horses, the rate falling over the second half.
    Recipe(
        name="cut-256",
        method=CUT,
        options=Options(),
        summary="CUT at 256 px, as the paper has it, on a folder with trainA and trainB",
        data="horse2zebra",
        size=256,
        kimg=426,
        batch_size=1,
        ema_kimg=1,
        decay=0.5,
        horizontal_flip=True,
    ),
]
