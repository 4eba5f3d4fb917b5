"""A checkpoint as an ONNX file: its pictures are PyTorch's, for each family of networks."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from helpers import translating
from helpers.small import ABLE, CLASSES, save_able, save_small
from PIL import Image

import pretrained
from pretrained import networks, pipelines
from pretrained.__main__ import main
from pretrained.checkpoint import Config
from pretrained.formats import export_onnx
from pretrained.media.images import from_source, to_uint8
from pretrained.system.errors import InputError

SMALL = {"size": 32, "channels": 1, "z_dim": 8}
PLAIN = {
    "mlp": {"class": "mlp.Generator", "width": 16, **SMALL, "size": "20x12"},
    "began": {"class": "began.Generator", "width": 4, **SMALL},
    "progan": {"class": "progan.Generator", "width": 4, **SMALL},
    "dcgan": {"class": "dcgan.Generator", "width": 4, "num_classes": 2, **SMALL, "size": "48x32"},
}
BESIDE = {"text": ["text"], "encode labels": ["label"], "dcgan": ["label"]}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def make(row: str, folder: Path) -> pipelines.Generate:
    """An untrained generator with lively weights."""
    if row in ABLE:
        return pretrained.load(str(save_able(folder / row, row)), "cpu")
    torch.manual_seed(0)
    spec = PLAIN[row]
    condition = {"classes": CLASSES} if "num_classes" in spec else None
    config = Config(row, "generate", spec, {"noise": "normal"}, condition)
    network = networks.build(spec)
    for parameter in network.parameters():
        if parameter.dim() > 1 and row != "progan":
            torch.nn.init.normal_(parameter, 0.0, 0.2)
    return pipelines.make(network.eval(), config, torch.device("cpu"))


def inputs_of(model: onnx.ModelProto) -> dict[str, list[str | int]]:
    """The shape of each input; a free side is ''."""
    return {
        given.name: [side.dim_value or "" for side in given.type.tensor_type.shape.dim] for given in model.graph.input
    }


@pytest.mark.parametrize("row", [*PLAIN, *ABLE])
def test_generator(row, tmp_path):
    pipeline = make(row, tmp_path)
    data, difference = export_onnx.export(pipeline)
    assert difference < export_onnx.TOLERANCE
    model = onnx.load_from_string(data)
    shapes = inputs_of(model)
    assert shapes.pop("z") == ["", 8]
    assert shapes.pop("truncation") == [""]
    assert list(shapes) == BESIDE.get(row, [])
    assert [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")] == [export_onnx.OPSET]
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert Config.from_json(metadata[export_onnx.METADATA]) == pipeline.config
    # Five at once, each with a psi of its own, are the five pictures that the pipeline makes with that psi.
    inputs = {"z": np.stack(pipeline.latents(range(5))).astype(np.float32), "truncation": np.full(5, 0.5, np.float32)}
    if "label" in shapes:
        inputs["label"] = np.arange(5) % len(CLASSES)
    if "text" in shapes:
        inputs["text"] = np.array(pipeline.conditions(range(5), None))
    (made,) = export_onnx.open_session(data).run([export_onnx.OUTPUT], inputs)
    expected = pipeline.sample(range(5), truncation=0.5)
    assert np.abs(to_uint8(torch.from_numpy(made)).astype(int) - expected).max() <= 1
    assert expected.std() > 5


@pytest.mark.parametrize("row", translating.ROWS)
def test_translator(row):
    pipeline = translating.make(row)
    data, difference = export_onnx.export(pipeline)
    assert difference < export_onnx.TOLERANCE
    shapes = inputs_of(onnx.load_from_string(data))
    width, height = pipeline.frame or (32, 32)
    sides = [height, width] if pipeline.network.multiple is None else ["", ""]
    assert shapes["picture"] == ["", pipeline.inputs, *sides]
    assert set(shapes) == {"picture"} | {
        name for name in ("mask", "second", "strength") if pipeline.config.input.get(name)
    }
    noise = np.random.RandomState(1).randint(0, 256, (height, width, 3), np.uint8)
    image = Image.fromarray(noise).convert("L" if pipeline.inputs == 1 else "RGB")
    hole = Image.new("L", (width, height))
    hole.paste(255, (8, 8, 20, 24))
    given = {"second": image, "mask": hole, "strength": 0.25}
    given = {name: value for name, value in given.items() if name in shapes}
    inputs = {
        name: from_source(tensor(value), mask=name == "mask").numpy()
        for name, value in {"picture": image, **given}.items()
        if name != "strength"
    }
    if "strength" in shapes:
        inputs["strength"] = np.array([given["strength"]], np.float32)
    (made,) = export_onnx.open_session(data).run([export_onnx.OUTPUT], inputs)
    expected = np.asarray(pipeline.translate(image, **given)).astype(int)
    assert np.abs(to_uint8(torch.from_numpy(made))[0].squeeze() - expected).max() <= 1


def tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image).reshape(1, image.height, image.width, -1)).permute(0, 3, 1, 2)


def test_command(tmp_path, capsys):
    model, out = save_small(tmp_path / "small"), tmp_path / "model.onnx"
    main(["export", str(model), "--out", str(out)])
    onnx.checker.check_model(onnx.load(out), full_check=True)
    difference = re.fullmatch(r"differs from PyTorch by (\S+) at most\n.*model.onnx\n", capsys.readouterr().out)
    assert 0 < float(difference[1]) < export_onnx.TOLERANCE


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_package_is_one_sentence(package, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit) as stop:
        main(["export", str(save_small(tmp_path / "small")), "--out", str(tmp_path / "model.onnx")])
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"ganvas: export needs {package}: pip install onnx onnxruntime onnxscript\n"
    assert not (tmp_path / "model.onnx").exists()


def test_images_that_differ_are_refused(tmp_path, monkeypatch):
    pipeline, other = (pretrained.load(str(save_small(tmp_path / "small")), "cpu") for _ in range(2))
    other.network.to_picture.bias += 0.01
    write = export_onnx._write
    monkeypatch.setattr(export_onnx, "_write", lambda _: write(other))
    with pytest.raises(InputError, match=r"not exported: its images would differ by 0\.01 from PyTorch's"):
        export_onnx.export(pipeline)
