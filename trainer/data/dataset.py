"""Named data sets and folders of pictures -> one uint8 array -> endless batches on the device.

A data set lives as one array of resized pictures: small ones in memory (on the GPU where there is one), decoded
folders and what comes from the Hub in a memory-mapped file under `~/.cache/ganvas`, so that the next run starts at
once and memory stays flat.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from pretrained.media.files import name_some
from pretrained.media.images import from_uint8
from pretrained.system.errors import InputError
from trainer import distributed
from trainer.data import captions
from trainer.data.contents import Contents, fingerprint
from trainer.data.files import layout, memmap, reading
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.data.folder_sets import find
from trainer.data.hub import read

MAX_IDX = 256 << 20  # bytes, five times those of MNIST
DEVICE_BYTES = 4 << 30  # a data set up to this size is kept on the GPU


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
class Dataset:
    """Pictures, and labels where there are any.

    Attributes:
        images: uint8 (N, C, size, size).
        labels: int64 (N,), or None.
        classes: a name for each label.
        captions: a sentence for each picture, or None.
        licence: what may be done with it, for the model card.
        found: what was found where, in one sentence.
        contents: what a resumed run compares it by; None where the name says it.
        num_held_out: how many images lie in a part that is not trained on.
        part: "test" where the folder has such a part, and this is it.
    """

    name: str
    images: Tensor
    labels: Tensor | None = None
    classes: list[str] = field(default_factory=list)
    licence: str = "unknown"
    captions: list[str] | None = None
    found: str = ""
    contents: Contents | None = None
    num_held_out: int = 0
    part: str = ""

    @property
    def size(self) -> int:
        return self.images.shape[-1]

    @property
    def channels(self) -> int:
        return self.images.shape[1]

    def batches(self, batch_size: int, seed: int, device: torch.device, horizontal_flip: bool = False) -> Batches:
        """What a method trains on."""
        return Batches(self, batch_size, seed, device, horizontal_flip)

    def columns(self, batch: tuple[Tensor, ...]) -> list[Tensor]:
        """What of a batch is shown side by side: float (B, 1 or 3, H, W) each."""
        return [batch[0]]

    @property
    def has_references(self) -> bool:
        """Whether it shows what those made should be like."""
        return True

    def examples(self, count: int) -> list[Example]:
        """At most `count` held-out sources as a person would give them, always the same; none for a generator."""
        return []

    def references(self, count: int) -> Tensor:
        """At most `count` images that those made should be like -> uint8 (M, channels, size, size)."""
        return self.images[:count]


@dataclass(frozen=True)
class Named:
    """A public data set: the folders below --data-root that may hold it, the torchvision class that downloads it."""

    folders: tuple[str, ...]
    torchvision: str
    licence: str
    classes: tuple[str, ...]


DIGITS = tuple(str(digit) for digit in range(10))
CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
NAMED = {
    "mnist": Named(
        ("mnist/raw", "MNIST/raw"), "MNIST", "MNIST (LeCun, Cortes, Burges), often given as CC BY-SA 3.0", DIGITS
    ),
    "fashion-mnist": Named(
        ("fashion-mnist/raw", "FashionMNIST/raw"), "FashionMNIST", "Fashion-MNIST (Zalando SE), MIT", CLOTHES
    ),
    "cifar10": Named((), "CIFAR10", "CIFAR-10 (Krizhevsky 2009), for research", CIFAR),
}


def load(
    data: str,
    size: int,
    root: Path,
    channels: int | None = None,
    split: str = "train",
    how: Reading = AS_FOUND,
) -> Dataset:
    """The data set that `data` names, at `size` px.

    Args:
        data: a key of NAMED or FOLDER_SETS, "fake", a folder or .zip of pictures, or one on the Hub:
            "hub:user/dataset[@revision]".
        root: where named sets are looked for, and downloaded to.
        channels: 1 or 3; None is what the set has (3 for one on the Hub).
        split: "train" or "test", for named sets, and for folders and those on the Hub whose files are split so.
        how: how a folder or .zip is read.

    Raises:
        InputError: there is no such set, or it cannot be read; says what to do.
    """
    if data == "fake":
        return fake(size, channels or 1)
    if data in NAMED:
        images, labels = _read_named(data, root, split == "train")
        images = resize(_to_channels(images, channels or images.shape[1]), size)
        return Dataset(data, images, labels, list(NAMED[data].classes), NAMED[data].licence)
    if data.startswith(read.PREFIX):
        found = read.read(data.removeprefix(read.PREFIX), size, channels or 3, split, how)
        return Dataset(found.name, found.images, found.labels, found.classes, found.licence, found.captions)
    return _load_folder(find(data, root), size, channels, split, how)


def _load_folder(data: str, size: int, channels: int | None, split: str, how: Reading) -> Dataset:
    how.allow("plain", "classes")
    listing = reading.open_listing(data, f"{', '.join(NAMED)}, fake, a folder or .zip of pictures, or hub:user/dataset")
    found = layout.find_images(listing, how.layout)
    part = (found.held_out or "train") if split == "test" else "train"
    items = found.parts[part][0]
    others = {name: len(kinds[0]) for name, kinds in found.parts.items() if name != part}
    every = [item for kinds in found.parts.values() for item in kinds[0]]
    labelled = layout.classes(every) if how.layout != "plain" else None
    if how.layout == "classes" and not labelled:
        raise InputError(f"`data` {data} has images beside its sub-folders: move them into classes, or use layout auto")
    labels, classes = labelled or ([], [])
    numbers = dict(zip((item.entry.name for item in every), labels))
    entries = [item.entry for item in items]
    decoded = reading.read(
        listing.path, [(entry,) for entry in entries], size, channels or reading.channels_of(listing.path, entries), how
    )
    entries = [entries[number] for number in decoded.kept]
    names = [entry.name for entry in entries]
    said = captions.read(listing, names)
    where = f", from {part}/" if found.held_out else ""
    kinds = f" in {len(classes)} classes ({name_some(classes)})" if classes else ""
    aside = "".join(f"; {count} in {name}/ are held out" for name, count in others.items() if part == "train")
    lost = "".join(f"; {text}" for text in (decoded.left_out, listing.left_out()) if text)
    labels = [numbers[name] for name in names] if classes else None
    return Dataset(
        listing.path.resolve().stem,
        decoded.images,
        None if labels is None else torch.tensor(labels),
        classes,
        captions=said,
        found=f"{len(names)} images{kinds}{where}{aside}{lost}",
        contents=fingerprint(len(names), sum(e.num_bytes for e in entries), classes, decoded.digest, labels, said),
        num_held_out=sum(others.values()) if part == "train" else 0,
        part="test" if part != "train" else "",
    )


def fake(size: int, channels: int, count: int = 1024) -> Dataset:
    """Soft blobs of two classes, wide and narrow: enough to see that training runs."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 2
    centre = torch.rand(count, 2, 1, 1, generator=random) * 1.2 - 0.6
    axis = torch.linspace(-1, 1, size)
    distance = (axis.view(1, -1, 1) - centre[:, 0]).square() + (axis.view(1, 1, -1) - centre[:, 1]).square()
    blobs = torch.exp(-distance / torch.where(labels == 0, 0.02, 0.1).view(-1, 1, 1))
    tint = 0.5 + 0.5 * torch.rand(count, channels, 1, 1, generator=random)
    classes = ["narrow", "wide"]
    captions = [f"a {classes[label]} blob" for label in labels]
    return Dataset("fake", (blobs[:, None] * tint * 255).to(torch.uint8), labels, classes, "CC0", captions)


