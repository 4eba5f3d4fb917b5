"""All network classes, built from plain JSON: build({"class": "dcgan.Generator", "size": 64, ...})."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from pretrained.networks import (
    began,
    context,
    dcgan,
    dncnn,
    fastgan,
    icgan,
    mlp,
    patchgan,
    progan,
    r3gan,
    resnet,
    srresnet,
    stackgan,
    stylegan,
    unet,
    vae,
)
from pretrained.networks.sizes import Size, sides
from pretrained.system.errors import InputError

FAMILIES = (
    dcgan,
    mlp,
    began,
    vae,
    icgan,
    progan,
    stackgan,
    stylegan,
    fastgan,
    r3gan,
    unet,
    resnet,
    patchgan,
    srresnet,
    dncnn,
    context,
)
NETWORKS: dict[str, type[nn.Module]] = {
    f"{family.__name__.rpartition('.')[2]}.{name}": getattr(family, name)
    for family in FAMILIES
    for name in family.__all__
}

# A spec may come from an untrusted checkpoint: its numbers are limited to those of large networks.
LIMITS = {
    "size": 1024,
    "channels": 16,
    "inputs": 64,
    "scale": 8,
    "dropout": 1,
    "bottleneck": 8192,
    "z_dim": 4096,
    "w_dim": 4096,
    "text_dim": 4096,
    "width": 2048,
    "widest": 16384,
    "encoder_width": 1024,
    "num_classes": 10_000,
    "num_words": 100_000,
}
DEFAULT_LIMIT = 64


def check(spec: Mapping[str, Any]) -> tuple[type[nn.Module], dict[str, Any]]:
    """The network class and arguments of `spec`; InputError if they are not valid."""
    if not isinstance(spec, Mapping) or not isinstance(spec.get("class"), str):
        raise InputError('a network spec is an object with a "class"')
    arguments = {key: value for key, value in spec.items() if key != "class"}
    network = NETWORKS.get(spec["class"])
    if network is None:
        raise InputError(f"unknown network {spec['class']!r}: one of {', '.join(NETWORKS)}")
    types = typing.get_type_hints(network.__init__)
    legal = list(inspect.signature(network).parameters)
    for name, value in arguments.items():
        if name not in legal:
            raise InputError(f"{spec['class']} has no parameter {name!r}: one of {', '.join(legal)}")
        _check_value(f"{spec['class']}: {name}", value, types[name], LIMITS.get(name, DEFAULT_LIMIT))
    return network, arguments


def complete(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A valid spec with the default values of all missing arguments."""
    network, arguments = check(spec)
    defaults = {name: parameter.default for name, parameter in inspect.signature(network).parameters.items()}
    return {"class": spec["class"], **defaults, **arguments}


def _check_value(name: str, value: Any, expected: Any, limit: int) -> None:
    if expected == Size:
        if type(value) not in (int, str):
            raise InputError(f"{name} must be int or WIDTHxHEIGHT, got {type(value).__name__}")
        for side in sides(value):
            _check_value(name, side, int, limit)
    elif typing.get_origin(expected) is typing.Literal:
        if value not in typing.get_args(expected):
            raise InputError(f"{name} must be one of {', '.join(typing.get_args(expected))}, got {value!r}")
    elif type(value) is not expected and not (expected is float and type(value) is int):
        raise InputError(f"{name} must be {expected.__name__}, got {type(value).__name__}")
    elif isinstance(value, (int, float)) and not 0 <= value <= limit:
        raise InputError(f"{name} must be 0 to {limit}, got {value}")


def build(spec: Mapping[str, Any]) -> nn.Module:
    """Build the network that `spec` describes, with random weights.

    Args:
        spec: JSON values only; "class" is a key of NETWORKS, the others are arguments of its constructor.

    Raises:
        InputError: an unknown class or parameter, a wrong type, a value out of bounds.
    """
    network, arguments = check(spec)
    return network(**arguments)


class _Untouched(TorchFunctionMode):
    """Skips random initialisation: on the meta device it would import sympy, which takes 1.9 s and 145 MB."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__module__", "") == "torch.nn.init" or function is torch.Tensor.normal_:
            return args[0] if args else kwargs["tensor"]
        if function is torch.randn:
            function = torch.empty
        if function is torch.tensor:  # a number that says how far the network has grown
            kwargs = {**(kwargs or {}), "device": "cpu"}
        return function(*args, **(kwargs or {}))


def build_on_meta(spec: Mapping[str, Any]) -> nn.Module:
    """`build` on the meta device: parameters have shapes, but no memory and no values."""
    with torch.device("meta"), _Untouched():
        return build(spec)
