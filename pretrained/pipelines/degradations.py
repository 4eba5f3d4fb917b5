"""Degradations, which a network learns to undo; the same in training, command line and apps.

All arithmetic is elementwise, in numbers that every machine rounds alike, so that one picture and one seed are one
source, whatever the batch or the device.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from pretrained.system.errors import InputError

Seeds = Sequence[int | Sequence[int]]  # one for each picture: what np.random.RandomState takes
GREY = 128  # what a hole is filled with


@dataclass(frozen=True)
class Degradation:
    """One degradation.

    Attributes:
        function: uint8 pictures (N, C, H, W), seeds, options -> uint8 sources (N, channels(C), H', W').
        source: what comes out, as a person would say it.
        label: of a switch that does it.
        options: what may be set beside, each from the first to the second number.
        channels: those of the source, given those of the picture.
        is_random: whether the seed changes anything.
        masks: whether the last channel of a source is the mask of a hole.
        scores_source: whether a source is such a picture as its target, so that it can be scored as well: what doing
            nothing would give.
    """

    function: Callable[..., Tensor]
    source: str
    label: str
    options: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    channels: Callable[[int], int] = lambda channels: channels
    is_random: bool = False
    masks: bool = False
    scores_source: bool = False


def degrade(kind: str, images: Tensor, seeds: Seeds, options: Mapping[str, Any] | None = None) -> Tensor:
    """uint8 pictures (N, C, H, W) -> uint8 sources, by the row `kind` of DEGRADATIONS.

    Args:
        seeds: one for each picture.
        options: some of the row's; the others have the function's defaults.

    Raises:
        InputError: an unknown kind or option, or a value out of range.
    """
    return DEGRADATIONS[kind].function(images, seeds, **check(kind, options))


def check(kind: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All options of a degradation, the given ones in place of the defaults; InputError when one is not legal."""
    if kind not in DEGRADATIONS:
        raise InputError(f"unknown degradation {kind!r}: one of {', '.join(DEGRADATIONS)}")
    legal = DEGRADATIONS[kind].options
    parameters = inspect.signature(DEGRADATIONS[kind].function).parameters
    values = {name: parameters[name].default for name in legal}
    for name, value in (options or {}).items():
        if name not in legal:
            raise InputError(f"{kind} has no option {name!r}: {', '.join(legal) or 'it has none'}")
        low, high = legal[name]
        kinds = (int,) if isinstance(values[name], int) else (int, float)
        if type(value) not in kinds or not low <= value <= high:
            raise InputError(f"{kind}: {name} is {value!r}: a number from {low:g} to {high:g}")
        values[name] = value
    return values


