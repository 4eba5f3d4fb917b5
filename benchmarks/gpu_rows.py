"""What `benchmarks.gpu` measures: the textbook's step and our command line, of one size, for each system."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map
from torch.utils.data import StackDataset

from benchmarks import textbook
from benchmarks.steps import as_pil
from benchmarks.textbook import Losses
from pretrained import networks
from pretrained.networks.convolutions import ToFew
from trainer import data
from trainer.cli.parse import parse
from trainer.loop.trainer import Trainer


@dataclass(frozen=True)
class Sizes:
    """Of one row: on a GPU, or small enough to be walked through on a processor."""

    size: int
    width: int
    batch: int
    workers: int = 8


@dataclass(frozen=True)
class Row:
    """One system.

    Attributes:
        words: our command line; {pictures}, {pairs} and {domains} stand for folders, the other names are of Sizes.
        textbook: sizes, folder, device -> the textbook's steps.
        batches: how many a step takes.
        aim: captured against the textbook.
    """

    words: str
    textbook: Callable[[Sizes, Path, torch.device], Losses]
    gpu: Sizes
    cpu: Sizes
    batches: int = 1
    aim: float | None = None


def batches(dataset: Any, sizes: Sizes, device: torch.device) -> Iterator[Any]:
    """Of a DataLoader, whose own random numbers stay on the host, moved to the device one after the other."""
    with torch.device("cpu"):
        loader = textbook.epochs(dataset, sizes.batch, sizes.workers)
    while True:
        with torch.device("cpu"):
            batch = next(loader)
        yield tree_map(lambda x: x.to(device), batch)


def files(folder: Path, name: str) -> list[Path]:
    return sorted((folder / name).glob("*.jpg"))


def dcgan(sizes: Sizes, folder: Path, device: torch.device) -> Losses:
    G = textbook.generator(sizes.size, 3, 100, sizes.width)
    D = textbook.discriminator(sizes.size, 3, sizes.width, nn.BatchNorm2d)
    images = textbook.Images(files(folder, "pictures"), textbook.resized(sizes.size))
    return textbook.dcgan(G, D, batches(images, sizes, device), 100)


def wgan_gp(sizes: Sizes, folder: Path, device: torch.device) -> Losses:
    G = textbook.generator(sizes.size, 1, 64, sizes.width)
    D = textbook.discriminator(sizes.size, 1, sizes.width, partial(nn.GroupNorm, 1))
    with torch.device("cpu"):
        images = textbook.Images(as_pil(data.fake(28, 1).images), textbook.resized(sizes.size))
    return textbook.wgan_gp(G, D, batches(images, sizes, device), 64)


def stylegan(sizes: Sizes, folder: Path, device: torch.device) -> Losses:
    shape = {"size": sizes.size, "channels": 3, "width": sizes.width}
    G, D = (networks.build({"class": f"stylegan.{name}", **shape}) for name in ("Generator", "Discriminator"))
    images = textbook.Images(files(folder, "pictures"), textbook.resized(sizes.size))
    return textbook.stylegan(G, D, batches(images, sizes, device), 128)


def pix2pix(sizes: Sizes, folder: Path, device: torch.device) -> Losses:
    G = networks.build({"class": "unet.Generator", "size": sizes.size, "width": sizes.width})
    D = networks.build({"class": "patchgan.Discriminator", "inputs": 6, "width": sizes.width})
    pairs = textbook.PairedImages(files(folder, "pairs"), sizes.size)
    return textbook.pix2pix(G, D, batches(pairs, sizes, device))


def cyclegan(sizes: Sizes, folder: Path, device: torch.device) -> Losses:
    translator = {"size": sizes.size, "width": sizes.width, "blocks": 6, "transposed": True}
    specs = [{"class": "resnet.Generator", **translator}] * 2
    specs += [{"class": "patchgan.Discriminator", "inputs": 3, "width": sizes.width}] * 2
    players = [networks.build(spec) for spec in specs]
    for module in (module for player in players for module in player.modules()):
        if isinstance(module, ToFew):
            module.__class__ = nn.Conv2d
    domains = [textbook.Images(files(folder, f"domains/{name}"), textbook.jittered(sizes.size)) for name in "AB"]
    return textbook.cyclegan(*players, batches(StackDataset(*domains), sizes, device))


def srgan(sizes: Sizes, folder: Path, device: torch.device) -> Losses:
    G = networks.build({"class": "srresnet.Generator", "inputs": 3, "width": sizes.width, "scale": 4})
    D = networks.build({"class": "srresnet.Discriminator", "size": sizes.size, "width": sizes.width})
    images = textbook.SmallAndLarge(files(folder, "pictures"), sizes.size, 4)
    return textbook.srgan(G, D, batches(images, sizes, device))


BOTH = "--width {width} --discriminator-width {width}"
ROWS = {
    "dcgan-64": Row(
        "dcgan-64 --data {pictures} --augment none --width {width}",
        dcgan,
        Sizes(64, 128, 128),
        Sizes(16, 4, 4, 0),
        aim=8,
    ),
    "wgan-gp-32": Row(
        "dcgan-plain --data fake --channels 1 --augment none --loss wgan-gp --width {width}",
        wgan_gp,
        Sizes(32, 32, 128),
        Sizes(16, 4, 4, 0),
        batches=5,
        aim=10,
    ),
    "stylegan-64": Row(
        "stylegan-64 --data {pictures} --augment none --width {width}",
        stylegan,
        Sizes(64, 32, 32),
        Sizes(16, 4, 4, 0),
        aim=8,
    ),
    "pix2pix-256": Row(
        f"pix2pix-facades --data {{pairs}} --direction BtoA {BOTH}",
        pix2pix,
        Sizes(256, 64, 1),
        Sizes(32, 4, 1, 0),
        aim=5,
    ),
    "cyclegan-128": Row(
        f"cyclegan-emoji --data {{domains}} {BOTH}",
        cyclegan,
        Sizes(128, 32, 1),
        Sizes(32, 4, 1, 0),
        aim=6,
    ),
    "srgan-96": Row(
        f"srgan-x4 --data {{pictures}} --perceptual none --mse-kimg 0 {BOTH}",
        srgan,
        Sizes(96, 64, 16),
        Sizes(32, 4, 4, 0),
    ),
}
CONTENDERS = {"textbook": "", "eager": "--cuda-graphs off", "captured": "--cuda-graphs on"}


def sizes_of(name: str, device: torch.device) -> Sizes:
    return ROWS[name].gpu if device.type == "cuda" else ROWS[name].cpu


def contender(name: str, who: str, folder: Path, device: torch.device, precision: str = "auto") -> Callable[[], Any]:
    """A training step; on a processor nothing can be captured, so that one is eager too."""
    row, sizes = ROWS[name], sizes_of(name, device)
    torch.manual_seed(0)
    if who == "textbook":
        with torch.device(device):
            steps = row.textbook(sizes, folder, device)

        def step() -> Any:
            with torch.device(device):
                return next(steps)

        return step
    names = {"width": sizes.width, **{name: folder / name for name in ("pictures", "pairs", "domains")}}
    how = CONTENDERS[who if device.type == "cuda" else "eager"]
    shared = f"--size {sizes.size} --batch-size {sizes.batch} --device {device.type} --precision {precision} {how}"
    command = parse(f"{row.words.format(**names)} {shared}".split())
    return Trainer(command.recipe, command.settings).step
