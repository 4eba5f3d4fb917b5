"""A recipe is one reproducible run; the command line is generated from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro

from pretrained.system.errors import InputError
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.method import Method


@dataclass(frozen=True)
class Recipe:
    """What is trained, on what, for how long: the same recipe on the same CPU gives the same weights."""

    name: tyro.conf.Suppress[str]
    """What the recipe is called."""
    method: tyro.conf.Suppress[type[Method]]
    """The algorithm."""
    options: Annotated[Any, tyro.conf.arg(name="")]
    """The algorithm's own options."""
    summary: tyro.conf.Suppress[str]
    """Its line in --list."""
    data: str
    """A named set (mnist, fashion-mnist, cifar10), "fake", a folder or .zip of pictures, or hub:user/dataset."""
    size: int
    """Pixels on a side."""
    kimg: float
    """Thousands of real pictures to train on; may be a fraction."""
    batch_size: int = 128
    """Pictures in a batch, over all processes."""
    channels: Literal[1, 3] | None = None
    """1 for grey, 3 for colour; by default as the data has them."""
    learning_rate: float | None = None
    """Of every network; by default as the method's paper has it."""
    learning_rate_d: float | None = None
    """Of the discriminators alone, where it is to differ."""
    betas: tuple[float, float] | None = None
    """Adam's decay rates; by default as the method's paper has them."""
    decay: float = 0.0
    """Learning rates fall to zero in a straight line over this last share of training, 0 to 1."""
    ema_kimg: float = 10.0
    """The published weights are an average over training with this half-life, in thousands of pictures."""
    horizontal_flip: bool = False
    """Mirror half of the pictures."""
    reading: Annotated[Reading, tyro.conf.arg(name="")] = AS_FOUND
    """How the files of a folder or .zip are read."""
    seed: int = 0
    """Fixes the weights at the start, the noise and the order of the pictures."""
    base: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Fine-tune: begin from this checkpoint, a bundled name, the folder of a run or a Hub repository
    user/name[@revision]. Its networks, size and channels are taken over unless a flag says otherwise, and the learning
    rate is half of what it was."""
    freeze_d: int = 0
    """With --from: keep the first layers of D, those next to the picture, as they are (Mo et al. 2020)."""
    freeze_g: int = 0
    """With --from: keep the last layers of G, those next to the picture, as they are."""

    def __post_init__(self) -> None:
        if not self.kimg > 0:
            raise InputError(f"--kimg is {self.kimg}: more than 0")
        if not 0 <= self.decay <= 1:
            raise InputError(f"--decay is {self.decay}: 0 to 1")
        if not 1 <= self.batch_size <= 65536:
            raise InputError(f"--batch-size is {self.batch_size}: 1 to 65536")
        for name in ("learning_rate", "learning_rate_d"):
            rate = getattr(self, name)
            if rate is not None and not 0 < rate < 1:
                raise InputError(f"`{name}` must be > 0 and < 1, got {rate}")
        for name in ("freeze_d", "freeze_g"):
            if getattr(self, name) and not self.base:
                raise InputError(f"`{name}` needs `from`, got {getattr(self, name)}: only what is learnt can be kept")

    def lr_scale(self, images_seen: int) -> float:
        """What the learning rates are multiplied by after `images_seen` pictures: 1 until the decay begins."""
        left = max(1 - images_seen / (self.kimg * 1000), 0.0)
        return min(left / self.decay, 1.0) if self.decay else 1.0
