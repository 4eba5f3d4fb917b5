"""StackGAN (Zhang et al. 2016, arXiv:1612.03242): text to image in two stages, low resolution first.

Stage I and its D are trained first and then frozen while stage II and its D are trained. The learning rate is constant;
the paper halves it every 100 of 600 epochs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrained import networks
from pretrained.inputs.text import encode, words
from pretrained.networks.stackgan import FACTOR
from pretrained.system.errors import InputError
from trainer import distributed
from trainer.augment import AugmentOptions, choose
from trainer.data.batches import Batches
from trainer.data.dataset import Dataset
from trainer.losses import bce
from trainer.method import Method, Updates
from trainer.recipe import Recipe

NUM_EXAMPLES = 64


@dataclass(frozen=True)
class Options(AugmentOptions):
    """Networks, losses and the schedule."""

    stage_one_kimg: float = 200.0
    """Length of stage I in thousands of images; the rest of training is stage II."""
    kl_weight: float = 2.0
    """Weight of the KL loss of the conditioning augmentation."""
    z_dim: int = 128
    """Dimension of the latent z: one half noise, one half for the conditioning augmentation."""
    text_dim: int = 128
    """Dimension of a word embedding."""
    width: int = 64
    """Base number of channels, at the largest feature map of stage I; deeper layers have more."""


def matching(real: Tensor, wrong: Tensor, fake: Tensor, differs: Tensor) -> Tensor:
    """The matching-aware loss of D (section 3.3.1): real pairs, real images with wrong captions, fakes.

    Args:
        real, wrong, fake: logits (N,) of (real, its caption), (real, wrong caption), (fake, its caption).
        differs: bool (N,), whether the wrong caption really differs.
    """
    num_wrong = distributed.mean(differs.sum().float()).clamp(min=1 / distributed.count())
    mistaken = (F.softplus(wrong) * differs).sum() / num_wrong
    return bce(real, 1.0) + 0.5 * (mistaken + bce(fake, 0.0))


class StackGAN(Method):
    """G in two stages against D1, for stage I, and D2, for stage II."""

    def __init__(self, options: Options, data: Dataset):
        super().__init__(options, data)
        if not data.captions:
            raise InputError(
                f"`data` {data.name} has no captions: add a captions.jsonl to the folder, with a line "
                '{"file": ..., "caption": ...} per image; python -m trainer captions FOLDER writes one'
            )
        self.vocabulary = sorted({word for caption in data.captions for word in words(caption)})
        rows = torch.tensor([encode(caption, self.vocabulary) for caption in data.captions])
        self.register_buffer("rows", rows, persistent=False)  # (number of images, MAX_WORDS)
        self.examples = data.captions[:: max(len(data.captions) // NUM_EXAMPLES, 1)][:NUM_EXAMPLES]
        shape = {"channels": data.channels, "text_dim": options.text_dim, "num_words": len(self.vocabulary)}
        large = {"size": data.size, "width": options.width}
        self.spec = {"class": "stackgan.Generator", "z_dim": options.z_dim, **large, **shape}
        self.G = networks.build(self.spec)
        small = {"size": data.size // FACTOR, "width": options.width}
        self.D1 = networks.build({"class": "stackgan.Discriminator", **small, **shape})
        large["width"] = max(options.width // FACTOR, 4)
        self.D2 = networks.build({"class": "stackgan.Discriminator", **large, **shape})
        self.augment = choose(options, data, self.notes)
        begin = f"stage II starts at {options.stage_one_kimg:g} kimg"
        self.notes.append(f"the vocabulary has {len(self.vocabulary):,} words; {begin}")

    def phase(self, batches: Batches) -> int:
        """The stage that is trained."""
        return 1 if batches.images_seen < self.options.stage_one_kimg * 1000 else 2

    def schedule(self, batches: Batches) -> None:
        stage = self.phase(batches)
        self.G.stages.fill_(stage)
        self.G.first.train(stage == 1)  # frozen afterwards, its batch statistics too

    def updates(self, batches: Batches) -> Updates:
        stage = self.phase(batches)
        D, draw = (self.D1, self.G.draw_first) if stage == 1 else (self.D2, self.G.draw_second)
        x, _ = next(batches)
        real = self.augment(F.avg_pool2d(x, FACTOR) if stage == 1 else x)
        y = self.rows[batches.indices]
        other = distributed.roll(y)
        with torch.no_grad():
            fake = self.augment(draw(self.noise(x), y)[0])
        features = D.blocks(real)
        logits = D.match(features, y).float(), D.match(features, other).float(), D(fake, y).float()
        self.measures = self.augment.observe(logits[0])
        yield D, {f"D{stage}": matching(*logits, differs=(other != y).any(dim=1))}
        fake, divergence = draw(self.noise(x), y)
        logits = D(self.augment(fake), y).float()
        yield self.G, {f"G{stage}": bce(logits, 1.0), f"KL{stage}": self.options.kl_weight * divergence}

    def noise(self, like: Tensor) -> Tensor:
        """z ~ N(0, 1), one for each image of `like`."""
        return torch.randn(len(like), self.options.z_dim, device=like.device)

    def checkpoint(self) -> dict[str, Any]:
        text = {"vocabulary": self.vocabulary, "examples": self.examples}
        return {"pipeline": "generate", "network": self.spec, "input": {"noise": "normal", "text": text}}


RECIPES = [
    # A folder of Noto emoji (github.com/googlefonts/noto-emoji, png/128), named by `trainer captions emoji`.
    Recipe(
        name="stackgan-emoji",
        method=StackGAN,
        options=Options(),
        summary="StackGAN: text to images of 16, then 64 px, on emoji with captions",
        result="after 230 kimg skin, hair and hearts follow the words, what is small does not; 35 min on one thread",
        data="emoji",
        size=64,
        kimg=500,
        batch_size=64,
    ),
]
