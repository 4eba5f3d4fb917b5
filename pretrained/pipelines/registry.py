"""What `pretrained.load` returns: seeds or pictures in, pictures out; the same for training, command line and apps."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from pretrained import networks
from pretrained.checkpoint import Config
from pretrained.pipelines.generate import Generate
from pretrained.pipelines.latent.autoencode import Autoencode, autoencoder
from pretrained.pipelines.translate import Translate
from pretrained.system.errors import InputError

__all__ = ["Autoencode", "Generate", "Translate", "autoencoder", "expect", "make", "pick_device"]


def pick_device(name: str = "auto") -> torch.device:
    """ "auto" is CUDA where there is one, then Apple's MPS, then the CPU."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, there in available.items() if there)
    if not available.get(name.partition(":")[0], False):
        raise InputError(
            f"`device` must be one of auto, {', '.join(d for d in available if available[d])} here, got {name[:40]}"
        )
    return torch.device(name)


PIPELINES = {"generate": Generate, "translate": Translate}
VERBS = {
    "generate": "makes images of seeds: use `python -m pretrained sample`",
    "translate": "turns images into images: use `python -m pretrained translate`",
}


def expect(pipeline: Generate | Translate, kind: str) -> Generate | Translate:
    """The same pipeline, if it is of this kind; InputError says what to do with it otherwise."""
    if pipeline.config.pipeline != kind:
        raise InputError(f"{pipeline.config.name} {VERBS[pipeline.config.pipeline]}")
    return pipeline


def make(network: nn.Module, config: Config, device: torch.device, revision: str = "") -> Generate | Translate:
    """The pipeline that `config` names, around `network`."""
    config = replace(config, network=networks.complete(config.network))
    if config.pipeline not in PIPELINES:
        raise InputError(f"unknown pipeline {config.pipeline!r}: one of {', '.join(PIPELINES)}")
    kind = PIPELINES[config.pipeline]
    if kind is Generate and config.input.get("encode"):
        kind = Autoencode
    return kind(network, config, device, revision)
