"""A picture -> the point of a generator that redraws it, by gradient descent on the point.

The hybrid of Zhu et al. 2016 (iGAN, arXiv:1609.03552, section 3.1): start from the best of some candidates, the
encoder's answer among them where there is one, and descend from there; in w and with the schedule of Karras et al. 2019
(arXiv:1912.04958, appendix D). In place of a perceptual network, pixels are compared at several scales.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from pretrained.media.images import fit, from_uint8, to_uint8
from pretrained.pipelines.generate import Generate
from pretrained.pipelines.latent.autoencode import Autoencode, autoencoder
from pretrained.system.errors import InputError

NUM_CANDIDATES = 256  # seeds, 0 and up
NUM_STARTS, MAX_STARTS = 8, 16  # so many are followed, or as many as there are classes
SEARCH = 0.25  # share of the steps that all starts take; the best goes on alone
LEARNING_RATE = 0.1  # in standard deviations of the seeds' points
COOLING = 0.25  # share of the steps in which it falls to 0
PRIOR = 0.01  # the weight of straying


@dataclass(frozen=True)
class Step:
    """The best that has been found after `number` of `num_steps` steps.

    Attributes:
        loss: mean squared difference of pixels in [-1, 1] over all scales, and the penalty on straying.
        point: in `Generate.space`, float32 (dim,).
        condition: what the network is told beside it, as from `Generate.conditions`.
        picture: uint8 (H, W, C); that of `Generate.draw` may differ in the last bit.
    """

    number: int
    num_steps: int
    loss: float
    point: np.ndarray
    condition: Any
    image: np.ndarray


def project(
    pipeline: Generate, image: Image.Image, label: int | None = None, text: str | None = None, num_steps: int = 200
) -> Iterator[Step]:
    """Descend to the point of a picture, cut to the network's shape; the same steps at each call.

    Args:
        label: the class that it is drawn as; None tries them all.
        text: what a network that reads is told; None tries all its examples.
        num_steps: 0 gives the best candidate.

    Raises:
        InputError: the label, the text or the number of steps is refused.
    """
    config = pipeline.config
    if num_steps < 0:
        raise InputError(f"`num_steps` must be >= 0, got {num_steps}")
    if not {"size", "channels"} <= config.network.keys():
        raise InputError(f"the config of {config.name} does not say of what size its images are")
    target = fit(image, config.network["size"], config.network["channels"]).to(pipeline.device)
    seeds = range(NUM_CANDIDATES)
    points, conditions = pipeline.to_latents(seeds, label, text=text), pipeline.conditions(seeds, label, text)
    mean, spread = points.mean(axis=0), points.std(axis=0) + 1e-6
    if isinstance(pipeline, Autoencode):
        points = np.concatenate([points, pipeline.encode(image)[None].astype(np.float32)])
        conditions.append(pipeline.classify(image) if config.classes and label is None else conditions[0])
    images = pipeline.draw(points, conditions)
    losses = _distance(from_uint8(torch.from_numpy(images).permute(0, 3, 1, 2)).to(pipeline.device), target).cpu()
    starts = _starts(losses.tolist(), conditions)
    first = starts[0]
    best = Step(0, num_steps, float(losses[first]), points[first], conditions[first], images[first])
    yield best

    if len(points) > NUM_CANDIDATES and NUM_CANDIDATES not in starts:
        starts[-1] = NUM_CANDIDATES  # the encoder's answer is followed in any case
    points, conditions = points[starts], [conditions[start] for start in starts]
    to_device = lambda numbers: torch.from_numpy(np.asarray(numbers, np.float32)).to(pipeline.device)
    mean, spread = to_device(mean), to_device(spread)
    number = 0
    for end in (int(num_steps * SEARCH), num_steps):
        deviations = ((to_device(points) - mean) / spread).requires_grad_()
        optimizer, y = torch.optim.Adam([deviations]), pipeline.condition(conditions)
        while number < end:
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * _warmth(number / num_steps)
            losses, there, drawn = _descend(pipeline, optimizer, deviations, mean, spread, y, target)
            number, place = number + 1, int(losses.argmin())
            if losses[place] < best.loss:
                at, made = there[place].cpu().numpy(), to_uint8(drawn[place : place + 1])[0]
                best = Step(number, num_steps, float(losses[place]), at, conditions[place], made)
            best = replace(best, number=number)
            yield best
        points, conditions = best.point[None], [best.condition]


def encoded(pipeline: Generate, image: Image.Image, label: int | None = None) -> Step:
    """The encoder's answer alone; its loss is not measured.

    Raises:
        InputError: there is no encoder, or the label is refused.
    """
    coder = autoencoder(pipeline)
    point = coder.encode(image).astype(np.float32)
    seen = coder.classify(image) if coder.config.classes and label is None else label
    (condition,) = coder.conditions([0], seen)
    return Step(0, 0, math.nan, point, condition, coder.draw([point], [condition])[0])


def _starts(losses: Sequence[float], conditions: Sequence[Any]) -> list[int]:
    """Candidates to follow, the best first: the best of each condition, then the next best of each."""
    order, seen, rank = sorted(range(len(losses)), key=losses.__getitem__), Counter(), {}
    for place in order:
        condition = np.asarray(conditions[place]).tobytes()
        rank[place] = seen[condition]
        seen[condition] += 1
    return sorted(order, key=rank.__getitem__)[: min(max(NUM_STARTS, len(seen)), MAX_STARTS)]


def _warmth(share: float) -> float:
    """The factor of the learning rate: 1, and at the end down to 0 along a cosine."""
    return 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1.0 - share) / COOLING))


def _distance(drawn: Tensor, target: Tensor) -> Tensor:
    """The mean squared difference (N,) of pictures (N, C, H, W) from one (1, C, H, W), over scales down to 4 px."""
    distances = [(drawn - target).square().mean(dim=(1, 2, 3))]
    while drawn.shape[-1] >= 8:
        drawn, target = F.avg_pool2d(drawn, 2), F.avg_pool2d(target, 2)
        distances.append((drawn - target).square().mean(dim=(1, 2, 3)))
    return torch.stack(distances).mean(dim=0)


@torch.enable_grad()
def _descend(
    pipeline: Generate,
    optimizer: torch.optim.Optimizer,
    deviations: Tensor,
    mean: Tensor,
    spread: Tensor,
    y: Tensor | None,
    target: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of `deviations` (N, dim) from the seeds' mean -> losses (N,), points and pictures before it.

    Seeds lie about one standard deviation from the mean in each number; only what goes beyond is penalised.
    """
    points = mean + spread * deviations
    drawn = pipeline.synthesize(points, y)
    losses = _distance(drawn, target) + PRIOR * (deviations.square().mean(dim=1) - 1).relu()
    optimizer.zero_grad()
    losses.sum().backward()
    optimizer.step()
    return losses.detach(), points.detach(), drawn.detach()
