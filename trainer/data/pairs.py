"""Pairs of pictures, of source and target -> endless batches of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from pretrained.media.images import from_source, from_uint8, to_pil
from pretrained.pipelines.degradations import DEGRADATIONS, check, degrade
from pretrained.system.errors import InputError
from trainer import data
from trainer.data import folder, splits
from trainer.data.dataset import Batches, Dataset
from trainer.data.folder import Entry
from trainer.data.hub import read

JITTER = 286 / 256 - 1  # pix2pix and CycleGAN
NUM_FAKE, NUM_FAKE_HELD_OUT = 128, 16
NONE = torch.empty(0, 0, 0, 0, dtype=torch.uint8)


@dataclass(frozen=True)
class PairOptions:
    """Where the two pictures of a pair come from."""

    direction: Literal["AtoB", "BtoA"] = "AtoB"
    """Which is the source: A, the left half or the folder A, or B."""
    degradation: Literal[("none", *DEGRADATIONS)] = "none"  # type: ignore[valid-type]
    """Make each source of its target in this way; --data is then any pictures, without pairs."""
    jitter: float = JITTER
    """Pictures are stored larger by this share, and cut to size at random places."""


@dataclass(frozen=True)
class Example:
    """A held-out picture as a person would give it.

    Attributes:
        extras: "mask" or "second", where the network reads such a picture too.
        target: what should come out, where that is known.
    """

    source: Image.Image
    extras: dict[str, Image.Image]
    target: Image.Image | None


@dataclass(frozen=True)
class Pairs(Dataset):
    """Sources and targets, which lie in `images` one upon the other along the channels, or targets alone.

    Attributes:
        images: uint8 (N, stored + channels, S, S), S at least `side`.
        side: the size at which they are seen.
        stored: how many channels come first: A, with what is shown beside it; 0 where sources are made of targets.
        second: how many of a source's channels are those of a second picture.
        swapped: whether A is the target.
        degradation: a key of DEGRADATIONS, by which sources are made; "none": each target is its own source.
        settings: options of the degradation; the others have their defaults.
        held_out: uint8 (M, stored + channels, side, side), never trained on.
    """

    side: int = 0
    stored: int = 0
    second: int = 0
    swapped: bool = False
    degradation: str = "none"
    settings: Mapping[str, Any] | None = None
    held_out: Tensor = NONE

    @property
    def size(self) -> int:
        return self.side

    @property
    def channels(self) -> int:
        """Of the target."""
        return self.stored if self.swapped else self.images.shape[1] - self.stored

    @property
    def inputs(self) -> int:
        """Channels of what a network reads."""
        return self.pair(self.held_out[:1], [0])[0].shape[1]

    def batches(self, batch_size: int, seed: int, device: torch.device, horizontal_flip: bool = False) -> PairBatches:
        return PairBatches(self, batch_size, seed, device, horizontal_flip)

    def pair(self, images: Tensor, seeds: Sequence[int | Sequence[int]]) -> tuple[Tensor, Tensor]:
        """uint8 (B, ...) as in `images` -> source (B, inputs, ...) and target in [-1, 1]; a mask is 0 or 1, the last.

        Args:
            seeds: one for each picture, for what is random in a degradation.
        """
        source = from_source(self._sources(images, seeds), self.masked)
        return source, from_uint8(self.targets(images))

    @property
    def masked(self) -> bool:
        """Whether the last channel of a source is the mask of a hole."""
        return self.degradation == "mask"

    def targets(self, images: Tensor) -> Tensor:
        """Those of uint8 (B, ...) as in `images` -> uint8 (B, channels, ...)."""
        return images[:, : self.stored] if self.swapped else images[:, self.stored :]

    def _sources(self, images: Tensor, seeds: Sequence[int | Sequence[int]]) -> Tensor:
        if self.stored:
            return images[:, self.stored :] if self.swapped else images[:, : self.stored]
        if self.degradation == "none":
            return images
        return degrade(self.degradation, images, seeds, self.settings)

    def examples(self, count: int) -> list[Example]:
        """At most `count` held-out pictures, always the same."""
        images = spread(self.held_out, count)
        sources, targets = self._sources(images, range(len(images))), self.targets(images)
        extra = 1 if self.masked else self.second
        images, extras = sources.split([sources.shape[1] - extra, extra], dim=1)
        name = "mask" if self.masked else "second"
        has_target = self.stored or self.degradation != "none"
        return [
            Example(pil(source), {name: pil(second)} if extra else {}, pil(target) if has_target else None)
            for source, second, target in zip(images, extras, targets)
        ]

    def checkpoint_input(self) -> dict[str, Any]:
        """The `input` of a config, as far as the data says it."""
        kind = "picture" if self.degradation == "none" else self.degradation
        source = {"kind": kind, **({"options": dict(self.settings)} if self.settings else {})}
        return {"source": source, "size": self.size, "scale": 1, **({"mask": True} if self.masked else {})}


class PairBatches(Batches):
    """Endless shuffled batches (source, target), as `Pairs.pair` gives them."""

    def __init__(self, dataset: Pairs, batch_size: int, seed: int, device: torch.device, horizontal_flip: bool = False):
        super().__init__(dataset, batch_size, seed, device, horizontal_flip)
        self.dataset = dataset

    def __next__(self) -> tuple[Tensor, Tensor]:
        numbers = range(self.images_seen, self.images_seen + self.batch_size)[self.part]
        source, target = self.dataset.pair(self.gather(), [[self.seed, number] for number in numbers])
        return source.contiguous(memory_format=torch.channels_last), target.contiguous(
            memory_format=torch.channels_last
        )


def spread(items: Tensor, count: int) -> Tensor:
    """At most `count` of (N, ...), evenly from the first on: neighbours in a folder are often alike."""
    return items[:: max(len(items) // count, 1)][:count]


def pil(image: Tensor) -> Image.Image:
    """uint8 (C, H, W) -> PIL."""
    return to_pil(image.permute(1, 2, 0).numpy())


def load_pairs(
    name: str,
    size: int,
    root: Path,
    channels: int | None,
    options: PairOptions,
    settings: Mapping[str, Any] | None = None,
) -> Pairs:
    """Pairs from `--data`, made of single pictures by a degradation, or from a folder or .zip that holds both.

    Args:
        name: with a degradation all that `data.load` takes. Without one "fake", or a folder of pictures that stand side
            by side in a file, or of sub-folders A and B whose files have the same names. Where there is train/ and val/
            or test/ (or trainA, trainB, testA, ...), those are the parts, else a twentieth is held out.
        settings: options of the degradation.

    Raises:
        InputError: there is no such folder, or its pictures are not in pairs; says what to do.
    """
    if options.degradation != "none":
        if options.direction != "AtoB":
            raise InputError("--direction means nothing to --degradation: give only one of them")
        check(options.degradation, settings)
        dataset = load_singles(name, size, root, channels, options.jitter)
        return replace(dataset, degradation=options.degradation, settings=settings)
    return load_stacks(name, size, channels or 3, options.jitter, ("A", "B"), options.direction == "BtoA")


def load_singles(name: str, size: int, root: Path, channels: int | None, jitter: float) -> Pairs:
    """Pictures that are their own sources, from all that `data.load` takes."""
    stored_size = stored_size_of(size, jitter)
    if name == "fake":
        return _fake([data.fake(pixels, channels or 3, NUM_FAKE).images for pixels in (stored_size, size)], size)
    if name in data.NAMED:
        train = data.load(name, stored_size, root, channels)
        held_out = data.load(name, size, root, channels, "test").images[: splits.MOST_HELD_OUT]
        return Pairs(name, train.images, licence=train.licence, side=size, held_out=held_out)
    if name.startswith(read.PREFIX):
        return _last_held_out(data.load(name, stored_size, root, channels), size)
    path = splits.open_folder(name)
    return _read(
        path, [[(entry,) for entry in part] for part in splits.singles(path)], size, stored_size, channels or 3
    )


def load_stacks(
    name: str, size: int, channels: int, jitter: float, kinds: tuple[str, ...], swapped: bool = False
) -> Pairs:
    """Pictures that belong together, `kinds` in a row: side by side in a file, or in sub-folders of these names."""
    stored_size, stored = stored_size_of(size, jitter), channels * (len(kinds) - 1)
    if name == "fake":
        blobs = [data.fake(pixels, channels, NUM_FAKE).images for pixels in (stored_size, size)]
        dataset = _fake([torch.cat([_outline(part)] * (len(kinds) - 1) + [part], dim=1) for part in blobs], size)
    else:
        path = splits.open_folder(name)
        parts, columns = splits.matches(path, kinds), 1
        if parts is None:
            parts = tuple([(entry,) for entry in part] for part in splits.singles(path))
            columns = len(kinds)
        dataset = _read(path, parts, size, stored_size, channels, columns)
    return replace(dataset, stored=stored, second=stored - channels, swapped=swapped)


def stored_size_of(size: int, jitter: float) -> int:
    """How large pictures are stored that are seen at `size` px."""
    if not 0 <= jitter <= 4:
        raise InputError(f"--jitter is {jitter}: 0 to 4")
    return round(size * (1 + jitter))


def _last_held_out(dataset: Dataset, size: int) -> Pairs:
    """The last pictures are held out rather than any: a part of a mapped file stays on the disk."""
    count = splits.num_held_out(len(dataset.images))
    if not count:
        raise InputError(f"--data {dataset.name} needs two pictures at least, of which one is held out")
    held_out = data.resize(dataset.images[-count:], size)
    return Pairs(dataset.name, dataset.images[:-count], licence=dataset.licence, side=size, held_out=held_out)


def _fake(images: Sequence[Tensor], size: int) -> Pairs:
    train, held_out = images[0][NUM_FAKE_HELD_OUT:], images[1][:NUM_FAKE_HELD_OUT]
    return Pairs("fake", train, licence="CC0", side=size, held_out=held_out)


def _outline(blobs: Tensor) -> Tensor:
    return (blobs > 64).to(torch.uint8) * 255


def _read(
    path: Path, parts: Sequence[list[tuple[Entry, ...]]], size: int, stored_size: int, channels: int, columns: int = 1
) -> Pairs:
    if not all(parts):
        raise InputError(f"--data {path} needs two pictures at least, of which one is held out")
    train, held_out = (
        folder.read_stacks(path, stacks, pixels, channels, columns)[0]
        for stacks, pixels in zip(parts, (stored_size, size))
    )
    return Pairs(path.resolve().stem, train, side=size, held_out=held_out)