def _read_idx(path: Path) -> Tensor:
    """An IDX file, gzipped or not -> uint8 tensor (LeCun's format: a magic number, the sizes, the bytes)."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        data = file.read(MAX_IDX + 1)
    if len(data) > MAX_IDX:
        raise ValueError(f"{path.name} has more than {MAX_IDX:,} bytes")
    num_dims = data[3]
    shape = np.frombuffer(data, ">i4", num_dims, offset=4)
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * num_dims).reshape(shape).copy())


def _read_named(name: str, root: Path, train: bool) -> tuple[Tensor, Tensor]:
    """uint8 (N, C, H, W) and int64 (N,), from what lies below `root`, else downloaded to it."""
    prefix = "train" if train else "t10k"
    for directory in NAMED[name].folders:
        for suffix in (".gz", ""):
            paths = [root / directory / f"{prefix}-{part}-ubyte{suffix}" for part in ("images-idx3", "labels-idx1")]
            if all(path.exists() for path in paths):
                try:
                    images, labels = map(_read_idx, paths)
                    if (
                        images.dim() != 3
                        or labels.shape != images.shape[:1]
                        or labels.max() >= len(NAMED[name].classes)
                    ):
                        raise ValueError(f"{tuple(images.shape)} pictures with {tuple(labels.shape)} labels")
                except (OSError, EOFError, ValueError, IndexError, RuntimeError, zlib.error) as error:
                    raise InputError(
                        f"{paths[0].parent} holds a broken file ({error}): delete it and try again"
                    ) from error
                return images[:, None], labels.long()
    import torchvision

    try:
        found = getattr(torchvision.datasets, NAMED[name].torchvision)(root, train=train, download=True)
    except (OSError, RuntimeError) as error:
        raise InputError(f"`data` {name} is not below `data_root` {root} and cannot be downloaded: {error}") from error
    images = torch.as_tensor(found.data)
    return images.movedim(3, 1) if images.ndim == 4 else images[:, None], torch.as_tensor(found.targets)


def _to_channels(images: Tensor, channels: int) -> Tensor:
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return images.expand(-1, 3, -1, -1)
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)  # ITU-R 601
    return (images * luma).sum(1, keepdim=True).round().to(torch.uint8)


def resize(images: Tensor, size: int) -> Tensor:
    """uint8 (N, C, S, S) -> uint8 (N, C, size, size)."""
    if images.shape[-1] == size:
        return images
    resized = [
        F.interpolate(part.float(), (size, size), mode="bilinear", antialias=True).round().clamp(0, 255).byte()
        for part in images.split(4096)
    ]
    return torch.cat(resized)


class Batches:
    """Endless shuffled batches (x, y): x float (B, C, size, size) in [-1, 1], y int64 (B,) or None.

    Picture number i is a function of the seed and i alone: `images_seen` is the whole state, so resuming is exact.
    Each of several processes takes its part of a batch. Pictures that are stored larger than `dataset.size`
    are cut to it at random places.

    Attributes:
        indices: int64 (B,), where the pictures of the last batch lie in the data set; on the device.
    """

    stream = 0  # where the random numbers of this kind of batches begin

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        seed: int,
        device: torch.device,
        horizontal_flip: bool = False,
    ):
        on_device = device.type == "cuda" and dataset.images.numel() <= DEVICE_BYTES
        self.stored = dataset.images.to(device) if on_device else dataset.images
        memmap.release_pages(dataset.images)
        self.touched = 0  # bytes of a mapped file, by these batches
        self.size = dataset.size
        self.labels = dataset.labels
        self.batch_size, self.seed, self.device, self.horizontal_flip = batch_size, seed, device, horizontal_flip
        self.part = distributed.local_slice(batch_size)
        self.images_seen = 0
        self.indices = torch.empty(0, dtype=torch.int64)
        self.ahead: tuple[int, tuple[Tensor | None, ...], Tensor] | None = None
        self.side_stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._permutation = lru_cache(maxsize=2)(self._permutation)

    def _permutation(self, epoch: int) -> Tensor:
        return torch.randperm(len(self.stored), generator=self._random(epoch, stream=0))

    def _random(self, counter: int, stream: int) -> torch.Generator:
        words = np.random.SeedSequence((self.seed, self.stream + stream, counter)).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(words[0] >> 1))

    def _indices(self, start: int) -> Tensor:
        """Where the batch from image `start` on lies in the data set; it may reach over the end of an epoch."""
        wanted, parts = self.batch_size, []
        while wanted:
            epoch, offset = divmod(start, len(self.stored))
            parts.append(self._permutation(epoch)[offset : offset + wanted])
            start, wanted = start + len(parts[-1]), wanted - len(parts[-1])
        return torch.cat(parts)

    @property
    def num_batches(self) -> int:
        """How many batches have been drawn."""
        return self.images_seen // self.batch_size

    def __iter__(self) -> Iterator[tuple[Tensor | None, ...]]:
        return self

    def __next__(self) -> tuple[Tensor | None, ...]:
        if self.ahead and self.ahead[0] == self.images_seen:
            _, batch, self.indices = self.ahead
            current = torch.cuda.current_stream(self.device)
            current.wait_stream(self.side_stream)
            for tensor in (*batch, self.indices):
                if tensor is not None:
                    tensor.record_stream(current)
        else:
            batch, self.indices = self._make(self.images_seen)
        self.ahead = None
        self.images_seen += self.batch_size
        return batch

    def prefetch(self) -> None:
        """Begin the next batch on a stream of its own, while a GPU still learns from this one."""
        if self.side_stream:
            with torch.cuda.stream(self.side_stream):
                self.ahead = (self.images_seen, *self._make(self.images_seen))

    def _make(self, start: int) -> tuple[tuple[Tensor | None, ...], Tensor]:
        """The batch from image `start` on, and its indices."""
        images, indices = self._images(start)
        x = from_uint8(images).contiguous(memory_format=torch.channels_last)
        y = None if self.labels is None else to_device(self.labels[indices.to(self.labels.device)], self.device)
        return (x, y), to_device(indices, self.device)

    def _images(self, start: int) -> tuple[Tensor, Tensor]:
        """A batch as it is stored, cut and mirrored: uint8 (B, C, size, size), and its indices."""
        indices = self._indices(start)[self.part]
        x = to_device(self.stored[to_device(indices, self.stored.device)], self.device)
        self.touched += x.numel() + len(x) * memmap.AROUND
        if self.touched > memmap.HELD:
            memmap.release_pages(self.stored)
            self.touched = 0
        room, place = x.shape[-1] - self.size, torch.arange(self.size)
        if not room and not self.horizontal_flip:
            return x, indices
        corners, columns = torch.zeros(len(x), 2, dtype=torch.int64), place
        if room:
            corners = torch.randint(room + 1, (self.batch_size, 2), generator=self._random(start, stream=2))[self.part]
        if self.horizontal_flip:
            flip = torch.rand(self.batch_size, generator=self._random(start, stream=1))[self.part] < 0.5
            columns = torch.where(flip[:, None], place.flip(0), place)
        places = torch.arange(len(x))[:, None, None], (corners[:, :1] + place)[:, :, None]
        images, rows, columns = (to_device(p, self.device) for p in (*places, (corners[:, 1:] + columns)[:, None, :]))
        return x[images, :, rows, columns].permute(0, 3, 1, 2), indices


def to_device(x: Tensor, device: torch.device) -> Tensor:
    """Copied without waiting for it, which a GPU does from pinned memory."""
    return x.pin_memory().to(device, non_blocking=True) if device.type == "cuda" and not x.is_cuda else x.to(device)
