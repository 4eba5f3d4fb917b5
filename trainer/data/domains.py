"""Two sets of pictures, of which none belong together -> endless batches of both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pretrained.system.errors import InputError
from trainer import data
from trainer.data import folder, splits
from trainer.data.dataset import Batches, Dataset
from trainer.data.pairs import NONE, NUM_FAKE, NUM_FAKE_HELD_OUT, Example, pil, spread, stored_size_of


@dataclass(frozen=True)
class Domains(Dataset):
    """Two sets of pictures of which none belong together.

    Attributes:
        images: uint8 (N, C, S, S), domain A; S at least `side`.
        others: uint8 (M, C, S, S), domain B.
        side: the size at which they are seen.
        held_out, held_out_others: of each, uint8 (., C, side, side), never trained on.
    """

    side: int = 0
    others: Tensor = NONE
    held_out: Tensor = NONE
    held_out_others: Tensor = NONE

    @property
    def size(self) -> int:
        return self.side

    def reversed(self) -> Domains:
        """B in place of A."""
        domains = {"images": self.others, "others": self.images}
        return replace(self, **domains, held_out=self.held_out_others, held_out_others=self.held_out)

    def examples(self, count: int) -> list[Example]:
        """At most `count` held-out pictures of A, always the same."""
        return [Example(pil(image), {}, None) for image in spread(self.held_out, count)]

    def batches(self, batch_size: int, seed: int, device: torch.device, horizontal_flip: bool = False) -> DomainBatches:
        return DomainBatches(self, batch_size, seed, device, horizontal_flip)


class OtherBatches(Batches):
    """Batches whose random numbers have nothing to do with those of `Batches`."""

    stream = 16


class DomainBatches(Batches):
    """Endless batches (a, b) of two domains, each shuffled by itself; `images_seen` counts the pictures of one."""

    def __init__(
        self, dataset: Domains, batch_size: int, seed: int, device: torch.device, horizontal_flip: bool = False
    ):
        super().__init__(dataset, batch_size, seed, device, horizontal_flip)
        self.others = OtherBatches(dataset.reversed(), batch_size, seed, device, horizontal_flip)

    def __next__(self) -> tuple[Tensor, Tensor]:
        self.others.images_seen = self.images_seen
        return super().__next__()[0], next(self.others)[0]


def load(name: str, size: int, channels: int | None, jitter: float) -> Domains:
    """Two domains, in sub-folders trainA and trainB (held out: testA and testB, or valA and valB), or A and B.

    Raises:
        InputError: there is no such folder, or it has no such sub-folders.
    """
    stored_size, channels = stored_size_of(size, jitter), channels or 3
    if name == "fake":  # narrow and wide blobs
        (a, b), (held_a, held_b) = (
            [data.fake(pixels, channels, 2 * NUM_FAKE).images[domain::2] for domain in (0, 1)]
            for pixels in (stored_size, size)
        )
        cut = NUM_FAKE_HELD_OUT
        held_out = {"held_out": held_a[:cut], "held_out_others": held_b[:cut]}
        return Domains(name, a[cut:], licence="CC0", side=size, others=b[cut:], **held_out)
    path = splits.open_folder(name)
    found = splits.domains(path)
    if found is None:
        raise InputError(f"--data {name} needs the sub-folders trainA and trainB, or A and B, of pictures")
    if not all(entries for part in found for entries in part):
        raise InputError(f"--data {path} needs two pictures at least in each domain, of which one is held out")
    (a, b), (held_a, held_b) = (
        [folder.read_stacks(path, [(entry,) for entry in entries], pixels, channels)[0] for entries in part]
        for part, pixels in zip(found, (stored_size, size))
    )
    return Domains(path.resolve().stem, a, side=size, others=b, held_out=held_a, held_out_others=held_b)
