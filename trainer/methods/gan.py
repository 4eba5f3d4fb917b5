"""Generative adversarial networks (Goodfellow et al. 2014, arXiv:1406.2661), with any row of the table of losses."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from pretrained import networks
from pretrained.system.errors import InputError
from trainer.augment import AugmentOptions, choose
from trainer.data.batches import Batches
from trainer.data.dataset import Dataset
from trainer.data.files.reading import Reading
from trainer.losses import LOSSES, PENALTIES, Targets
from trainer.method import Adam, Method, Updates
from trainer.recipe import Recipe


@dataclass(frozen=True)
class Options(AugmentOptions):
    """Networks and losses."""

    network: Literal["dcgan", "mlp"] = "dcgan"
    """Architecture: dcgan (convolutions) or mlp (fully connected, as in the first GAN)."""
    loss: Literal[tuple(LOSSES)] = "non-saturating"  # type: ignore[valid-type]
    """Adversarial loss."""
    penalty: Literal[("auto", *PENALTIES)] = "auto"  # type: ignore[valid-type]
    """Gradient penalty on D; auto selects the one of the loss, or r1 if it has none and G is conditional."""
    penalty_weight: float | None = None
    """Weight of the penalty. By default, that of its paper."""
    penalty_every: int = 1
    """Compute the penalty only in every n-th update of D, with n times the weight (Karras 2019, appendix B)."""
    real_label: float = 1.0
    """Target label of real images for D; 0.9 is one-sided label smoothing."""
    fake_label: float = 0.0
    """Target label of generated images for D."""
    generator_label: float = 1.0
    """Target label of generated images for G (c in LSGAN)."""
    critic_steps: int | None = None
    """Updates of D per update of G. By default, as in the paper of the loss."""
    reuse_fakes: bool = False
    """Update G with the fakes of D's last update instead of new ones; saves one forward pass of G."""
    z_dim: int = 100
    """Dimension of the latent z."""
    width: int = 128
    """Base number of channels, at the largest feature map; deeper layers have more. In an mlp, units per layer."""
    widest: int = 0
    """Channels at 4 px, where they are more than 8 times the width (dcgan only), as where a model grows."""
    norm: Literal["auto", "batch", "layer", "instance", "none"] = "auto"
    """Normalisation in D; auto selects batch, or layer with a penalty, which is computed per image."""
    conditional: bool = False
    """Train a class-conditional model: classes are the labels of a named dataset, or the sub-folders of a folder."""
    modulation: bool = False
    """Let noise and label scale and shift every feature map of G, not only enter its first layer (dcgan only)."""
    features: bool = False
    """Give D a fully connected layer behind its maps, in which it compares with the label (dcgan only)."""


