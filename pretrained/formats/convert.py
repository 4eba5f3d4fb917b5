"""Weights that other people's code has saved -> a checkpoint of ours, with nothing in the file run as code.

Three families have a layout that many share: the DCGAN of the PyTorch tutorial, and the U-Net and ResNet generators of
the code that came with pix2pix and CycleGAN. What a network is like is read off the shapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pretrained import networks
from pretrained.checkpoint import Config
from pretrained.formats.foreign_weights import State, read, states
from pretrained.system.errors import InputError


@dataclass(frozen=True)
class Layer:
    """A convolution as a file has it, and the normalisation that comes after it: its tensors by their last names."""

    name: str
    weight: Tensor
    bias: Tensor | None
    norm: State = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A generator in a file: where it lies there, its spec, its weights by our names."""

    key: str
    spec: dict[str, Any]
    state: State


def convert(path: Path, network: str | None = None, key: str | None = None) -> tuple[nn.Module, Config, str]:
    """The generator in a .pth, .pt, .pkl, .bin or .safetensors file, rebuilt as one of our networks.

    Args:
        network: a key of LAYOUTS; None takes the one whose layout it has.
        key: where in the file it lies, e.g. "netG"; None is for a file with one generator, or one averaged one.

    Returns:
        the network; its config; the key that it was found at, "" for a file that holds nothing else.

    Raises:
        InputError: the file is no file of weights, or holds no generator of a known layout, or several; says which
            tensors are in the way.
    """
    tried = dict(states(read(path)))
    if key is not None:
        if key not in tried:
            raise InputError(f"`key` must be one of {_listed(tried)} in {path}, got {key}")
        tried = {key: tried[key]}
    found, refusals = [], []
    for place, state in tried.items():
        for name, layout in LAYOUTS.items():
            if network in (None, name):
                try:
                    spec, renamed = layout.read(_layers(state))
                    found.append(Found(place, spec, _fitted(spec, renamed)))
                except InputError as error:
                    refusals.append(f"{name}: {error}")
    averaged = [one for one in found if re.search("ema|averag", one.key, re.IGNORECASE)]
    found = averaged if len(averaged) == 1 else found
    if len(found) > 1:
        raise InputError(f"{path} holds several generators: choose one with `key`: {_listed(one.key for one in found)}")
    if not found:
        reasons = "; ".join(dict.fromkeys(refusals)) or "it holds no tensors with names"
        raise InputError(f"{path} holds no generator that is known here: {reasons[:2000]}")
    (one,) = found
    rebuilt = networks.build(one.spec)
    rebuilt.load_state_dict(one.state, strict=True)
    layout = LAYOUTS[one.spec["class"]]
    name = re.sub(r"[^\w.-]+", "-", path.stem, flags=re.ASCII)[:100].strip("-.") or "converted"
    config = Config(name, layout.pipeline, networks.complete(one.spec), layout.input(one.spec))
    return rebuilt.eval().requires_grad_(False), config, one.key


def _layers(state: State) -> list[Layer]:
    """The convolutions in the order of the numbers in their names; InputError where there is another kind of layer."""
    modules: dict[str, State] = {}
    for name in sorted(state, key=lambda name: [int(part) if part.isdigit() else -1 for part in name.split(".")]):
        module, _, last = name.rpartition(".")
        if last != "num_batches_tracked":
            modules.setdefault(module, {})[last] = state[name]
    layers: list[Layer] = []
    for name, tensors in modules.items():
        weight, is_norm = tensors.get("weight"), NORM.issuperset(tensors)
        if weight is not None and weight.dim() == 4 and tensors.keys() <= {"weight", "bias"}:
            layers.append(Layer(name, weight, tensors.get("bias")))
        elif is_norm and layers and not layers[-1].norm and all(tensor.dim() == 1 for tensor in tensors.values()):
            layers[-1].norm.update(tensors)
        else:
            raise InputError(f"no place for {_listed(f'{name}.{last}' for last in tensors)}")
    return layers


def _dcgan(layers: Sequence[Layer]) -> tuple[dict[str, Any], State]:
    """The tutorial's generator: transposed convolutions of 4x4, the first of them of z as an image of one pixel."""
    kernels = [layer.weight for layer in layers]
    _expect(len(layers) >= 3 and all(kernel.shape[2:] == (4, 4) for kernel in kernels), "it is no stack of 4x4 kernels")
    for one, other in pairwise(layers):
        joined = one.weight.shape[1] == other.weight.shape[0] and {"weight", "running_mean"} <= one.norm.keys()
        _expect(joined, f"{one.name} and {other.name} are no transposed convolutions with batch norm between them")
    _expect(not layers[-1].norm, f"the last layer, {layers[-1].name}, is normalised")
    first, *blocks, last = layers
    sizes = {"size": 2 * 2 ** len(layers), "channels": last.weight.shape[1]}
    spec = {"class": "dcgan.Generator", **sizes, "z_dim": first.weight.shape[0], "width": last.weight.shape[0]}
    state = {
        "project.weight": first.weight.permute(2, 3, 1, 0).flatten(0, 2),  # the output pixel, then its channels
        **_batch_norm("norm", first),
        "to_picture.weight": last.weight,
        "to_picture.bias": _bias(last, last.weight.shape[1]),
    }
    for i, layer in enumerate(blocks):
        state |= {f"blocks.{i}.0.weight": layer.weight, **_batch_norm(f"blocks.{i}.1", layer)}
    return spec, state


