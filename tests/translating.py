"""Untrained translators of each kind, made in memory."""

from __future__ import annotations

from typing import Any

import torch

from pretrained import networks, pipelines
from pretrained.checkpoint import Config
from pretrained.translate import Translate

CPU = torch.device("cpu")
UNET = {"class": "unet.Generator", "size": 32, "inputs": 1, "channels": 3, "width": 4}
RESNET = {"class": "resnet.Generator", "size": 32, "inputs": 3, "channels": 3, "width": 4, "blocks": 1}
SRRESNET = {"class": "srresnet.Generator", "inputs": 3, "channels": 3, "width": 4, "blocks": 1, "scale": 4}
DNCNN = {"class": "dncnn.Generator", "channels": 3, "width": 4, "layers": 3}
CONTEXT = {"class": "context.Generator", "size": 32, "inputs": 4, "channels": 3, "width": 4, "bottleneck": 8}
# By what they do: a network, and the input of its config.
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sketch": (UNET, {"source": {"kind": "sketch"}, "size": 32}),
    "colour": (UNET, {"source": {"kind": "grey"}, "size": 32}),
    "label": (UNET | {"inputs": 3}, {"source": {"kind": "labels", "palette": {"wall": "#0055FF"}}, "size": 32}),
    "pose": (
        UNET | {"inputs": 6},
        {"source": {"kind": "picture"}, "size": 32, "second": {"kind": "pose", "channels": 3}},
    ),
    "style": (RESNET | {"strength": True}, {"source": {"kind": "picture"}, "size": None, "strength": True}),
    "square": (RESNET, {"source": {"kind": "picture"}, "size": 32}),
    "enlarge": (SRRESNET, {"source": {"kind": "mosaic"}, "size": None, "scale": 4}),
    "clean": (DNCNN, {"source": {"kind": "noise", "options": {"low": 25, "high": 25}}}),
    "sharpen": (DNCNN | {"channels": 1}, {"source": {"kind": "blur"}}),
    "fill": (CONTEXT, {"source": {"kind": "mask", "options": {"strokes": 1}}, "size": 32, "mask": True}),
}


def make(row: str, **changes: Any) -> Translate:
    """An untrained network of ROWS with lively weights."""
    torch.manual_seed(0)
    spec, given = ROWS[row]
    network = networks.build(spec)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, 0.0, 0.2)
    return pipelines.make(network.eval(), Config(row, "translate", spec, given | changes), CPU)
