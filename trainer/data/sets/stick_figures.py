"""Drawn people in random clothes and poses: data for pose-guided pictures, free of anybody's rights."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

OVERSAMPLING = 4  # drawn larger, then made small: smooth edges
# Limbs as pairs of joints, from the back to the front.
LIMBS = (
    ("right shoulder", "right elbow"),
    ("right elbow", "right hand"),
    ("right hip", "right knee"),
    ("right knee", "right foot"),
    ("left hip", "left knee"),
    ("left knee", "left foot"),
    ("neck", "hip"),
    ("left shoulder", "left elbow"),
    ("left elbow", "left hand"),
    ("neck", "head"),
)
COLOURS = {limb: colorsys.hsv_to_rgb(place / len(LIMBS), 1.0, 1.0) for place, limb in enumerate(LIMBS)}

Joints = dict[str, np.ndarray]  # (x, y) in shares of a side


def pose(random: np.random.RandomState) -> Joints:
    """Where the joints of a random pose are."""

    def towards(start: np.ndarray, angle: float, length: float) -> np.ndarray:
        """0 is down, a right angle to the right of the picture."""
        return start + length * np.array([np.sin(angle), np.cos(angle)])

    hip = np.array([0.5 + random.uniform(-0.06, 0.06), 0.55 + random.uniform(-0.02, 0.02)])
    lean = np.pi + random.uniform(-0.15, 0.15)
    neck = towards(hip, lean, 0.24)
    joints = {"hip": hip, "neck": neck, "head": towards(neck, lean + random.uniform(-0.2, 0.2), 0.09)}
    for side, sign in (("left", 1), ("right", -1)):
        joints[f"{side} shoulder"] = neck + np.array([sign * 0.07, 0.025])
        joints[f"{side} hip"] = hip + np.array([sign * 0.035, 0.0])
        arm = sign * random.uniform(0.1, 2.6)
        joints[f"{side} elbow"] = towards(joints[f"{side} shoulder"], arm, 0.13)
        joints[f"{side} hand"] = towards(joints[f"{side} elbow"], arm + sign * random.uniform(-0.3, 1.5), 0.13)
        leg = sign * random.uniform(0.0, 0.7)
        joints[f"{side} knee"] = towards(joints[f"{side} hip"], leg, 0.18)
        joints[f"{side} foot"] = towards(joints[f"{side} knee"], leg - sign * random.uniform(0.0, 0.7), 0.18)
    return joints


def _drawn(
    size: int, background: tuple[int, int, int], paint: Callable[[ImageDraw.ImageDraw, int], None]
) -> np.ndarray:
    """uint8 (3, size, size)."""
    large = Image.new("RGB", (size * OVERSAMPLING,) * 2, background)
    paint(ImageDraw.Draw(large), size * OVERSAMPLING)
    return np.asarray(large.reduce(OVERSAMPLING)).transpose(2, 0, 1)


def _limb(
    draw: ImageDraw.ImageDraw, side: int, start: np.ndarray, end: np.ndarray, width: float, colour: tuple[int, int, int]
) -> None:
    """A line with round ends; all lengths are shares of `side`."""
    radius = width * side / 2
    draw.line([*(start * side), *(end * side)], fill=colour, width=max(1, round(2 * radius)))
    for x, y in (start * side, end * side):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def draw_pose(joints: Joints, size: int) -> np.ndarray:
    """A stick figure on black, each limb in its own colour, which says left from right -> uint8 (3, size, size)."""

    def paint(draw: ImageDraw.ImageDraw, side: int) -> None:
        for limb in LIMBS:
            colour = tuple(round(255 * level) for level in COLOURS[limb])
            _limb(draw, side, joints[limb[0]], joints[limb[1]], 0.02, colour)

    return _drawn(size, (0, 0, 0), paint)


def draw_body(joints: Joints, look: np.random.RandomState, size: int) -> np.ndarray:
    """A person in that pose -> uint8 (3, size, size); clothes, skin, hair and background are drawn from `look`."""

    def colour(low: float, high: float) -> tuple[int, int, int]:
        return tuple(round(255 * level) for level in colorsys.hsv_to_rgb(*look.uniform((0, 0.3, low), (1, 1, high))))

    background, shirt, trousers, hair = colour(0.75, 1.0), colour(0.35, 0.9), colour(0.2, 0.7), colour(0.05, 0.5)
    skin = tuple(int(level) for level in np.array([255, 224, 189]) * look.uniform(0.35, 1.0))
    has_sleeves, has_long_trousers = look.uniform(size=2) < 0.5

    def paint(draw: ImageDraw.ImageDraw, side: int) -> None:
        for start, end in LIMBS[:-1]:
            if "hip" in start or "knee" in start:
                fill, width = (trousers if "hip" in start or has_long_trousers else skin), 0.065
            elif start == "neck":
                _limb(draw, side, joints["left hip"], joints["right hip"], 0.07, trousers)
                corners = [joints[name] * side for name in ("left shoulder", "right shoulder", "right hip", "left hip")]
                draw.polygon([tuple(corner) for corner in corners], fill=shirt)
                fill, width = shirt, 0.12
            else:
                fill, width = (shirt if "shoulder" in start or has_sleeves else skin), 0.05
            _limb(draw, side, joints[start], joints[end], width, fill)
        (x, y), radius = joints["head"] * side, 0.06 * side
        _limb(draw, side, joints["neck"], joints["head"], 0.04, skin)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=skin)
        draw.pieslice((x - radius, y - radius, x + radius, y + radius), 180, 360, fill=hair)

    return _drawn(size, background, paint)


def render(count: int, size: int, seed: int = 0) -> Tensor:
    """Triples of a person, a pose, and the same person in that pose -> uint8 (count, 9, size, size)."""
    triples = []
    for number in range(count):
        random = np.random.RandomState([seed, number])
        before, after, look = pose(random), pose(random), random.randint(2**31)
        bodies = [draw_body(joints, np.random.RandomState(look), size) for joints in (before, after)]
        triples.append(np.concatenate([bodies[0], draw_pose(after, size), bodies[1]]))
    return torch.from_numpy(np.ascontiguousarray(triples))