def _batch_norm(name: str, layer: Layer) -> State:
    """The statistics at `name`, of an input without the bias that the convolution had."""
    mean = layer.norm["running_mean"] - _bias(layer, len(layer.norm["running_mean"]))
    return {f"{name}.{last}": tensor for last, tensor in (layer.norm | {"running_mean": mean}).items()}


def _unet(layers: Sequence[Layer]) -> tuple[dict[str, Any], State]:
    """The U-Net that came with pix2pix: its skips are rectified, and each image is normalised by itself."""
    half = len(layers) // 2
    down, up = layers[:half], layers[half:]
    _expect(len(layers) >= 10 and len(up) == half, f"{len(layers)} convolutions are no U-Net")
    _expect(all(layer.weight.shape[2:] == (4, 4) for layer in layers), "its kernels are not 4x4")
    width, inputs = down[0].weight.shape[:2]
    spec = {"class": "unet.Generator", "size": 2**half, "inputs": inputs, "channels": up[-1].weight.shape[1]}
    spec |= {"width": width, "rectify": True}
    # That code puts what the skip brings first, this one last.
    kernels = [up[0].weight, *(torch.cat(layer.weight.chunk(2)[::-1]) for layer in up[1:])]
    state = {"to_picture.weight": kernels[-1], "to_picture.bias": _bias(up[-1], up[-1].weight.shape[1])}
    for level, layer in enumerate(down):
        state[f"down.{level}.0.weight"] = layer.weight
        if level in (0, half - 1):  # these are not normalised
            state[f"down.{level}.0.bias"] = _bias(layer, len(layer.weight))
        else:
            state |= _instance_norm(f"down.{level}.1", layer, len(layer.weight))
    for level, layer in enumerate(up[:-1]):
        channels = layer.weight.shape[1]
        state |= {f"up.{level}.0.weight": kernels[level], **_instance_norm(f"up.{level}.1", layer, channels)}
    return spec, state


def _resnet(layers: Sequence[Layer]) -> tuple[dict[str, Any], State]:
    """The ResNet that came with CycleGAN: strided convolutions padded with zeros, transposed ones to double."""
    blocks = (len(layers) - 6) // 2
    sides = [7, *[3] * (len(layers) - 2), 7]
    fits = blocks > 0 and len(layers) % 2 == 0 and [layer.weight.shape[-1] for layer in layers] == sides
    _expect(fits, "it is no stack of 3x3 kernels between two of 7x7")
    width, inputs = layers[0].weight.shape[:2]
    spec = {"class": "resnet.Generator", "inputs": inputs, "channels": len(layers[-1].weight), "width": width}
    spec |= {"blocks": blocks, "transposed": True}
    names = ["layers.0", "layers.1", "layers.2"]
    names += [f"layers.{3 + block}.{part}" for block in range(blocks) for part in ("first", "last")]
    names += [f"layers.{3 + blocks}", f"layers.{4 + blocks}"]
    state = {"to_picture.weight": layers[-1].weight, "to_picture.bias": _bias(layers[-1], len(layers[-1].weight))}
    for place, (name, layer) in enumerate(zip(names, layers)):
        channels = layer.weight.shape[1 if place >= len(layers) - 3 else 0]
        state |= {f"{name}.convolution.weight": layer.weight, **_instance_norm(f"{name}.norm", layer, channels)}
    return spec, state


def _instance_norm(name: str, layer: Layer, channels: int) -> State:
    """Scale and shift at `name`. That code tests as it trains: by the statistics of the image that it is given."""
    weight, bias = layer.norm.get("weight", torch.ones(channels)), layer.norm.get("bias", torch.zeros(channels))
    return {f"{name}.weight": weight, f"{name}.bias": bias}


def _bias(layer: Layer, channels: int) -> Tensor:
    return torch.zeros(channels) if layer.bias is None else layer.bias


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise InputError(otherwise)


def _fitted(spec: Mapping[str, Any], state: State) -> State:
    """The tensors as the network of `spec` has them; InputError names the ones that do not fit, or are not finite."""
    expected = networks.build_on_meta(spec).state_dict()
    counters = {name: torch.zeros((), dtype=torch.int64) for name in expected if name.endswith("num_batches_tracked")}
    state = state | counters
    if state.keys() != expected.keys():
        raise InputError(f"{spec['class']} and it differ in {_listed(state.keys() ^ expected.keys())}")
    for name, tensor in expected.items():
        if state[name].shape != tensor.shape:
            was, want = tuple(state[name].shape), tuple(tensor.shape)
            raise InputError(f"its {name} has shape {was}; a {spec['class']} of that width has {want}")
        if not torch.isfinite(state[name]).all():
            raise InputError(f"its {name} holds numbers that are not finite")
    return {name: state[name].to(tensor.dtype).contiguous() for name, tensor in expected.items()}


def _listed(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


NORM = {"weight", "bias", "running_mean", "running_var"}


@dataclass(frozen=True)
class Layout:
    """How a family's files are read, and what a pipeline then feeds the network."""

    read: Callable[[Sequence[Layer]], tuple[dict[str, Any], State]]
    pipeline: str
    input: Callable[[Mapping[str, Any]], dict[str, Any]]


def _source(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"source": {"kind": "picture"}, "size": spec.get("size"), "scale": 1}


LAYOUTS = {
    "dcgan.Generator": Layout(_dcgan, "generate", lambda spec: {"noise": "normal"}),
    "unet.Generator": Layout(_unet, "translate", _source),
    "resnet.Generator": Layout(_resnet, "translate", _source),
}
