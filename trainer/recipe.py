"""A recipe describes one reproducible training run; the command line is generated from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro

from pretrained.inputs.latents import MAX_SEED
from pretrained.networks.sizes import Size, sides, size_of
from pretrained.system.errors import InputError
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.method import Method

MAX_KIMG = 10**9


@dataclass(frozen=True)
class Recipe:
    """The method, dataset and length of a run. The same recipe on the same CPU gives the same weights."""

    name: tyro.conf.Suppress[str]
    """Name of the recipe."""
    method: tyro.conf.Suppress[type[Method]]
    """The training algorithm."""
    options: Annotated[Any, tyro.conf.arg(name="")]
    """Options of the method."""
    summary: tyro.conf.Suppress[str]
    """One line for the list of recipes."""
    data: str
    """Training data: a named dataset (mnist, fashion-mnist, cifar10), "fake", a folder or .zip of images, or
    hub:user/dataset."""
    size: Size
    """Image size in pixels: 64 for squares, or WIDTHxHEIGHT such as 96x64."""
    kimg: float
    """Length of training, in thousands of real images shown; fractions are allowed."""
    result: tyro.conf.Suppress[str] = ""
    """What it has reached and in what time, as measured; "" where nobody has trained it."""
    batch_size: int = 128
    """Images per batch, summed over all processes."""
    channels: Literal[1, 3] | None = None
    """Image channels: 1 for greyscale, 3 for colour. By default, those of the dataset."""
    learning_rate: float | None = None
    """Learning rate of every network. By default, that of the paper."""
    learning_rate_d: float | None = None
    """Learning rate of the discriminators. By default, the same."""
    betas: tuple[float, float] | None = None
    """Adam's beta1 and beta2. By default, those of the paper."""
    decay: float = 0.0
    """Decay the learning rates linearly to zero over this last fraction of training, 0 to 1."""
    ema_kimg: float = 10.0
    """Half-life of the exponential moving average (EMA) of the published weights, in thousands of images."""
    horizontal_flip: bool = False
    """Flip each image horizontally with probability 0.5."""
    reading: Annotated[Reading, tyro.conf.arg(name="")] = AS_FOUND
    """How the files of a folder or .zip are read."""
    seed: int = 0
    """Random seed of the initial weights, the noise and the order of the images."""
    base: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Fine-tune this checkpoint: a bundled name, the folder of a run or a Hub repository user/name[@revision].
    Networks, size and channels are those of the checkpoint unless set, and the learning rate is halved."""
    freeze_d: int = 0
    """With --from: number of layers of D to freeze, from the image on (Mo et al. 2020)."""
    freeze_g: int = 0
    """With --from: number of layers of G to freeze, from the image on."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", size_of(*sides(self.size)))  # 64x64 is 64
        if isinstance(self.size, str) and not self.method.any_shape:
            raise InputError(f"`size` must be one number, since images of {self.name} are square, got {self.size}")
        if not self.kimg > 0:
            raise InputError(f"`kimg` must be > 0, got {self.kimg}")
        if self.kimg > MAX_KIMG:
            raise InputError(f"`kimg` must be <= {MAX_KIMG:,}, got {self.kimg}")
        if not 0 <= self.seed <= MAX_SEED:
            raise InputError(f"`seed` must be 0 to {MAX_SEED}, got {self.seed}")
        if not 0 <= self.decay <= 1:
            raise InputError(f"`decay` must be 0 to 1, got {self.decay}")
        if not 1 <= self.batch_size <= 65536:
            raise InputError(f"`batch_size` must be 1 to 65536, got {self.batch_size}")
        for name in ("learning_rate", "learning_rate_d"):
            rate = getattr(self, name)
            if rate is not None and not 0 < rate < 1:
                raise InputError(f"`{name}` must be > 0 and < 1, got {rate}")
        for name in ("freeze_d", "freeze_g"):
            if getattr(self, name) and not self.base:
                raise InputError(f"`{name}` needs `from`, got {getattr(self, name)} without a base checkpoint")

    def lr_scale(self, images_seen: int) -> float:
        """Factor on the learning rates after `images_seen` images: 1 until the decay begins, then down to 0."""
        left = max(1 - images_seen / (self.kimg * 1000), 0.0)
        return min(left / self.decay, 1.0) if self.decay else 1.0
