"""Drawings as people make them: pens of any width, and dabs of the colours that are wanted."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

RECOLOURED = 0.5  # share of the pictures whose colours only the dabs can tell
RADIUS = 0.02, 0.09  # of a dab, shares of the side
COLOURFUL = 0.15  # how far apart the channels of a colour lie, of the range of 2


def give(source: Tensor, target: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Drawings and pictures (N, 3, S, S) in [-1, 1] -> the drawings in other pens, with dabs; the pictures to them.

    Half of the drawings have no dabs, so that G has to know colours too. Some have many, beside a picture whose
    channels are exchanged: there the dabs alone tell the colours, so G learns to heed them.
    """
    num = len(source)
    source, target = _pen(source, target)
    rand = partial(torch.rand, device=source.device)
    many = rand(num) < RECOLOURED
    orders = torch.where(many[:, None], rand(num, 3).argsort(1), torch.arange(3, device=source.device))
    target = target[torch.arange(num, device=target.device)[:, None], orders]
    counts = torch.where(rand(num) < 0.5, (rand(num) * most).long() + 1, 0)
    counts = torch.where(many, most, counts)
    return _dab(source, target, counts, most), target


def _pen(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """A pen finer or broader than the drawing's, or its own, one in three each; broad lines are in the picture too."""
    which = torch.randint(3, (len(source), 1, 1, 1), device=source.device)
    broad = -F.max_pool2d(-source, 3, stride=1, padding=1)
    fine = F.max_pool2d(source[:, :, :-1, :-1], 2, stride=1, padding=1)
    target = torch.where(which == 2, torch.minimum(target, broad), target)
    return torch.where(which == 0, fine, torch.where(which == 1, source, broad)), target


def _dab(source: Tensor, target: Tensor, counts: Tensor, most: int) -> Tensor:
    """Discs of the colour in their middle, at `counts` (N,) places where the picture is coloured."""
    num, _, height, width = source.shape
    coloured = (target.amax(1) - target.amin(1) > 2 * COLOURFUL).flatten(1).float()
    places = torch.multinomial(coloured + 1e-6, most)  # (N, most)
    colours = target.flatten(2).gather(2, places[:, None].expand(-1, target.shape[1], -1))
    radii = torch.empty(num, most, device=source.device).uniform_(*RADIUS) * min(height, width)
    radii = torch.where(torch.arange(most, device=source.device) < counts[:, None], radii, 0)
    rows, columns = places // width, places % width
    down, across = (  # (N, most, H) and (N, most, W)
        (torch.arange(side, device=source.device) - place[..., None]).square()
        for side, place in ((height, rows), (width, columns))
    )
    for dab in range(most):
        disc = down[:, dab, :, None] + across[:, dab, None, :] < radii[:, dab, None, None].square()
        source = torch.where(disc[:, None], colours[:, :, dab, None, None], source)
    return source
