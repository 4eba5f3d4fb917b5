"""What a translator reads, as the input of its config says; it may come from a stranger."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import nn

from pretrained import networks
from pretrained.checkpoint import Config
from pretrained.networks.sizes import Size, is_size, sides
from pretrained.pipelines import degradations
from pretrained.pipelines.degradations import DEGRADATIONS
from pretrained.system.errors import InputError

# What a source can be: a degraded image, or one of another kind.
KINDS = {name: row.source for name, row in DEGRADATIONS.items()} | {
    "picture": "a picture",
    "drawing": "a drawing in black lines on white, with dabs of the colours that are wanted",
    "labels": "a map of labels, each with its colour",
    "pose": "a pose",
}
DRAWN = ("sketch", "drawing", "labels")  # kinds of sources that people draw
CRAYONS = {
    "black": "#000000",
    "grey": "#808080",
    "white": "#ffffff",
    "red": "#e53935",
    "orange": "#fb8c00",
    "yellow": "#fdd835",
    "green": "#43a047",
    "blue": "#1e88e5",
    "violet": "#8e24aa",
    "brown": "#6d4c41",
    "skin": "#f4c69b",
}
CANVAS = 256  # px, the side of a canvas for a network that takes any size
# The longest side of what comes out, in px. In one piece a ResNet of width 32 takes 1 GB for each million pixels.
MAX_SIDE = {"crop": 1536, "stretch": 1536, "tile": 4096}
FIELDS = {"source": dict, "size": Size, "scale": int, "mask": bool, "strength": bool, "second": dict}
DEFAULTS = {"size": None, "scale": 1, "mask": False, "strength": False, "second": None}


class Pen(NamedTuple):
    """What a source is drawn with: CSS colours by name, that of the paper, its sides and the brush's width in px."""

    palette: Mapping[str, str]
    paper: str
    width: int
    height: int
    brush: int


def pen_for(config: Config) -> Pen | None:
    """The pen that draws sources for a translator; None when they cannot be drawn."""
    source, (height, width) = config.input["source"], sides(config.input.get("size") or CANVAS)
    side = min(height, width)
    if source["kind"] == "sketch":
        return Pen({"black": "#000000"}, "#ffffff", width, height, max(1, side // 64))
    if palette := source.get("palette"):
        return Pen(palette, next(iter(palette.values())), width, height, max(1, side // 16))
    widths = {"picture": side // 24, "drawing": side // 40}
    return Pen(CRAYONS, "#ffffff", width, height, max(1, widths[source["kind"]])) if source["kind"] in widths else None


def options_of(config: Config) -> dict[str, Any]:
    """The options of the degradation that a config names, all of them."""
    source = config.input["source"]
    has_scale = "scale" in DEGRADATIONS[source["kind"]].options
    scale = {"scale": config.input.get("scale", 1)} if has_scale else {}
    return degradations.check(source["kind"], source.get("options", {}) | scale)


def channels_of(config: Config, network: nn.Module) -> tuple[int, int]:
    """The channels of the picture that the network reads, and of the one that it makes.

    Raises:
        InputError: the config does not fit its network; says where.
    """
    spec = networks.complete(config.network)
    if not hasattr(network, "multiple"):
        raise InputError(f'the config says "translate", but {spec["class"]} does not turn pictures into pictures')
    given = _fields(config.input)
    source, size, scale = given["source"], given["size"], getattr(network, "scale", 1)
    real = {"scale": scale, "strength": getattr(network, "strength", False)}
    real |= {"size": spec["size"]} if network.multiple is None else {}
    for key, value in real.items():
        if given[key] != value:
            raise InputError(f"the config's {key!r} is {given[key]!r}, but {value!r} in its network")
    if size is not None and not 1 <= min(sides(size)) <= max(sides(size)) <= MAX_SIDE["crop"] // scale:
        raise InputError(f"the config's 'size' is {size}: 1 to {MAX_SIDE['crop'] // scale}, or null for any")
    channels = spec["channels"]
    second = given["second"]["channels"] if given["second"] else 0
    inputs = spec.get("inputs", channels) - second - given["mask"]
    if {inputs, channels} - {1, 3}:
        raise InputError(f"the config's network reads pictures of {inputs} channels and makes {channels}: 1 or 3")
    if source["kind"] in DEGRADATIONS:
        options_of(config)
        row = DEGRADATIONS[source["kind"]]
        if row.channels(channels) != inputs + given["mask"] or row.masks != given["mask"]:
            raise InputError(f"the config's network, with {inputs} channels to read, is none for {source['kind']!r}")
    return inputs, channels


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    """The input of a config with its defaults, each of its type."""
    for key, kind in FIELDS.items():
        value = given.get(key, DEFAULTS.get(key))
        fits = is_size(value) if kind == Size else type(value) is kind
        if not fits and not (value is None and key in ("size", "second")):
            wanted = "int or WIDTHxHEIGHT" if kind == Size else kind.__name__
            raise InputError(f"the config's {key!r} must be {wanted}, not {type(value).__name__}")
    source, second = given["source"], given.get("second")
    if str(source.get("kind")) not in KINDS:
        raise InputError(f"the config's 'source' needs a \"kind\": one of {', '.join(KINDS)}")
    if second and second.get("channels") not in (1, 3):
        raise InputError(f"the config's 'second' has {second.get('channels')!r} channels: 1 or 3")
    for key in ("options", "palette"):
        if not isinstance(source.get(key, {}), dict):
            raise InputError(f"the config's {key!r} must be dict, not {type(source[key]).__name__}")
    for name, colour in source.get("palette", {}).items():
        if not re.fullmatch("#[0-9a-fA-F]{6}", str(colour)) or len(name) > 100:
            raise InputError(
                f"the config's 'palette' has {str(colour)[:20]!r} for {name[:20]!r}: a colour like #0055ff"
            )
    return DEFAULTS | given
