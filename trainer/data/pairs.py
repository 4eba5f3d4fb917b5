"""Pairs of images, of source and target -> endless batches of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from pretrained.media.files import name_some
from pretrained.media.images import from_source, from_uint8, to_pil
from pretrained.networks.sizes import Size, scaled
from pretrained.pipelines.degradations import DEGRADATIONS, check
from pretrained.system.errors import InputError
from trainer import data
from trainer.data.batches import Batches, to_device
from trainer.data.dataset import Dataset, Example
from trainer.data.files import layout, reading, split
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.data.hub import read
from trainer.data.sets.folder_sets import find
from trainer.data.sources import ALONE, Degraded, Seeds, Sources, Stacked

JITTER = 286 / 256 - 1  # pix2pix and CycleGAN
NUM_FAKE, NUM_FAKE_HELD_OUT = 128, 16
MAX_HELD_OUT = 200  # of a named set, or one on the Hub
NONE = torch.empty(0, 0, 0, 0, dtype=torch.uint8)


@dataclass(frozen=True)
class PairOptions:
    """Where the two images of a pair come from."""

    direction: Literal["AtoB", "BtoA"] = "AtoB"
    """Which is the source: A, the left half or the folder A, or B."""
    degradation: Literal[("none", *DEGRADATIONS)] = "none"  # type: ignore[valid-type]
    """Make each source of its target in this way; --data is then any images, without pairs."""
    jitter: float = JITTER
    """Images are stored larger by this share, and cut to size at random places."""


@dataclass(frozen=True)
class Pairs(Dataset):
    """Sources and targets.

    Attributes:
        images: uint8 (N, stored, H, W) as `sources` takes them; *crop or larger.
        crop: the size that they are cropped to.
        held_out: uint8 (M, stored, *crop), never trained on.
    """

    crop: Size = 0
    sources: Sources = ALONE
    held_out: Tensor = NONE

    @property
    def size(self) -> Size:
        return self.crop

    @property
    def channels(self) -> int:
        """Of the target."""
        return self.sources(self.held_out[:1], [0])[1].shape[1]

    @property
    def inputs(self) -> int:
        """Channels of what a network reads."""
        return self.sources(self.held_out[:1], [0])[0].shape[1]

    @property
    def masked(self) -> bool:
        """Whether the last channel of a source is the mask of a hole."""
        return self.sources.extra == ("mask", 1)

    def batches(self, batch_size: int, seed: int, device: torch.device, horizontal_flip: bool = False) -> PairBatches:
        return PairBatches(self, batch_size, seed, device, horizontal_flip)

    def columns(self, batch: tuple[Tensor, ...]) -> list[Tensor]:
        """Source, what is shown beside it, target."""
        source, target = batch
        name, extra = self.sources.extra or ("", 0)
        image, beside = source.split([source.shape[1] - extra, extra], dim=1)
        return [image, *([beside * 2 - 1 if name == "mask" else beside] if extra else []), target]

    @property
    def has_references(self) -> bool:
        return self.sources.has_targets

    def pair(self, images: Tensor, seeds: Seeds) -> tuple[Tensor, Tensor]:
        """uint8 (B, ...) as in `images` -> source (B, inputs, ...) and target in [-1, 1]; a mask is 0 or 1."""
        source, target = self.sources(images, seeds)
        return from_source(source, self.masked), from_uint8(target)

    def examples(self, count: int) -> list[Example]:
        """At most `count` held-out images, always the same."""
        images = spread(self.held_out, count)
        sources, targets = self.sources(images, range(len(images)))
        name, extra = self.sources.extra or ("", 0)
        images, extras = sources.split([sources.shape[1] - extra, extra], dim=1)
        return [
            Example(
                pil(source), {name: pil(second)} if extra else {}, pil(target) if self.sources.has_targets else None
            )
            for source, second, target in zip(images, extras, targets)
        ]

    def references(self, count: int) -> Tensor:
        """Held-out targets."""
        images = spread(self.held_out, count)
        return self.sources(images, range(len(images)))[1]

    def checkpoint_input(self) -> dict[str, Any]:
        """The `input` of a config, as far as the data says it."""
        mask = {"mask": True} if self.masked else {}
        return {"source": self.sources.described, "size": self.size, "scale": 1, **mask}


class PairBatches(Batches):
    """Endless shuffled batches (source, target), as `Pairs.pair` gives them."""

    def __init__(self, dataset: Pairs, batch_size: int, seed: int, device: torch.device, horizontal_flip: bool = False):
        super().__init__(dataset, batch_size, seed, device, horizontal_flip)
        self.dataset = dataset

    def _make(self, start: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        images, indices = self._images(start)
        numbers = range(start, start + self.batch_size)[self.part]
        pair = self.dataset.pair(images, [[self.seed, number] for number in numbers])
        source, target = (x.contiguous(memory_format=torch.channels_last) for x in pair)
        return (source, target), to_device(indices, self.device)


def spread(items: Tensor, count: int) -> Tensor:
    """At most `count` of (N, ...), evenly from the first on: neighbours in a folder are often alike."""
    return items[:: max(len(items) // count, 1)][:count]


def pil(image: Tensor) -> Image.Image:
    """uint8 (C, H, W) -> PIL."""
    return to_pil(image.permute(1, 2, 0).numpy())


def load_pairs(
    name: str,
    size: Size,
    root: Path,
    channels: int | None,
    options: PairOptions,
    settings: Mapping[str, Any] | None = None,
    how: Reading = AS_FOUND,
) -> Pairs:
    """Pairs from `data`, made of single images by a degradation, or from a folder or .zip that holds both.

    Args:
        name: with a degradation all that `data.load` takes. Without one "fake", or a folder whose files `layout` finds
            to be pairs. Where there is no val/ or test/, a twentieth is held out.
        settings: options of the degradation.

    Raises:
        InputError: there is no such folder, or its images are not in pairs; says what to do.
    """
    if options.degradation == "none":
        return load_stacks(
            find(name, root), size, channels, options.jitter, ("A", "B"), options.direction == "BtoA", how
        )
    if options.direction != "AtoB":
        raise InputError("`direction` has no effect with `degradation`: set only one of them")
    check(options.degradation, settings)
    sources = Degraded(options.degradation, settings or {})
    return load_singles(name, size, root, channels, options.jitter, sources, how)


def load_singles(
    name: str,
    size: Size,
    root: Path,
    channels: int | None,
    jitter: float,
    sources: Sources = ALONE,
    how: Reading = AS_FOUND,
) -> Pairs:
    """Images of which `sources` makes pairs, from all that `data.load` takes."""
    stored_size = stored_size_of(size, jitter)
    if name == "fake":
        return _fake(
            [data.fake(pixels, channels or 3, NUM_FAKE).images for pixels in (stored_size, size)], size, sources
        )
    if name in data.NAMED:
        train = data.load(name, stored_size, root, channels)
        held_out = data.load(name, size, root, channels, "test").images[:MAX_HELD_OUT]
        return Pairs(name, train.images, licence=train.licence, crop=size, sources=sources, held_out=held_out)
    if name.startswith(read.PREFIX):
        return _last_held_out(data.load(name, stored_size, root, channels, how=how), size, sources)
    how.allow("plain", "classes")
    listing = reading.open_listing(find(name, root))
    found = layout.find_images(listing, how.layout)
    parts = {part: [(item,) for item in kinds[0]] for part, kinds in found.parts.items()}
    channels = channels or reading.channels_of(listing.path, listing.images)
    return _split(found, parts, size, stored_size, channels, how, sources, "images")


def load_stacks(
    name: str,
    size: Size,
    channels: int | None,
    jitter: float,
    kinds: tuple[str, ...],
    swapped: bool = False,
    how: Reading = AS_FOUND,
) -> Pairs:
    """Images that belong together, `kinds` in a row: side by side in a file, or in sub-folders of these names."""
    stored_size, num_first = stored_size_of(size, jitter), len(kinds) - 1

    def stacked(channels: int) -> Stacked:
        return Stacked(channels * num_first, channels * (num_first - 1), swapped)

    if name == "fake":
        blobs = [data.fake(pixels, channels or 3, NUM_FAKE).images for pixels in (stored_size, size)]
        stacks = [torch.cat([_outline(part)] * num_first + [part], dim=1) for part in blobs]
        return _fake(stacks, size, stacked(channels or 3))
    how.allow("folders", "side-by-side")
    listing = reading.open_listing(name)
    channels = channels or reading.channels_of(listing.path, listing.images)
    found = layout.find_kinds(listing, len(kinds), how.layout) if how.layout != "side-by-side" else None
    if found:
        parts, lonely = layout.match(found)
        return _split(found, parts, size, stored_size, channels, how, stacked(channels), "pairs", lonely=lonely)
    if how.layout == "folders":
        raise InputError(f"`data` {name} has no sub-folders {' and '.join(kinds)}. Known layouts: {layout.LAYOUTS}")
    found = layout.find_images(listing)
    parts = {part: [(item,) for item in group[0]] for part, group in found.parts.items()}
    return _split(found, parts, size, stored_size, channels, how, stacked(channels), "pairs", len(kinds))


def stored_size_of(size: Size, jitter: float) -> Size:
    """How large images are stored that are seen at `size` px."""
    if not 0 <= jitter <= 4:
        raise InputError(f"`jitter` must be 0 to 4, got {jitter}")
    return scaled(size, 1 + jitter)


def _last_held_out(dataset: Dataset, size: Size, sources: Sources) -> Pairs:
    """The last images are held out rather than any: a part of a mapped file stays on the disk."""
    total = len(dataset.images)
    if total < 2:
        raise InputError(f"`data` {dataset.name} needs two images at least, of which one is held out")
    count = min(-(-total // layout.HELD_OUT), MAX_HELD_OUT)
    held_out = data.resize(dataset.images[-count:], size)
    images = dataset.images[:-count]
    return Pairs(dataset.name, images, licence=dataset.licence, crop=size, sources=sources, held_out=held_out)


def _fake(images: Sequence[Tensor], size: Size, sources: Sources) -> Pairs:
    train, held_out = images[0][NUM_FAKE_HELD_OUT:], images[1][:NUM_FAKE_HELD_OUT]
    return Pairs("fake", train, licence="CC0", crop=size, sources=sources, held_out=held_out)


def _outline(blobs: Tensor) -> Tensor:
    return (blobs > 64).to(torch.uint8) * 255


def _split(
    found: layout.Found,
    parts: Mapping[str, split.Items],
    size: Size,
    stored_size: Size,
    channels: int,
    how: Reading,
    sources: Sources,
    what: str,
    columns: int = 1,
    lonely: Sequence[str] = (),
) -> Pairs:
    """Decode what is trained on and what is held out."""
    path = found.listing.path
    held_out = parts[found.held_out] if found.held_out else None
    images = split.read_split(path, parts["train"], held_out, size, stored_size, channels, how, columns)
    alone = f"left out {len(lonely)} whose name is not in all folders: {name_some(lonely)}" if lonely else ""
    counts = f"{len(images.train)} training {what} and {len(images.held_out)} held out"
    return Pairs(
        path.resolve().stem,
        images.train,
        found=counts + split.where(found, [alone, *images.left_out], columns),
        contents=images.contents,
        num_held_out=len(images.held_out),
        crop=size,
        sources=sources,
        held_out=images.held_out,
    )
