"""A trial before anything is loaded or fetched: what a config promises is drawn in shapes, and its cost is known."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pretrained import networks
from pretrained.checkpoint import Config
from pretrained.inputs.text import MAX_WORDS
from pretrained.networks.cost import Cost, check
from pretrained.networks.sizes import sides
from pretrained.pipelines.generate import BATCH_SIZE, Generate
from pretrained.pipelines.latent.autoencode import Autoencode
from pretrained.pipelines.registry import make
from pretrained.pipelines.translate import TILE, Translate
from pretrained.system.errors import InputError

META = torch.device("meta")


def check_drawable(config: Config, counters: Mapping[str, Tensor] = {}) -> None:
    """Draw one batch of the smallest kind in shapes alone.

    Args:
        counters: the whole numbers among the network's buffers, where they are known; else it is taken to be grown.

    Raises:
        InputError: a network of this config cannot draw what the config says, or takes more than the machine, or
            GANVAS_MAX_MEMORY on a server, has.
    """
    network = networks.build_on_meta(config.network).eval()
    for name, value in counters.items():
        if network.get_buffer(name).device.type == "cpu":
            network.get_buffer(name).copy_(value)
    pipeline = make(network, config, META)
    try:
        with torch.inference_mode(), META, Cost() as cost:
            shapes = _draw(pipeline)
    except InputError:
        raise
    except Exception as error:  # a layer raises what it likes when shapes do not meet
        raise InputError(f"{config.name}: its network cannot draw as its config says: {error}") from error
    for made, wanted in shapes:
        if made != wanted:
            raise InputError(f"{config.name}: its network makes {made}, where its config says {wanted}")
    check(config.name, pipeline.network, cost)


def _draw(pipeline: Generate | Translate) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The shapes that come out, each with the one that is wanted."""
    spec = pipeline.config.network
    if isinstance(pipeline, Translate):
        height, width = sides(pipeline.size or max(TILE, 2 * (pipeline.network.multiple or 1)))
        inputs = networks.complete(spec).get("inputs", pipeline.channels)
        made = pipeline.run(torch.empty(1, inputs, height, width), 1.0)
        return [(tuple(made.shape), (1, pipeline.channels, height * pipeline.scale, width * pipeline.scale))]
    channels, (height, width) = spec["channels"], sides(spec["size"])
    if channels not in (1, 3):
        raise InputError(f"{pipeline.config.name} makes images of {channels} channels: 1 or 3")
    y = None
    if pipeline.config.input.get("text"):
        y = torch.empty(BATCH_SIZE, MAX_WORDS, dtype=torch.long)
    elif pipeline.config.classes:
        y = torch.empty(BATCH_SIZE, dtype=torch.long)
    z = torch.empty(BATCH_SIZE, spec["z_dim"])
    if pipeline.space == "w":
        z = pipeline.network.truncate(pipeline.network.mapping(z, y), y, 0.5)
    shapes = [(tuple(pipeline.synthesize(z, y).shape), (BATCH_SIZE, channels, height, width))]
    if isinstance(pipeline, Autoencode):
        code, logits = pipeline.network.encode(torch.empty(1, channels, height, width))
        shapes.append((tuple(code.shape), (1, spec["z_dim"])))
        if pipeline.config.classes:
            shapes.append((tuple(logits.shape), (1, len(pipeline.config.classes))))
    return shapes