def grey(images: Tensor, seeds: Seeds) -> Tensor:
    """Brightness alone (ITU-R BT.601, as Pillow has it) -> (N, 1, H, W)."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.int().unbind(1)
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).to(torch.uint8)[:, None]


def downsample(images: Tensor, seeds: Seeds, scale: int = 4) -> Tensor:
    """The mean of each `scale` x `scale` square -> (N, C, H // scale, W // scale); a rest is cut off."""
    height, width = (side // scale for side in images.shape[2:])
    if not height or not width:
        raise InputError(f"{images.shape[3]} x {images.shape[2]} px is too small: {scale} or more both ways")
    squares = images[..., : height * scale, : width * scale].int().unflatten(3, (width, scale))
    sums = squares.unflatten(2, (height, scale)).sum(dim=(3, 5))
    return ((sums + scale**2 // 2) // scale**2).to(torch.uint8)


def noise(images: Tensor, seeds: Seeds, low: float = 0.0, high: float = 55.0) -> Tensor:
    """White Gaussian noise of a deviation drawn from [low, high] of 255 for each picture, then rounded and clipped."""
    grains = []
    for seed in seeds:
        random = np.random.RandomState(seed)
        grains.append(random.uniform(low, high) * random.randn(*images.shape[1:]))
    return _levels(images + torch.from_numpy(np.stack(grains)).to(images.device))


def blur(images: Tensor, seeds: Seeds, low: float = 0.5, high: float = 3.0) -> Tensor:
    """Gaussian blur of a deviation drawn from [low, high] px for each picture."""
    deviations = [np.random.RandomState(seed).uniform(low, high) for seed in seeds]
    together = 1 if images.device.type == "cpu" else len(images)  # one picture fits a processor's cache
    parts = range(0, len(images), together)
    blurred = [_gaussian(images[i : i + together].float(), deviations[i : i + together]) for i in parts]
    return _levels(torch.cat(blurred))


def mask(images: Tensor, seeds: Seeds, strokes: float = 0.5) -> Tensor:
    """A hole in each picture, filled grey -> (N, C + 1, H, W); the last channel is 255 in the hole and 0 elsewhere.

    Args:
        strokes: the share of pictures with the strokes of a broad brush; the others have a square hole in the middle,
            half as wide and high as the picture (Pathak et al. 2016).
    """
    holes = [_hole(np.random.RandomState(seed), *images.shape[2:], strokes) for seed in seeds]
    hole = torch.from_numpy(np.stack(holes)).to(images.device)[:, None]
    return torch.cat([images.masked_fill(hole > 0, GREY), hole], dim=1)


def _hole(random: np.random.RandomState, height: int, width: int, strokes: float) -> np.ndarray:
    hole = Image.new("L", (width, height))
    draw = ImageDraw.Draw(hole)
    if random.uniform() >= strokes:
        draw.rectangle((width // 4, height // 4, width - width // 4 - 1, height - height // 4 - 1), fill=255)
        return np.array(hole)
    side = min(width, height)
    for _ in range(random.randint(1, 5)):  # free-form strokes as in Yu et al. 2018, arXiv:1806.03589
        place, angle = random.uniform(0, 1, 2) * (width, height), random.uniform(0, 2 * np.pi)
        radius = max(1, round(random.uniform(0.04, 0.09) * side))
        for _ in range(random.randint(2, 9)):
            angle += random.uniform(-0.8, 0.8)
            step = random.uniform(0.05, 0.2) * side * np.array([np.cos(angle), np.sin(angle)])
            before, place = place, (place + step).clip(0, (width - 1, height - 1))
            draw.line([*before.round(), *place.round()], fill=255, width=2 * radius)
            for x, y in (before.round(), place.round()):
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.array(hole)


def sketch(images: Tensor, seeds: Seeds, detail: float = 0.5) -> Tensor:
    """The outlines, in black on white, as a thin pen would draw them -> (N, 1, H, W).

    Canny's detector (1986) on the colour gradient of Di Zenzo (1986), so that an outline between two colours of the
    same brightness is seen: smooth, find the ridges of the gradient, keep those that hang on a strong one.

    Args:
        detail: 0 draws the strongest outlines alone, 1 faint ones too.
    """
    smooth = _gaussian(images.float().expand(-1, 3, -1, -1), [1.0])
    padded = torch.nn.functional.pad(smooth, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    # Python's sum, for it adds in this order everywhere.
    xx, yy, xy = (sum(product.split(1, dim=1)) for product in (across * across, down * down, across * down))
    spread = ((xx - yy) * (xx - yy) + 4 * xy * xy).sqrt()
    slope = ((xx + yy + spread) / 2).sqrt()  # the steepest change of colour per px

    strong = 28.0 - 20.0 * detail
    weak = strong / 3
    ridge = (slope > weak) & _is_ridge(slope, xx - yy, 2 * xy)
    line = ridge & (slope > strong)
    for _ in range(8):  # a faint piece belongs to the line that it continues, for some pixels
        line = ridge & _grow(line)
    # A pen is round and a little wider than a pixel.
    ink = _gaussian(line.float(), [0.6]) * 1.8
    return _levels(255 * (1 - ink))


def _is_ridge(slope: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Where `slope` is largest along its direction; cosine and sine are of twice the angle, to any scale."""
    padded = torch.nn.functional.pad(slope, (1, 1, 1, 1))
    height, width = slope.shape[2:]

    def neighbour(x: int, y: int) -> Tensor:
        return padded[..., 1 + y : 1 + y + height, 1 + x : 1 + x + width]

    def is_top(x: int, y: int) -> Tensor:
        return (slope > neighbour(x, y)) & (slope >= neighbour(-x, -y))  # of two equal ones, one

    is_straight = cosine.abs() >= sine.abs()
    straight = torch.where(cosine > 0, is_top(1, 0), is_top(0, 1))
    slanted = torch.where(sine > 0, is_top(1, 1), is_top(1, -1))
    return torch.where(is_straight, straight, slanted)


def _grow(line: Tensor) -> Tensor:
    """Boolean (N, 1, H, W): each place, and the eight around it."""
    for dim in (2, 3):
        size, thin, line = line.shape[dim], line, line.clone()
        line.narrow(dim, 1, size - 1).logical_or_(thin.narrow(dim, 0, size - 1))
        line.narrow(dim, 0, size - 1).logical_or_(thin.narrow(dim, 1, size - 1))
    return line


def _gaussian(images: Tensor, deviations: Sequence[float]) -> Tensor:
    """(N, C, H, W) blurred, the rim repeated; `deviations` are in px, one for each picture or for all.

    All are blurred together with as many taps as the widest has: the others' are zero there, which changes no sum.
    """
    radii = [max(1, int(np.ceil(3 * deviation))) for deviation in deviations]
    radius, rows = max(radii), []
    for own, deviation in zip(radii, deviations):
        taps = np.exp(-0.5 * (np.arange(-own, own + 1) / deviation) ** 2)
        rows.append(np.pad(taps / taps.sum(), radius - own))
    weights = torch.from_numpy(np.stack(rows, axis=1)).float().to(images.device)[..., None, None, None]
    for dim, rim in ((2, (0, 0, radius, radius)), (3, (radius, radius, 0, 0))):
        padded = torch.nn.functional.pad(images, rim, mode="replicate")
        size, images = images.shape[dim], torch.zeros_like(images)
        weighted = torch.empty_like(images)
        for start, tap in enumerate(weights):  # (1 or N, 1, 1, 1)
            images += torch.mul(padded.narrow(dim, start, size), tap, out=weighted)
    return images


def _levels(images: Tensor) -> Tensor:
    return images.round().clamp(0, 255).to(torch.uint8)


DEGRADATIONS = {
    "sketch": Degradation(
        sketch,
        "a sketch, in black lines on white",
        "Trace its outlines first",
        {"detail": (0, 1)},
        channels=lambda channels: 1,
    ),
    "grey": Degradation(grey, "a picture without colours", "Take its colours away first", channels=lambda channels: 1),
    "downsample": Degradation(downsample, "a small picture", "Shrink it first", {"scale": (2, 8)}, scores_source=True),
    "mask": Degradation(
        mask,
        "a picture with a hole",
        "Cut a hole at random",
        {"strokes": (0, 1)},
        channels=lambda channels: channels + 1,
        is_random=True,
        masks=True,
    ),
    "noise": Degradation(
        noise,
        "a noisy picture",
        "Add noise first",
        {"low": (0, 255), "high": (0, 255)},
        is_random=True,
        scores_source=True,
    ),
    "blur": Degradation(
        blur,
        "a blurred picture",
        "Blur it first",
        {"low": (0.1, 16), "high": (0.1, 16)},
        is_random=True,
        scores_source=True,
    ),
}
