"""What `pretrained.load` returns: seeds or pictures in, pictures out; the same for training, command line and apps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import nn

from pretrained import latents
from pretrained.checkpoint import Config
from pretrained.errors import InputError
from pretrained.images import to_uint8

# Kernels are chosen by the shape of a batch and may differ in the last bit, so each batch has the same shape.
BATCH_SIZE = 16


def pick_device(name: str = "auto") -> torch.device:
    """"auto" is CUDA where there is one, then Apple's MPS, then the CPU."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, there in available.items() if there)
    if not available.get(name.partition(":")[0], False):
        raise InputError(f"--device {name} is not available here: auto, {', '.join(d for d in available if available[d])}")
    return torch.device(name)


@dataclass
class Generate:
    """Seeds in, pictures out.

    Attributes:
        network: z (N, z_dim) [, y (N,)] -> (N, C, H, W) in [-1, 1], in eval mode.
        config: what the network is and can do.
        revision: the commit it was pulled at, or "" for a local one.
    """

    network: nn.Module
    config: Config
    device: torch.device
    revision: str = ""

    def __post_init__(self) -> None:
        if self.config.input.get("noise") not in latents.NOISES:
            raise InputError(f"the config's 'input' needs \"noise\": one of {', '.join(latents.NOISES)}")
        self.network = self.network.to(self.device, memory_format=torch.channels_last)

    def latents(self, seeds: Iterable[int]) -> list[np.ndarray]:
        """The z of each seed, float64 (z_dim,)."""
        return [latents.latent(seed, self.config.network["z_dim"], self.config.input["noise"]) for seed in _checked(seeds)]

    def sample(self, seeds: Iterable[int], label: int | None = None, truncation: float = 1.0) -> np.ndarray:
        """The pictures of `seeds` -> uint8 (N, H, W, C); the same to the bit however many are asked for at once.

        Args:
            seeds: 0 to 2**32 - 1.
            label: the class of all of them; None gives seed s the class s modulo the number of classes.
            truncation: psi; below 1, latents move towards their mean: more typical pictures, less varied.
        """
        seeds = list(seeds)
        labels = self._labels(seeds, label)
        pictures = [picture for picture in self._render(self.latents(seeds), labels, truncation)]
        return np.stack(pictures) if pictures else np.zeros((0, 0, 0, 0), np.uint8)

    def walk(
        self,
        seeds: Sequence[int],
        num_frames: int = 120,
        label: int | None = None,
        truncation: float = 1.0,
        loop: bool = True,
    ) -> Iterator[np.ndarray]:
        """Frames, uint8 (H, W, C), of a smooth path through the pictures of `seeds`, back to the first if `loop`."""
        if not seeds or num_frames < 1:
            raise InputError("a walk needs one seed and one frame at least")
        labels = self._labels(seeds[:1], label) * num_frames
        yield from self._render(latents.walk(self.latents(seeds), num_frames, loop), labels, truncation)

    def _labels(self, seeds: Sequence[int], label: int | None) -> list[int]:
        classes = self.config.classes
        if label is not None and not 0 <= label < len(classes):
            legal = f"0 to {len(classes) - 1}" if classes else "this checkpoint takes none"
            raise InputError(f"--label {label} is out of range: {legal}")
        return [seed % len(classes) if label is None and classes else label or 0 for seed in seeds]

    def _render(self, zs: Iterable[np.ndarray], labels: Iterable[int], truncation: float) -> Iterator[np.ndarray]:
        if not 0 <= truncation <= 2:
            raise InputError(f"--truncation {truncation} is out of range: 0 to 2")
        pairs = zip(zs, labels)
        while batch := list(islice(pairs, BATCH_SIZE)):
            padded = batch + [batch[-1]] * (BATCH_SIZE - len(batch))
            yield from self._render_batch(padded, truncation)[: len(batch)]

    @torch.inference_mode()
    def _render_batch(self, batch: list[tuple[np.ndarray, int]], truncation: float) -> np.ndarray:
        z = torch.from_numpy(np.stack([z for z, _ in batch]).astype(np.float32)).to(self.device) * truncation
        y = torch.tensor([label for _, label in batch], device=self.device)
        return to_uint8(self.network(z, y if self.config.classes else None))


def _checked(seeds: Iterable[int]) -> Iterator[int]:
    for seed in seeds:
        if not 0 <= seed <= latents.MAX_SEED:
            raise InputError(f"seed {seed} is out of range: 0 to {latents.MAX_SEED}")
        yield seed


PIPELINES = {"generate": Generate}


def make(network: nn.Module, config: Config, device: torch.device, revision: str = "") -> Generate:
    """The pipeline that `config` names, around `network`."""
    if config.pipeline not in PIPELINES:
        raise InputError(f"unknown pipeline {config.pipeline!r}: one of {', '.join(PIPELINES)}")
    return PIPELINES[config.pipeline](network, config, device, revision)
