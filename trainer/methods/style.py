"""Fast style transfer (Johnson et al. 2016, arXiv:1603.08155): one network paints any image in one style.

How strongly is chosen when it is used: the strength s in [0, 1] weighs the style term, and the network is told s by its
instance norms (Babaeizadeh & Ghiasi 2018, arXiv:1811.08560).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pretrained import networks
from pretrained.media.images import fit, open_image
from pretrained.networks.sizes import Size
from pretrained.system.errors import InputError
from pretrained.system.files import expanded
from trainer.data import pairs
from trainer.data.batches import Batches
from trainer.data.files.reading import AS_FOUND, Reading
from trainer.data.pairs import JITTER, Pairs
from trainer.method import Adam, Method, Updates
from trainer.metrics import perceptual
from trainer.metrics.perceptual import total_variation
from trainer.recipe import Recipe


@dataclass(frozen=True)
class Options:
    """Style image, perceptual loss and network."""

    style: str = ""
    """Style image: the path of a file, or the name of one in style/ below the data root."""
    perceptual: str = "vgg16"
    """Network of the perceptual loss: vgg16 or squeezenet (both are downloaded), or a file of their weights."""
    content_weight: float = 1.0
    """Weight of the content loss."""
    style_weight: float = 5.0
    """Weight of the style loss, at strength 1."""
    smoothness_weight: float = 1.0
    """Weight of the total variation loss."""
    style_size: int | None = None
    """Shorter side of the style image in pixels: larger values give larger brush strokes. By default, `size`."""
    width: int = 32
    """Base number of channels, at the largest feature map; smaller maps have more."""
    blocks: int = 5
    """Residual blocks."""
    jitter: float = JITTER
    """Random crops: images are stored larger by this fraction, and cropped to `size`."""


@dataclass(frozen=True)
class Styled(Pairs):
    """Images to paint, and the file of the style image."""

    style: Path = Path()


class StyleTransfer(Method):
    """A translator G, trained with a perceptual loss alone."""

    optimizer = Adam(1e-3, (0.9, 0.999))

    def __init__(self, options: Options, data: Styled):
        super().__init__(options, data)
        shape = {"size": data.size, "inputs": data.channels, "channels": data.channels}
        network = {"width": options.width, "blocks": options.blocks, "strength": True}
        self.spec = {"class": "resnet.Generator", **shape, **network}
        self.G = networks.build(self.spec)
        style = fit(open_image(data.style), options.style_size or data.size)
        self.perceptual_loss = perceptual.choose(options.perceptual)
        if self.perceptual_loss is None:
            kinds = ", ".join(perceptual.KINDS)
            raise InputError(f"`perceptual` none has no style loss: choose {kinds} or a file of weights")
        with torch.no_grad():
            grams = self.perceptual_loss.grams(self.perceptual_loss.look(style))
        for place, aim in enumerate(grams):
            self.register_buffer(f"gram_{place}", aim, persistent=False)
        self.input = data.checkpoint_input() | {"size": None, "strength": True}

    @classmethod
    def read(
        cls, options: Options, name: str, size: Size, root: Path, channels: int | None, how: Reading = AS_FOUND
    ) -> Styled:
        style = next(
            (path for path in (expanded(options.style), root / "style" / options.style) if path.is_file()),
            None,
        )
        if style is None:
            raise InputError(f"`style` must be an image file, got {options.style or 'nothing'}: give the style image")
        return Styled(**vars(pairs.load_singles(name, size, root, channels, options.jitter, how=how)), style=style)

    def updates(self, batches: Batches) -> Updates:
        x, _ = next(batches)
        strength = torch.rand(len(x), device=x.device)
        output = self.G(x, strength)
        seen, content = self.perceptual_loss.look(output), self.perceptual_loss.look(x.detach())
        style = self.perceptual_loss.style(seen, list(self.buffers(recurse=False)))
        yield (
            self.G,
            {
                "content": self.options.content_weight * self.perceptual_loss.content(seen, content),
                "style": self.options.style_weight * (strength * style).mean(),
                "smoothness": self.options.smoothness_weight * total_variation(output.float()),
            },
        )

    def checkpoint(self) -> dict[str, Any]:
        return {"pipeline": "translate", "network": self.spec, "input": self.input}


RECIPES = [
    # python -m trainer style-transfer --style starry_night.jpg --data FOLDER. In the paper COCO, two epochs of 80,000.
    Recipe(
        name="style-transfer",
        method=StyleTransfer,
        options=Options(),
        summary="style transfer: images of any size in the style of the image --style, at any strength",
        data="pictures",
        size=256,
        kimg=160,
        batch_size=4,
        ema_kimg=2,
        horizontal_flip=True,
    ),
    *(
        Recipe(
            name=name,
            method=StyleTransfer,
            options=Options(style=style, perceptual="squeezenet", width=16, blocks=3),
            summary=f"photographs of any size, painted as {painting}, as strongly as you choose",
            result="paintings of photographs, the stroke and colours of the style; 10 to 17 min on one thread",
            data="caltech101",
            size=128,
            kimg=16,
            batch_size=4,
            decay=0.3,
            ema_kimg=2,
            horizontal_flip=True,
        )
        for name, style, painting in (
            ("style-starry-night", "starry_night.jpg", "The Starry Night by Van Gogh (1889)"),
            ("style-wave", "wave.jpg", "The Great Wave by Hokusai (1831)"),
            ("style-composition", "composition_vii.jpg", "Composition VII by Kandinsky (1913)"),
        )
    ),
]
