"""Public datasets that are downloaded: MNIST, Fashion-MNIST and CIFAR-10."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pretrained.system.errors import InputError

MAX_IDX = 256 << 20  # bytes, five times those of MNIST


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
    "cifar10": Named(("cifar-10-batches-py",), "CIFAR10", "CIFAR-10 (Krizhevsky 2009), for research", CIFAR),
}


def _read_idx(path: Path) -> Tensor:
    """An IDX file, gzipped or not -> uint8 tensor (LeCun's format: a magic number, the sizes, the bytes)."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        data = file.read(MAX_IDX + 1)
    if len(data) > MAX_IDX:
        raise ValueError(f"{path.name} has more than {MAX_IDX:,} bytes")
    num_dims = data[3]
    shape = np.frombuffer(data, ">i4", num_dims, offset=4)
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * num_dims).reshape(shape).copy())


def read_named(name: str, root: Path, train: bool) -> tuple[Tensor, Tensor]:
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
                        raise ValueError(f"{tuple(images.shape)} images with {tuple(labels.shape)} labels")
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


def to_channels(images: Tensor, channels: int) -> Tensor:
    if images.shape[1] == channels:
        return images
    if channels == 3:
        return images.expand(-1, 3, -1, -1)
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)  # ITU-R 601
    return (images * luma).sum(1, keepdim=True).round().to(torch.uint8)
