"""Two sets of pictures, of which none belong together -> endless batches of both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pretrained.media.files import shown
from pretrained.networks.sizes import Size
from pretrained.system.errors import InputError
from trainer import data
from trainer.data.batches import Batches
from trainer.data.contents import fingerprint
from trainer.data.dataset import Dataset, Example
from trainer.data.files import layout, reading, split
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.data.pairs import NONE, NUM_FAKE, NUM_FAKE_HELD_OUT, pil, spread, stored_size_of


@dataclass(frozen=True)
class Domains(Dataset):
    """Two sets of pictures of which none belong together.

    Attributes:
        images: uint8 (N, C, H, W), domain A; *crop or larger.
        others: uint8 (M, C, H, W), domain B.
        crop: the size that they are cropped to.
        held_out, held_out_others: of each, uint8 (., C, *crop), never trained on.
    """

    crop: Size = 0
    others: Tensor = NONE
    held_out: Tensor = NONE
    held_out_others: Tensor = NONE

    @property
    def size(self) -> Size:
        return self.crop

    def reversed(self) -> Domains:
        """B in place of A."""
        domains = {"images": self.others, "others": self.images}
        return replace(self, **domains, held_out=self.held_out_others, held_out_others=self.held_out)

    def examples(self, count: int) -> list[Example]:
        """At most `count` held-out pictures of A, always the same."""
        return [Example(pil(image), {}, None) for image in spread(self.held_out, count)]

    def columns(self, batch: tuple[Tensor, ...]) -> list[Tensor]:
        """A and B."""
        return list(batch)

    def references(self, count: int) -> Tensor:
        """Held-out images of B."""
        return spread(self.held_out_others, count)

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

    def _make(self, start: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        (a, _), indices = super()._make(start)
        (b, _), self.others.indices = self.others._make(start)
        return (a, b), indices


def load(
    name: str,
    size: Size,
    channels: int | None,
    jitter: float,
    how: Reading = AS_FOUND,
) -> Domains:
    """Two domains, in sub-folders A and B or trainA and trainB, with what is held out beside or drawn from them.

    Raises:
        InputError: there is no such folder, or it has no such sub-folders.
    """
    stored_size = stored_size_of(size, jitter)
    if name == "fake":  # narrow and wide blobs
        (a, b), (held_a, held_b) = (
            [data.fake(pixels, channels or 3, 2 * NUM_FAKE).images[domain::2] for domain in (0, 1)]
            for pixels in (stored_size, size)
        )
        cut = NUM_FAKE_HELD_OUT
        held_out = {"held_out": held_a[:cut], "held_out_others": held_b[:cut]}
        return Domains(name, a[cut:], licence="CC0", crop=size, others=b[cut:], **held_out)
    how.allow("folders")
    listing = reading.open_listing(name)
    found = layout.find_kinds(listing, 2, how.layout)
    if found is None:
        raise InputError(
            f"`data` {shown(name)} needs sub-folders of two domains, trainA and trainB or A and B. Layouts that are "
            f"known: {layout.LAYOUTS}"
        )
    channels = channels or reading.channels_of(listing.path, listing.images)
    a, b = (
        split.read_split(
            listing.path,
            [(item,) for item in found.parts["train"][kind]],
            [(item,) for item in found.parts[found.held_out][kind]] if found.held_out else None,
            size,
            stored_size,
            channels,
            how,
        )
        for kind in (0, 1)
    )
    counts = f"{len(a.train)} and {len(b.train)} training images, {len(a.held_out)} and {len(b.held_out)} held out"
    sizes = (sum(getattr(each.contents, name) for each in (a, b)) for name in ("num_files", "num_bytes"))
    return Domains(
        listing.path.resolve().stem,
        a.train,
        found=counts + split.where(found, [*a.left_out, *b.left_out]),
        contents=fingerprint(*sizes, [], a.contents.digest, b.contents.digest),
        num_held_out=len(a.held_out) + len(b.held_out),
        crop=size,
        others=b.train,
        held_out=a.held_out,
        held_out_others=b.held_out,
    )
