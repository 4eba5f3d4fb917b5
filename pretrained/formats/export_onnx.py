"""A checkpoint as one ONNX file, which runs without PyTorch and without Ganvas: in ONNX Runtime, or in a browser."""

from __future__ import annotations

import contextlib
import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from pretrained.inputs.text import MAX_WORDS
from pretrained.networks.sizes import sides as sides_of
from pretrained.pipelines.degradations import GREY
from pretrained.pipelines.registry import Generate, Translate
from pretrained.system.errors import InputError

if TYPE_CHECKING:
    import onnx

# The operators that torch.onnx writes; any other opset is a conversion of it. ONNX Runtime reads it since 1.14 (2023).
OPSET = 18
TOLERANCE = 1e-4  # of numbers in [-1, 1]; a level of 8 bits is 8e-3
PACKAGES = ("onnx", "onnxruntime", "onnxscript")
OUTPUT = "output"
METADATA = "ganvas"
# Sides of a source, for a network that takes any: multiples of all that a network here asks for.
SIDES, OTHER_SIDES = (32, 40), (48, 32)


class Graph(nn.Module):
    """A network with what its pipeline does around it: named tensors in, images out.

    Whole numbers that a network keeps as buffers, e.g. how far it has grown, are constants of the graph.
    """

    def __init__(self, network: nn.Module, names: list[str], run: Callable[..., Tensor]):
        super().__init__()
        self.network, self.names, self.run = copy.deepcopy(network).cpu().eval(), names, run
        for module in self.network.modules():
            for name, buffer in list(module.named_buffers(recurse=False)):
                if buffer.dim() == 0 and not buffer.is_floating_point():
                    delattr(module, name)
                    setattr(module, name, int(buffer))

    def forward(self, *tensors: Tensor) -> Tensor:
        return self.run(self.network, **dict(zip(self.names, tensors)))


def export(pipeline: Generate | Translate) -> tuple[bytes, float]:
    """A checkpoint as an ONNX file -> its bytes, and the largest difference between its images and PyTorch's.

    Its inputs have any number of rows N, the same for all of them. Those of a generator:

        z           float32 (N, z_dim): the noise of a seed
        truncation  float32 (N,): psi, 1 for none
        label       int64 (N,), for a network with classes
        text        int64 (N, MAX_WORDS): words as `text.encode` numbers them, for a network that reads

    Those of a translator, where H and W are free if its network takes any size:

        picture     float32 (N, C, H, W) in [-1, 1]
        second      float32 (N, C, H, W) in [-1, 1], for a network that takes two images
        mask        float32 (N, 1, H, W), 1 in the hole and else 0; outside it the image comes out as it was, and
                    what the image shows in it does not matter
        strength    float32 (N,), 0 to 1

    Its output is "output", float32 (N, C, H', W') in about [-1, 1]; its metadata has the config as JSON at "ganvas".

    Raises:
        InputError: a package is missing, or ONNX Runtime's images are not PyTorch's.
    """
    _check_packages()
    data = _write(pipeline).SerializeToString()
    difference = _largest_difference(data, pipeline)
    if not difference <= TOLERANCE:
        raise InputError(
            f"{pipeline.config.name} is not exported: its images would differ by {difference:.1g} from PyTorch's, "
            f"more than {TOLERANCE:g}"
        )
    return data, difference


def _check_packages() -> None:
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise InputError(f"export needs {' and '.join(missing)}: pip install {' '.join(PACKAGES)}")


