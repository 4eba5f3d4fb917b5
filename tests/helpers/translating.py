"""Untrained translators of each kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from pretrained import checkpoint, networks, pipelines
from pretrained.checkpoint import Config
from pretrained.media.images import encode_png, grid
from pretrained.pipelines.translate import Translate

CPU = torch.device("cpu")
PALETTE = {"wall": "#0055FF", "<b>door</b>": "#01CFFF"}
UNET = {"class": "unet.Generator", "size": 32, "inputs": 1, "channels": 3, "width": 4}
RESNET = {"class": "resnet.Generator", "size": 32, "inputs": 3, "channels": 3, "width": 4, "blocks": 1}
SRRESNET = {"class": "srresnet.Generator", "inputs": 3, "channels": 3, "width": 4, "blocks": 1, "scale": 4}
DNCNN = {"class": "dncnn.Generator", "channels": 3, "width": 4, "layers": 3}
CONTEXT = {"class": "context.Generator", "size": 32, "inputs": 4, "channels": 3, "width": 4, "bottleneck": 8}
# By what they do: a network, and the input of its config.
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sketch": (UNET, {"source": {"kind": "sketch"}, "size": 32}),
    "wide": (UNET | {"size": "48x32"}, {"source": {"kind": "sketch"}, "size": "48x32"}),
    "colour": (UNET, {"source": {"kind": "grey"}, "size": 32}),
    "label": (UNET | {"inputs": 3}, {"source": {"kind": "labels", "palette": PALETTE}, "size": 32}),
    "pose": (
        UNET | {"inputs": 6},
        {"source": {"kind": "picture"}, "size": 32, "second": {"kind": "pose", "channels": 3}},
    ),
    "style": (RESNET | {"strength": True}, {"source": {"kind": "picture"}, "size": None, "strength": True}),
    "square": (RESNET, {"source": {"kind": "picture"}, "size": 32}),
    "enlarge": (SRRESNET, {"source": {"kind": "downsample"}, "size": None, "scale": 4}),
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


def save(folder: Path, row: str) -> Path:
    """The same as a checkpoint, with a samples.png of two examples beside it -> `folder`."""
    pipeline = make(row)
    checkpoint.save(folder, pipeline.network, pipeline.config)
    columns = ["source", *(name for name in ("mask", "second") if pipeline.config.input.get(name)), "output"]
    width, height = pipeline.frame or (32, 32)
    cells = np.random.RandomState(0).randint(0, 256, (2 * len(columns), height, width, 3), np.uint8)
    png = encode_png(grid(cells, len(columns)), {"ganvas": json.dumps({"columns": columns, "height": height})})
    (folder / checkpoint.SAMPLES).write_bytes(png)
    return folder


def photo(path: Path, size: tuple[int, int] = (60, 40)) -> Path:
    """A picture with something in it -> `path`."""
    Image.radial_gradient("L").resize(size).convert("RGB").save(path)
    return path
