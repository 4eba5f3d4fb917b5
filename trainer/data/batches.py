"""Endless shuffled batches of a dataset, on the device."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pretrained.media.images import from_uint8
from pretrained.networks.sizes import sides
from trainer import distributed
from trainer.data.files import memmap

if TYPE_CHECKING:
    from trainer.data.dataset import Dataset

DEVICE_BYTES = 4 << 30  # a data set up to this size is kept on the GPU


class Batches:
    """Endless shuffled batches (x, y): x float (B, C, *size) in [-1, 1], y int64 (B,) or None.

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
        """A batch as it is stored, cut and mirrored: uint8 (B, C, *size), and its indices."""
        indices = self._indices(start)[self.part]
        x = to_device(self.stored[to_device(indices, self.stored.device)], self.device)
        self.touched += x.numel() + len(x) * memmap.AROUND
        if self.touched > memmap.HELD:
            memmap.release_pages(self.stored)
            self.touched = 0
        places = torch.tensor(x.shape[2:]) - torch.tensor(sides(self.size)) + 1  # of the corner, down and across
        most = int(places.max())
        if most == 1 and not self.horizontal_flip:
            return x, indices
        corners, (rows, columns) = torch.zeros(len(x), 2, dtype=torch.int64), map(torch.arange, sides(self.size))
        if most > 1:
            drawn = torch.randint(most, (self.batch_size, 2), generator=self._random(start, stream=2))[self.part]
            corners = drawn * places // most
        if self.horizontal_flip:
            flip = torch.rand(self.batch_size, generator=self._random(start, stream=1))[self.part] < 0.5
            columns = torch.where(flip[:, None], columns.flip(0), columns)
        places = torch.arange(len(x))[:, None, None], (corners[:, :1] + rows)[:, :, None]
        images, rows, columns = (to_device(p, self.device) for p in (*places, (corners[:, 1:] + columns)[:, None, :]))
        return x[images, :, rows, columns].permute(0, 3, 1, 2), indices


def to_device(x: Tensor, device: torch.device) -> Tensor:
    """Copied without waiting for it, which a GPU does from pinned memory."""
    return x.pin_memory().to(device, non_blocking=True) if device.type == "cuda" and not x.is_cuda else x.to(device)
