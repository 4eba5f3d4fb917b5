"""Points of a picture dragged to other places, the rest following (DragGAN, Pan et al. 2023, arXiv:2305.10973).

The features of G move the point: each step descends on the distance between what lies around a handle and what lies one
step further on the way to its target (motion supervision, section 3.2, eq. 1), then looks for the handle where the
features are most like those it had at first (point tracking, section 3.3, eq. 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrained.media.images import to_uint8
from pretrained.networks.sizes import Size, sides
from pretrained.pipelines.generate import Generate
from pretrained.system.errors import InputError

MAX_POINTS, MAX_STEPS = 8, 300
NUM_SAMPLES = 256  # seeds, for the usual spread of points
LEARNING_RATE = 0.1  # in standard deviations of the seeds' points
NEAR = 1.0  # px from its target at which a point has arrived
REGION = 1 / 32  # of the side: the radius r_1 around a handle that is moved
SEARCH = 1 / 20  # of the side: the radius r_2 in which it is looked for
MASK_WEIGHT = 20.0  # lambda of eq. 1
SHAPING = 2 / 3  # of the styles: the first ones, which are moved
PRIOR = 0.02  # the weight of straying from where seeds lie

Point = tuple[float, float]  # x and y in px of the picture, from its upper left corner


@dataclass(frozen=True)
class Step:
    """Where a drag is after `number` steps.

    Attributes:
        handles: where the points are now.
        distance: px from the target of the one that is farthest from its.
        image: uint8 (H, W, C).
    """

    number: int
    handles: tuple[Point, ...]
    distance: float
    image: np.ndarray


def drag(
    pipeline: Generate,
    point: np.ndarray,
    condition: Any,
    handles: Sequence[Point],
    targets: Sequence[Point],
    mask: np.ndarray | None = None,
    num_steps: int = 100,
) -> Iterator[Step]:
    """Drag `handles` to `targets`, the same steps at each call; it ends when all have arrived, or after `num_steps`.

    Args:
        point: of the picture, (dim,), in `Generate.space`, as from `Generate.to_latents`.
        condition: what goes with it, as from `Generate.conditions`.
        handles: 1 to MAX_POINTS places in the picture.
        targets: where each of them is to go.
        mask: bool (H, W), what may move; None is all.
        num_steps: 1 to MAX_STEPS.

    Raises:
        InputError: places lie outside the picture, or there are none or too many; or too many steps.
    """
    size = pipeline.config.network.get("size")
    _check(size, handles, targets, num_steps)
    to_device = lambda numbers: torch.from_numpy(np.asarray(numbers, np.float32)).to(pipeline.device)
    y = pipeline.condition([condition])
    synthesize, change = _movable(pipeline, to_device(point)[None], y)
    optimizer = torch.optim.Adam([change], LEARNING_RATE, betas=(0.5, 0.9))
    places, ends = to_device(handles), to_device(targets)
    fixed = None if mask is None else 1 - to_device(mask)
    first: Tensor | None = None
    with torch.enable_grad(), _watched(pipeline.network) as seen:
        for number in range(num_steps + 1):
            image = synthesize(change)
            maps = _maps(seen, image)
            if first is None:
                first, wanted = maps.detach(), _sample(maps.detach(), places)
            else:
                places = _track(maps.detach(), wanted, places)
            way = ends - places
            distance = way.norm(dim=1)
            yield Step(
                number,
                tuple((x, y) for x, y in places.tolist()),
                float(distance.max()),
                to_uint8(image.detach())[0],
            )
            if distance.max() < NEAR or number == num_steps:
                return
            loss = _supervise(maps, places, way / distance.clamp(min=1.0)[:, None])
            if fixed is not None:
                loss = loss + MASK_WEIGHT * ((maps - first).abs() * fixed).mean()
            loss = loss + PRIOR * change.square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def _movable(pipeline: Generate, point: Tensor, y: Tensor | None) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """What is moved, as a function of a change that starts at 0, in standard deviations of the seeds' own.

    In w it is the style of each of the first layers, which give the shape (section 3.1). z alone is too narrow: where
    a layer `project` takes it to the first feature maps, those are moved.
    """
    network, seeds = pipeline.network, range(NUM_SAMPLES)
    usual = torch.from_numpy(pipeline.to_latents(seeds)).to(pipeline.device)
    if pipeline.space == "w":
        spread, count = usual.std(dim=0), math.ceil(SHAPING * network.num_styles)
        change = torch.zeros(1, count, point.shape[1], device=point.device, requires_grad=True)

        def styled(change: Tensor) -> Tensor:
            moved = point[:, None] + spread * change
            return pipeline.synthesize(
                torch.cat([moved, point[:, None].expand(-1, network.num_styles - count, -1)], 1), y
            )

        return styled, change
    if not hasattr(network, "project"):
        spread = usual.std(dim=0)
        return lambda change: pipeline.synthesize(point + spread * change, y), torch.zeros_like(
            point, requires_grad=True
        )
    made: list[Tensor] = []
    with network.project.register_forward_hook(lambda layer, inputs, output: made.append(output)):
        pipeline.draw(usual.cpu().numpy(), pipeline.conditions(seeds))
    spread = torch.cat(made).std(dim=0)

    def projected(change: Tensor) -> Tensor:
        with network.project.register_forward_hook(lambda layer, inputs, output: output + spread * change):
            return pipeline.synthesize(point, y)

    return projected, torch.zeros(1, len(spread), device=point.device, requires_grad=True)


def _check(size: Size | None, handles: Sequence[Point], targets: Sequence[Point], num_steps: int) -> None:
    if size is None:
        raise InputError("the config does not say of what size the images are")
    if not 1 <= len(handles) <= MAX_POINTS or len(handles) != len(targets):
        raise InputError(f"give 1 to {MAX_POINTS} points and a target for each, got {len(handles)} and {len(targets)}")
    height, width = sides(size)
    if not all(0 <= x <= width - 1 and 0 <= y <= height - 1 for x, y in (*handles, *targets)):
        most = width - 1 if height == width else f"{width - 1} across and {height - 1} down"
        raise InputError(f"points and targets must lie in the image, from 0 to {most}")
    if not 1 <= num_steps <= MAX_STEPS:
        raise InputError(f"the number of steps must be 1 to {MAX_STEPS}, got {num_steps}")


@contextmanager
def _watched(network: nn.Module) -> Iterator[dict[int, Tensor]]:
    """While it lasts, the last feature maps (1, C, side, side) of each side that a pass of the network has made."""
    seen: dict[int, Tensor] = {}

    def look(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4:
            seen[output.shape[-1]] = output

    hooks = [module.register_forward_hook(look) for module in network.modules() if module is not network]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _maps(seen: dict[int, Tensor], image: Tensor) -> Tensor:
    """Feature maps at half the side of the picture, enlarged to it -> (C, H, W)."""
    return F.interpolate(seen[image.shape[-1] // 2], image.shape[2:], mode="bilinear", align_corners=False)[0]


def _sample(maps: Tensor, places: Tensor) -> Tensor:
    """What maps (C, H, W) hold at places (..., 2), x and y in px, between pixels too -> (..., C)."""
    grid = (2 * places.reshape(1, 1, -1, 2) + 1) / places.new_tensor(maps.shape[:0:-1]) - 1
    found = F.grid_sample(maps[None], grid, padding_mode="border", align_corners=False)
    return found[0, :, 0].T.reshape(*places.shape[:-1], -1)


def _disc(radius: float, places: Tensor) -> Tensor:
    """Whole offsets no farther than `radius` px, but for the nearest eight -> (M, 2)."""
    reach = torch.arange(-math.ceil(radius), math.ceil(radius) + 1, device=places.device, dtype=places.dtype)
    offsets = torch.cartesian_prod(reach, reach)
    return offsets[offsets.norm(dim=1) <= max(radius, 1.5)]


def _supervise(maps: Tensor, places: Tensor, steps: Tensor) -> Tensor:
    """The distance of what lies around the handles from what lies one of `steps` (K, 2) further (eq. 1)."""
    around = places[:, None] + _disc(REGION * min(maps.shape[1:]), places)
    here, there = _sample(maps, around).detach(), _sample(maps, around + steps[:, None])
    return (here - there).abs().mean(dim=(1, 2)).sum()


def _track(maps: Tensor, wanted: Tensor, places: Tensor) -> Tensor:
    """Where around its last place each handle looks most like `wanted` (K, C), as it did at first (eq. 2) -> (K, 2)."""
    around = places[:, None] + _disc(SEARCH * min(maps.shape[1:]), places)
    around = around.clamp(min=0).minimum(places.new_tensor(maps.shape[:0:-1]) - 1)
    best = (_sample(maps, around) - wanted[:, None]).abs().sum(dim=2).argmin(dim=1)
    return around[torch.arange(len(places)), best]