class GAN(Method):
    """A generator G against a discriminator D."""

    any_shape = True
    shows_after = 30.0

    def __init__(self, options: Options, data: Dataset):
        super().__init__(options, data)
        self.loss = LOSSES[options.loss]
        self.optimizer = Adam(self.loss.learning_rate, self.loss.betas, self.loss.optimizer)
        self.won_below = self.loss.won_below
        self.targets = Targets(options.real_label, options.fake_label, options.generator_label)
        if not self.loss.smoothing and self.targets != Targets():
            rows = ", ".join(name for name, loss in LOSSES.items() if loss.smoothing)
            raise InputError(
                f"label targets such as `real_label` have no effect with `loss` {options.loss}: use {rows}"
            )
        # Without a penalty G often ignores the labels; a clipped critic is bounded already.
        own = "r1" if options.conditional and self.loss.penalty == "none" and not self.loss.clip else self.loss.penalty
        self.penalty_name = own if options.penalty == "auto" else options.penalty
        self.penalty = PENALTIES[self.penalty_name]
        self.penalty_weight = self.penalty.weight if options.penalty_weight is None else options.penalty_weight
        self.num_batches = self.critic_steps = options.critic_steps or self.loss.critic_steps
        if options.conditional and not data.classes:
            raise InputError(f"`conditional` needs labels, but {data.name} has none: use a folder with sub-folders")
        self.classes = data.classes if options.conditional else []
        shape = {"size": data.size, "channels": data.channels, "width": options.width, "num_classes": len(self.classes)}
        shape |= {"widest": options.widest} if options.widest and options.network == "dcgan" else {}
        self.spec = {"class": f"{options.network}.Generator", "z_dim": options.z_dim, **shape}
        self.spec |= {"modulation": True} if options.modulation else {}
        judge = {"features": True} if options.features else {}
        self.G = networks.build(self.spec)
        self.D = networks.build({"class": f"{options.network}.Discriminator", "norm": self._norm(), **shape, **judge})
        self.augment = choose(options, data, self.notes, self.loss.midpoint is not None)

    def _norm(self) -> str:
        if self.options.norm == "auto":
            if self.options.network == "mlp":
                return "none"
            if self.penalty_name == "none":
                return "batch"
            self.notes.append(f"D uses layer normalisation, since {self.penalty_name} is computed per image")
            return "layer"
        if self.options.norm == "batch" and self.penalty_name != "none":
            raise InputError(
                f"`norm` batch does not work with `penalty` {self.penalty_name}, which is computed per image: "
                "choose auto, layer, instance or none"
            )
        return self.options.norm

    def noise(self, like: Tensor) -> Tensor:
        """z ~ N(0, 1), one for each image of `like`."""
        return torch.randn(len(like), self.options.z_dim, device=like.device)

    def phase(self, batches: Batches) -> Hashable:
        """For each of D's updates, whether it has the penalty."""
        return tuple(self._has_penalty(batches.num_batches + step) for step in range(1, self.critic_steps + 1))

    def _has_penalty(self, num_batches: int) -> bool:
        return bool(self.penalty_weight) and num_batches % self.options.penalty_every == 0

    def updates(self, batches: Batches) -> Updates:
        for steps_left in reversed(range(self.critic_steps)):
            x, y = self._next(batches)
            with torch.set_grad_enabled(self.options.reuse_fakes and not steps_left):
                drawn = self.G(self.noise(x), y)
            fake, real = self.augment(drawn.detach()), self.augment(x)
            logits = self.D(real, y).float()
            terms = {"D": self.loss.discriminator(logits, self.D(fake, y).float(), self.targets)}
            self.measures = self.augment.observe(logits - (self.loss.midpoint or 0))
            if self._has_penalty(batches.num_batches):
                penalty = self.penalty.function(partial(self.D, y=y), real, fake.float())
                terms["penalty"] = self.penalty_weight * self.options.penalty_every * penalty
            yield self.D, terms
            if self.loss.clip:
                for weight in self.D.parameters():
                    weight.data.clamp_(-self.loss.clip, self.loss.clip)
        if not self.options.reuse_fakes:
            drawn = self.G(self.noise(x), y)
        fake = self.D(self.augment(drawn), y).float()
        real = self.D(self.augment(x), y).float() if self.loss.relativistic else None
        yield self.G, {"G": self.loss.generator(fake, real, self.targets)}

    def _next(self, batches: Batches) -> tuple[Tensor, Tensor | None]:
        x, y = next(batches)
        return x, y if self.classes else None

    def checkpoint(self) -> dict[str, Any]:
        condition = {"classes": self.classes} if self.classes else None
        return {"pipeline": "generate", "network": self.spec, "input": {"noise": "normal"}, "condition": condition}