def _write(pipeline: Generate | Translate) -> onnx.ModelProto:
    inputs = _inputs(pipeline, 2, SIDES)
    free = torch.export.Dim.DYNAMIC
    sides = pipeline.config.pipeline == "translate" and pipeline.network.multiple is not None
    axes = {name: {0: free} | ({2: free, 3: free} if sides and x.dim() == 4 else {}) for name, x in inputs.items()}
    with _quiet():
        program = torch.onnx.export(
            _graph(pipeline, list(inputs)),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=[OUTPUT],
            dynamic_shapes=(tuple(axes.values()),),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto
    model.producer_name, model.doc_string = "ganvas", pipeline.config.name
    model.metadata_props.add(key=METADATA, value=pipeline.config.to_json())
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What the exporter warns of and logs are its insides."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _graph(pipeline: Generate | Translate, names: list[str]) -> Graph:
    draw = _draw_style if pipeline.config.input.get("style") else _draw
    return Graph(pipeline.network, names, draw if pipeline.config.pipeline == "generate" else _translate).eval()


def _draw(
    network: nn.Module, z: Tensor, truncation: Tensor, label: Tensor | None = None, text: Tensor | None = None
) -> Tensor:
    return network(z * truncation[:, None], label if text is None else text)


def _draw_style(network: nn.Module, z: Tensor, truncation: Tensor, label: Tensor | None = None) -> Tensor:
    w = network.truncate(network.mapping(z, label), label, truncation[:, None])
    return network.synthesis(w[:, None].expand(-1, network.num_styles, -1))


def _translate(
    network: nn.Module, picture: Tensor, mask: Tensor | None = None, strength: Tensor | None = None, **second: Tensor
) -> Tensor:
    x = picture if mask is None else torch.where(mask > 0.5, GREY / 127.5 - 1, picture)
    x = torch.cat([x, *second.values(), *([] if mask is None else [mask])], dim=1)
    y = network(x) if strength is None else network(x, strength)
    return y if mask is None or y.shape[1] != picture.shape[1] else torch.where(mask > 0.5, y, picture)


def _inputs(pipeline: Generate | Translate, count: int, sides: tuple[int, int]) -> dict[str, Tensor]:
    """Example inputs by name, as a pipeline feeds its network: second before mask."""
    config, random = pipeline.config, np.random.RandomState(count)
    if config.pipeline == "generate":
        inputs = {
            "z": torch.from_numpy(np.stack(pipeline.latents(range(count)))).float(),
            "truncation": torch.linspace(1, 0.5, count),
        }
        if config.classes:
            inputs["label"] = torch.arange(count) % len(config.classes)
        if words := config.input.get("text"):
            numbers = random.randint(0, len(words["vocabulary"]) + 1, (count, MAX_WORDS))
            numbers[:, 0] = 1  # the mean of no words is none
            inputs["text"] = torch.from_numpy(numbers)
        return inputs
    height, width = sides_of(pipeline.size) if pipeline.network.multiple is None else sides
    second = config.input.get("second")
    channels = {"picture": pipeline.inputs, "second": second["channels"] if second else 0}
    inputs = {
        name: torch.from_numpy(random.uniform(-1, 1, (count, number, height, width))).float()
        for name, number in channels.items()
        if number
    }
    if config.input.get("mask"):
        inputs["mask"] = torch.from_numpy(random.randint(0, 2, (count, 1, height, width))).float()
    if config.input.get("strength"):
        inputs["strength"] = torch.linspace(1, 0, count)
    return inputs


@torch.inference_mode()
def _largest_difference(data: bytes, pipeline: Generate | Translate) -> float:
    """Between the file's images and the network's, for as many rows, and such sides, as it was not written with."""
    session = open_session(data)
    differences = []
    for count, sides in ((1, SIDES), (3, OTHER_SIDES)):
        inputs = _inputs(pipeline, count, sides)
        expected = _graph(pipeline, list(inputs))(*inputs.values())
        (made,) = session.run([OUTPUT], {name: tensor.numpy() for name, tensor in inputs.items()})
        differences.append(float(np.abs(made - expected.numpy()).max()))
    return max(differences, key=lambda difference: (np.isnan(difference), difference))


def open_session(data: bytes) -> Any:
    """An onnxruntime.InferenceSession on the CPU, in as many threads as PyTorch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
