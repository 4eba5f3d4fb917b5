"""Named datasets and folders of images -> one uint8 array.

A dataset lives as one array of resized images: small ones in memory (on the GPU where there is one), decoded folders
and what comes from the Hub in a memory-mapped file under `~/.cache/ganvas`, so that the next run starts at once and
memory stays flat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from pretrained.media.files import name_some
from pretrained.networks.sizes import Size, sides, size_of
from pretrained.system.errors import InputError
from trainer.data import captions
from trainer.data.batches import Batches
from trainer.data.contents import Contents, fingerprint
from trainer.data.files import layout, reading
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.data.hub import read
from trainer.data.sets.folder_sets import find
from trainer.data.sets.named import NAMED, read_named, to_channels


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
        images: uint8 (N, C, *size).
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
    def size(self) -> Size:
        return size_of(*self.images.shape[2:])

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
        """At most `count` images that those made should be like -> uint8 (M, channels, *size)."""
        return self.images[:count]


def load(
    data: str,
    size: Size,
    root: Path,
    channels: int | None = None,
    split: str = "train",
    how: Reading = AS_FOUND,
) -> Dataset:
    """The data set that `data` names, at `size` px.

    Args:
        data: a key of NAMED or FOLDER_SETS, "fake", a folder or .zip of images, or one on the Hub:
            "hub:user/dataset[@revision]".
        root: where named sets are looked for, and downloaded to.
        channels: 1 or 3; None is what the set has.
        split: "train" or "test", for named sets, and for folders and those on the Hub whose files are split so.
        how: how a folder or .zip is read.

    Raises:
        InputError: there is no such set, or it cannot be read; says what to do.
    """
    if data == "fake":
        return fake(size, channels or 1)
    if data in NAMED:
        images, labels = read_named(data, root, split == "train")
        images = resize(to_channels(images, channels or images.shape[1]), size)
        return Dataset(data, images, labels, list(NAMED[data].classes), NAMED[data].licence)
    if data.startswith(read.PREFIX):
        found = read.read(data.removeprefix(read.PREFIX), size, channels, split, how)
        return Dataset(found.name, found.images, found.labels, found.classes, found.licence, found.captions)
    return _load_folder(find(data, root), size, channels, split, how)


def _load_folder(data: str, size: Size, channels: int | None, split: str, how: Reading) -> Dataset:
    how.allow("plain", "classes")
    listing = reading.open_listing(data, f"{', '.join(NAMED)}, fake, a folder or .zip of images, or hub:user/dataset")
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


def fake(size: Size, channels: int, count: int = 1024) -> Dataset:
    """Soft blobs of two classes, wide and narrow: enough to see that training runs."""
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 2
    centre = torch.rand(count, 2, 1, 1, generator=random) * 1.2 - 0.6
    down, across = (torch.linspace(-1, 1, side) for side in sides(size))
    distance = (down.view(1, -1, 1) - centre[:, 0]).square() + (across.view(1, 1, -1) - centre[:, 1]).square()
    blobs = torch.exp(-distance / torch.where(labels == 0, 0.02, 0.1).view(-1, 1, 1))
    tint = 0.5 + 0.5 * torch.rand(count, channels, 1, 1, generator=random)
    classes = ["narrow", "wide"]
    captions = [f"a {classes[label]} blob" for label in labels]
    return Dataset("fake", (blobs[:, None] * tint * 255).to(torch.uint8), labels, classes, "CC0", captions)


def resize(images: Tensor, size: Size) -> Tensor:
    """uint8 (N, C, H, W) -> uint8 (N, C, *size), of the part in the middle that has the shape of `size`."""
    height, width = sides(size)
    images = _middle(images, height / width)
    if images.shape[2:] == (height, width):
        return images
    resized = [
        F.interpolate(part.float(), (height, width), mode="bilinear", antialias=True).round().clamp(0, 255).byte()
        for part in images.split(4096)
    ]
    return torch.cat(resized)


def _middle(images: Tensor, aspect: float) -> Tensor:
    """The largest part (N, C, H', W') in the middle of (N, C, H, W) with H' / W' of about `aspect`."""
    height, width = images.shape[2:]
    kept = min(height, round(width * aspect)), min(width, round(height / aspect))
    top, left = (height - kept[0]) // 2, (width - kept[1]) // 2
    return images[:, :, top : top + kept[0], left : left + kept[1]]
