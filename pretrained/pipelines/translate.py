"""Translate: a picture in, a picture out; of any mode and size, whole or in tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from pretrained import networks
from pretrained.checkpoint import Config
from pretrained.media.images import flatten, from_source, from_uint8, to_pil, to_uint8
from pretrained.networks.cost import Cost, check
from pretrained.networks.sizes import Size, sides
from pretrained.pipelines import degradations
from pretrained.pipelines.degradations import DEGRADATIONS
from pretrained.pipelines.translator_input import MAX_SIDE, channels_of, options_of
from pretrained.system.errors import InputError
from pretrained.system.out_of_memory import raise_on_oom

Fit = Literal["crop", "tile", "stretch"]
TILE = 256  # px, for a network that takes any size


@dataclass
class Translate:
    """A picture in, a picture out.

    Attributes:
        network: sources (N, inputs, H, W) -> (N, C, scale * H, scale * W) in [-1, 1], in eval mode. A source is a
            picture in [-1, 1], then a second one if the config's input says so, then a mask, 1 in the hole. Where it
            says "strength", the network takes s (N,) from 0 to 1 beside.
        config: what the network is and can do.
        revision: the commit it was pulled at, or "" for a local one.
    """

    network: nn.Module
    config: Config
    device: torch.device
    revision: str = ""

    def __post_init__(self) -> None:
        self._affordable: set[torch.Size] = set()
        self.inputs, self.channels = channels_of(self.config, self.network)
        if self.device.type != "meta":
            self.network = raise_on_oom(lambda: self.network.to(self.device, memory_format=torch.channels_last))

    @property
    def size(self) -> Size | None:
        """The size of a source in px; None: any size."""
        return self.config.input.get("size")

    @property
    def frame(self) -> tuple[int, int] | None:
        """Width and height of a source in px; None: any size."""
        return sides(self.size)[::-1] if self.size else None

    @property
    def scale(self) -> int:
        """How many times larger than its source a picture is."""
        return self.config.input.get("scale", 1)

    @property
    def kind(self) -> str:
        """What a source is, one of `source.KINDS`."""
        return self.config.input["source"]["kind"]

    def translate(
        self,
        image: Image.Image,
        mask: Image.Image | None = None,
        strength: float = 1.0,
        second: Image.Image | None = None,
        degrade: bool = False,
        seed: int = 0,
        fit: Fit = "crop",
    ) -> Image.Image:
        """What the network makes of a picture of any mode and size -> "RGB" or "L".

        A network of one size gives that size, and with "stretch" the shape of the picture. One of any size, and
        "tile", give the size of the picture, times `scale`, as far as `source.MAX_SIDE`. With a mask, all outside the
        hole stays as it was.

        Args:
            mask: white where there is a hole to fill, for a network that fills holes; of the size of the picture.
            strength: 0 to 1, how far to go, for a network that has it.
            second: what is shown beside, for a network that takes two pictures.
            degrade: first make the picture such a source as the network was trained on, e.g. a photo a sketch.
            seed: what is random in that.
            fit: "crop" cuts out the middle in the network's shape, "stretch" brings the whole picture to that shape,
                "tile" goes over it in pieces that overlap. Without a size only "tile" changes anything.

        Raises:
            InputError: what is asked for is not what this network can do.
        """
        self._check(mask, strength, second, degrade, fit)
        image = flatten(image)
        source = self._source(image, mask, second, degrade, seed, fit)
        made = to_pil(to_uint8(self._render(source, strength, fit))[0])
        if fit == "stretch" and self.frame:
            low = [side * self.scale for side in self.frame]
            factor = max(least / side for least, side in zip(low, image.size))
            shape = [side * factor for side in image.size]
            made = made.resize(_sides(shape, low, MAX_SIDE[fit]), Image.Resampling.LANCZOS)
        return made

    def passes(self, size: tuple[int, int], degrade: bool = False, fit: Fit = "crop") -> int:
        """How often the network is run for a picture of this width and height. As for `translate`."""
        if fit != "tile":
            return 1
        shrunk = self.scale if degrade else 1
        tile = self.frame or (TILE, TILE)
        spans = [_spans(side // shrunk, part) for side, part in zip(self._fitted(size, degrade, fit), tile)]
        return len(spans[0]) * len(spans[1])

    def source(
        self,
        image: Image.Image,
        mask: Image.Image | None = None,
        degrade: bool = False,
        seed: int = 0,
        fit: Fit = "crop",
    ) -> Image.Image:
        """The input of the network: the image, fitted and, if asked, degraded; a hole is grey. As for `translate`."""
        self._check(mask, 1.0, None, degrade, fit, whole=False)
        return _pil(self._source(flatten(image), mask, None, degrade, seed, fit)[0, : self.inputs])

    def _source(
        self,
        image: Image.Image,
        mask: Image.Image | None,
        second: Image.Image | None,
        degrade: bool,
        seed: int,
        fit: str,
    ) -> Tensor:
        """uint8 (1, inputs [+ second] [+ mask], H, W)."""
        image = flatten(image, self.channels if degrade else self.inputs)
        sides = self._fitted(image.size, degrade, fit)
        layers = [_tensor(_place(image, sides, fit))]
        if degrade:
            made = degradations.degrade(self.kind, layers[0], [seed], options_of(self.config))
            layers = list(made.split([self.inputs, made.shape[1] - self.inputs], dim=1))
        elif self.config.input.get("mask"):
            hole = flatten(mask, 1).resize(image.size, Image.Resampling.NEAREST)
            hole = _tensor(_place(hole, sides, fit, Image.Resampling.NEAREST)).gt(127)
            layers = [layers[0].masked_fill(hole, degradations.GREY), hole.to(torch.uint8) * 255]
        if second is not None:
            size = layers[0].shape[3], layers[0].shape[2]
            layers.insert(1, _tensor(_place(flatten(second, self.config.input["second"]["channels"]), size, fit)))
        return torch.cat(layers, dim=1)

    def _check(
        self,
        mask: Image.Image | None,
        strength: float,
        second: Image.Image | None,
        degrade: bool,
        fit: str,
        whole: bool = True,
    ) -> None:
        name, given = self.config.name, self.config.input
        if fit not in get_args(Fit):
            raise InputError(f"`fit` must be one of {', '.join(get_args(Fit))}, got {fit!r}")
        if not 0 <= strength <= 1:
            raise InputError(f"`strength` must be 0 to 1, got {strength}")
        if strength != 1 and not given.get("strength"):
            raise InputError(f"{name} has no `strength` to set, got {strength}: leave it out")
        if degrade and self.kind not in DEGRADATIONS:
            raise InputError(f"{name} was not trained on degraded images: leave `degrade` out")
        if mask is not None and not given.get("mask"):
            raise InputError(f"{name} fills no holes: leave `mask` out")
        if given.get("mask") and (mask is None) != degrade:
            raise InputError(
                f"{name} fills holes: give either `mask`, white in the hole, or `degrade` for a random hole"
            )
        if second is not None and not given.get("second"):
            raise InputError(f"{name} takes one image: leave `second` out")
        if second is None and given.get("second") and whole:
            raise InputError(f"{name} takes two images: give `second` too")

    def _fitted(self, size: tuple[int, int], degrade: bool, fit: str) -> tuple[int, int]:
        """Width and height of the fitted image, before any degradation."""
        enlarged = self.scale if degrade else 1  # a degraded image is as large as the output
        width, height = low = [side * enlarged for side in self.frame or (1, 1)]
        if self.frame and fit != "tile":
            return width, height
        limit = MAX_SIDE[fit] // self.scale * enlarged
        if max(size) > limit and self.scale > 1 and not degrade:
            raise InputError(
                f"{size[0]} x {size[1]} px is too large to be made {self.scale} times larger: at most {limit} px"
                f"{'' if fit == 'tile' else ', or ' + str(MAX_SIDE['tile'] // self.scale) + ' with `fit` tile'}"
            )
        return _sides(size, low, limit)

    def _render(self, source: Tensor, strength: float, fit: str) -> Tensor:
        """uint8 (1, C', H, W) -> (1, C, scale * H, scale * W) in [-1, 1]."""
        if fit != "tile":
            return self._run(source, strength)
        height, width = source.shape[2:]
        (tile_width, tile_height), scale = self.frame or (TILE, TILE), self.scale
        made = torch.zeros(1, self.channels, height * scale, width * scale)
        weights = torch.zeros(1, 1, *made.shape[2:])
        for (top, bottom), (left, right) in product(_spans(height, tile_height), _spans(width, tile_width)):
            place = (..., slice(top * scale, bottom * scale), slice(left * scale, right * scale))
            weight = _ramp(bottom - top, tile_height, scale)[:, None] * _ramp(right - left, tile_width, scale)
            made[place] += self._run(source[..., top:bottom, left:right], strength) * weight
            weights[place] += weight
        return made / weights

    @torch.inference_mode()
    def _run(self, source: Tensor, strength: float) -> Tensor:
        """One source by itself, so that it gives the same picture whatever else there is."""
        height, width = source.shape[2:]
        masked = self.config.input.get("mask", False)
        x = from_source(_padded(source, self.network.multiple), masked)
        self._check_cost(x.shape)
        remedy = "give a smaller image, `fit` tile or `device` cpu"
        y = raise_on_oom(lambda: self.run(x.to(self.device), strength).cpu(), remedy)
        y = y[..., : height * self.scale, : width * self.scale].float()
        if masked and self.inputs == self.channels:
            return torch.where(source[:, -1:] > 127, y, from_uint8(source[:, : self.inputs]))
        return y

    def _check_cost(self, shape: torch.Size) -> None:
        """Refuse a source that the network takes too much memory for, before it is taken."""
        if shape in self._affordable:
            return
        network = networks.build_on_meta(self.config.network).eval()
        meta = replace(self, network=network, device=torch.device("meta"))
        with torch.inference_mode(), meta.device, Cost() as cost:
            meta.run(torch.empty(shape), 1.0)
        check(f"{self.config.name} at {shape[3]} x {shape[2]} px", network, cost)
        self._affordable.add(shape)

    def run(self, x: Tensor, strength: float) -> Tensor:
        """What the network makes of x (N, inputs, H, W) on its device, without any care for memory."""
        x = x.contiguous(memory_format=torch.channels_last)
        return self.network(x, x.new_tensor([strength])) if self.config.input.get("strength") else self.network(x)


def _pil(image: Tensor) -> Image.Image:
    return to_pil(image.permute(1, 2, 0).numpy())


def _tensor(image: Image.Image) -> Tensor:
    """PIL "RGB" or "L" -> uint8 (1, 3 or 1, H, W)."""
    levels = np.array(image)
    return torch.from_numpy(levels.reshape(*levels.shape[:2], -1)).permute(2, 0, 1)[None]


def _place(
    image: Image.Image, sides: tuple[int, int], fit: str, resampling: Image.Resampling = Image.Resampling.LANCZOS
) -> Image.Image:
    return image.resize(sides, resampling) if fit == "stretch" else ImageOps.fit(image, sides, resampling)


def _sides(size: Sequence[float], low: Sequence[int], high: int) -> tuple[int, int]:
    """Width and height as near to `size`, and to its proportions, as from `low`, of each side, to `high` can be."""
    factor = max(*(least / side for least, side in zip(low, size)), min(1.0, high / max(size)))
    width, height = (max(least, min(high, round(side * factor))) for least, side in zip(low, size))
    return width, height


def _padded(source: Tensor, multiple: int | None) -> Tensor:
    """Mirrored at its right and lower rim, to sides that are multiples, two of them at least."""
    if multiple is None:
        return source
    more = [(0, max(2 * multiple, -(-side // multiple) * multiple) - side) for side in source.shape[2:]]
    return torch.from_numpy(np.pad(source.numpy(), [(0, 0), (0, 0), *more], "reflect"))


def _spans(side: int, tile: int) -> list[tuple[int, int]]:
    """Where tiles begin and end along a side: evenly, each with a quarter at least in common with the next."""
    if side <= tile:
        return [(0, side)]
    count = 1 + -(-(side - tile) * 4 // (tile * 3))
    return [(start, start + tile) for start in np.linspace(0, side - tile, count).round().astype(int).tolist()]


def _ramp(length: int, tile: int, scale: int) -> Tensor:
    """The weights along a tile: rising from both ends over a quarter of a tile, never 0 -> (length * scale,)."""
    place = torch.arange(length * scale) + 0.5
    return torch.minimum(place, length * scale - place).div(tile * scale / 4).clamp(max=1)
