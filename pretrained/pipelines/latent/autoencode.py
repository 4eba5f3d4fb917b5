"""Images in, images out: the pipeline of a generator whose checkpoint carries its encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from PIL import Image

from pretrained.inputs import latents
from pretrained.media.images import fit
from pretrained.pipelines.generate import Generate
from pretrained.system.errors import InputError
from pretrained.system.out_of_memory import raise_on_oom


class Autoencode(Generate):
    """Seeds or images in, images out: a generator whose checkpoint carries its encoder.

    Its network has `encode`: images (N, C, H, W) -> z (N, z_dim) and, where it is conditional, logits of the label.
    Images of any size and mode are cut to its shape, from their middle.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        spec = self.config.network
        if not hasattr(self.network, "encode") or not {"size", "channels"} <= spec.keys():
            raise InputError(f"the config's 'input' says \"encode\", but {spec['class']} here does not know how")

    def encode(self, image: Image.Image) -> np.ndarray:
        """The z of an image, float64 (z_dim,)."""
        return self._encode(image)[0]

    def classify(self, image: Image.Image) -> int:
        """The label that a conditional network's encoder reads from an image."""
        if not self.config.classes:
            raise InputError(f"{self.config.name} has no classes")
        return self._encode(image)[1]

    def decode(self, zs: Sequence[np.ndarray], label: int | None = None) -> np.ndarray:
        """The images of latents (z_dim,) -> uint8 (N, H, W, C); label as for `sample`, by place."""
        return np.stack(list(self.render(zs, self.conditions(range(len(zs)), label), 1.0)))

    def reconstruct(self, image: Image.Image) -> np.ndarray:
        """An image as the network sees it: encoded and decoded -> uint8 (H, W, C)."""
        z, label = self._encode(image)
        return next(self.render([z], [label], 1.0))

    def edit(self, image: Image.Image, label: int) -> np.ndarray:
        """An image made one of another class, all else kept -> uint8 (H, W, C)."""
        return self.decode([self.encode(image)], label)[0]

    def interpolate(self, first: Image.Image, last: Image.Image, num_frames: int = 60) -> Iterator[np.ndarray]:
        """Frames, uint8 (H, W, C), from one reconstruction to the other; the label, if any, changes half way."""
        if num_frames < 1:
            raise InputError("an interpolation needs one frame at least")
        ends = [self._encode(image) for image in (first, last)]
        zs = latents.walk([z for z, _ in ends], num_frames, loop=False)
        labels = [ends[2 * frame >= num_frames][1] for frame in range(num_frames)]
        yield from self.render(zs, labels, 1.0)

    @torch.inference_mode()
    def _encode(self, image: Image.Image) -> tuple[np.ndarray, int]:
        x = fit(image, self.config.network["size"], self.config.network["channels"])
        z, logits = raise_on_oom(lambda: self.network.encode(x.to(self.device)))
        return z[0].double().cpu().numpy(), int(logits.argmax()) if self.config.classes else 0


def autoencoder(pipeline: Generate) -> Autoencode:
    """The same pipeline, which has an encoder; InputError when it has none."""
    if not isinstance(pipeline, Autoencode):
        raise InputError(f"{pipeline.config.name} has no encoder: it draws, but cannot look at an image")
    return pipeline