# What small networks learn labels with on a CPU.
STEADY = {"batch_size": 64, "learning_rate": 5e-4, "betas": (0.0, 0.99), "decay": 0.4, "ema_kimg": 20}
MODULATED = {"modulation": True, "features": True, "penalty": "r1", "penalty_every": 8}
RECIPES = [
    # The paper's networks, dropout and batch; Adam in place of its gradient descent with momentum.
    Recipe(
        name="gan-mnist",
        method=GAN,
        options=Options(network="mlp", width=1200),
        summary="the first GAN, fully connected, at 32 px on handwritten digits",
        result="after 600 kimg a classifier recognises 0.66 times as many samples as real digits; 5 min on one thread",
        data="mnist",
        size=32,
        kimg=3000,
        batch_size=100,
    ),
    # R1 and a falling learning rate; 600 kimg give 0.998. With batch normalisation in D, no penalty and Adam as the
    # paper has it, G had not learnt the labels after 240 kimg.
    Recipe(
        name="dcgan-mnist",
        method=GAN,
        options=Options(z_dim=64, width=32, conditional=True, penalty_every=8),
        summary="DCGAN at 32 px on handwritten digits, class-conditional",
        result="a classifier recognises 0.98 times as many samples as real digits; 5 min on one thread",
        data="mnist",
        size=32,
        kimg=200,
        **STEADY | {"ema_kimg": 30},
    ),
    # Adam, initialisation and batch of the paper, without labels.
    Recipe(
        name="dcgan-plain",
        method=GAN,
        options=Options(z_dim=64, width=32),
        summary="DCGAN at 32 px on handwritten digits, as in the paper, without labels",
        result="after 120 kimg a classifier recognises 0.56 times as many samples as real digits; 3 min on two threads",
        data="mnist",
        size=32,
        kimg=600,
    ),
    Recipe(
        name="dcgan-fashion",
        method=GAN,
        options=Options(z_dim=64, width=32, conditional=True, penalty_every=8),
        summary="DCGAN at 32 px on clothes, class-conditional",
        result="a classifier recognises 0.97 times as many samples as real clothes; 12 min on one thread",
        data="fashion-mnist",
        size=32,
        kimg=600,
        **STEADY | {"ema_kimg": 30},
    ),
    # Noise and label scale every map of G, and D compares with the label behind a layer of its own: without the two G
    # had not learnt its labels after 90 kimg (14 % read as asked), with them after 80 kimg 96 %.
    Recipe(
        name="letters",
        method=GAN,
        options=Options(z_dim=64, width=24, **MODULATED, conditional=True),
        summary="letters at 64 px, each seed a typeface that does not exist",
        result="94 of 100 letters are read as asked, of real typefaces 95; 73 min on one thread that was busy",
        data="letters",
        reading=Reading(layout="classes"),
        size=64,
        channels=1,
        kimg=240,
        **STEADY,
    ),
    # Flat colours and sharp outlines are told from fakes easily: R1 is twice as strong.
    Recipe(
        name="avatars",
        method=GAN,
        options=Options(z_dim=64, width=32, **MODULATED, conditional=True, penalty_weight=2.0, reuse_fakes=True),
        summary="cartoon faces at 64 px, in five styles",
        result="faces in five styles, most of them clean; 65 min on one thread that was busy",
        data="avatars",
        size=64,
        kimg=200,
        **STEADY,
    ),
    Recipe(
        name="nouns",
        method=GAN,
        options=Options(z_dim=64, width=32, **MODULATED, penalty_weight=2.0),
        summary="pixel characters at 32 px",
        data="nouns",
        size=32,
        kimg=300,
        **STEADY,
    ),
    # A weight of 1 for R1 held D at chance.
    Recipe(
        name="dcgan-signs",
        method=GAN,
        options=Options(width=32, conditional=True, penalty_weight=0.1, penalty_every=8),
        summary="hands that show the digits of sign language, at 64 px",
        result="FID 22.3 with features of SqueezeNet; 24 min on one thread",
        data="sign_digits",
        size=64,
        kimg=240,
        **STEADY | {"ema_kimg": 10},
    ),
    Recipe(
        name="dcgan-64",
        method=GAN,
        options=Options(z_dim=100, width=128),
        summary="DCGAN at 64 px, as in the paper, on a folder of images",
        data="cifar10",
        size=64,
        kimg=2000,
    ),
]
