"""The V of imports, declared dependencies, the registry of networks, the bundled checkpoints, and the linter."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image
from torch import nn

import pretrained
from pretrained import checkpoint, networks
from pretrained.hub import model_card
from pretrained.media.images import grid
from pretrained.pipelines import directions

ROOT = Path(__file__).parents[2]
TOOLKITS = {"streamlit", "gradio", "spaces"}
APPS = {"app", "gradio_app", "gradio_ui", "ui"}
TRAINING = {"trainer", "torchvision", "torchmetrics", "datasets", "matplotlib"}
OPTIONAL = ["requirements-data.txt", "requirements-onnx.txt", "requirements-track.txt"]
FORBIDDEN = {
    "pretrained": TOOLKITS | APPS | TRAINING,
    "trainer": TOOLKITS | APPS,
    "ui": {"app", "trainer", "gradio", "gradio_app", "gradio_ui"},
    "app.py": {"trainer", "gradio", "gradio_app", "gradio_ui"},
    "gradio_ui": {"gradio_app", "trainer", "streamlit", "ui", "app"},
    "gradio_app.py": {"trainer", "streamlit", "ui", "app"},
}


def files_of(room: str) -> list[Path]:
    path = ROOT / room
    return [path] if path.suffix else sorted(path.rglob("*.py"))


def imports_of(source: str) -> Iterator[str]:
    """The first word of all that `source` imports, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (name.value.partition(".")[0] for name in node.args if isinstance(name, ast.Constant))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import trainer.loop as t", {"trainer"}),
        ("def f():\n    if True:\n        from streamlit.web import cli", {"streamlit"}),
        ("class A:\n    import os, gradio", {"os", "gradio"}),
        ("importlib.import_module('trainer.data')", {"trainer"}),
        ("from . import trainer\n'import gradio'", set()),
    ],
)
def test_the_walk_finds_imports_wherever_they_are(source, found):
    assert set(imports_of(source)) == found


@pytest.mark.parametrize("room", FORBIDDEN)
def test_imports_form_a_v(room):
    files = files_of(room)
    assert files
    wrong = {str(file.relative_to(ROOT)): FORBIDDEN[room] & set(imports_of(file.read_text())) for file in files}
    assert not {file: names for file, names in wrong.items() if names}


@pytest.mark.parametrize("room", ["pretrained", "ui", "app.py", "gradio_ui", "gradio_app.py"])
def test_only_command_lines_parse_with_tyro(room):
    parsing = [str(file.relative_to(ROOT)) for file in files_of(room) if "tyro" in set(imports_of(file.read_text()))]
    assert parsing == (["pretrained/cli/parse.py"] if room == "pretrained" else [])


@pytest.mark.parametrize("room", ["pretrained", "trainer"])
def test_importing_a_room_pulls_nothing_that_it_should_not(room):
    modules = [room, *(info.name for info in pkgutil.walk_packages([str(ROOT / room)], f"{room}."))]
    assert f"{room}.__main__" in modules
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert {room, "torch"} <= loaded
    assert not loaded & FORBIDDEN[room]
    # Slow to import, so only where they are used.
    assert not loaded & {"torchvision", "matplotlib", "av"}


def requirements(name: str) -> set[str]:
    lines = (ROOT / name).read_text().splitlines()
    return {re.match(r"[\w-]+", line)[0].replace("-", "_").lower() for line in lines if re.match(r"\w", line)}


def distributions_of(files: list[Path]) -> set[str]:
    """The packages that `files` import, as an index names them, beside the standard library and our own rooms."""
    known = packages_distributions()
    ours = APPS | {"pretrained", "trainer", "benchmarks", "stress", "helpers"}
    names = {name for file in files for name in imports_of(file.read_text())} - sys.stdlib_module_names - ours
    return {re.sub(r"[-.]", "_", known.get(name, [name])[0]).lower() for name in names}


def test_requirements_are_what_is_imported():
    imported = distributions_of([file for room in FORBIDDEN for file in files_of(room)])
    # Imported by others: starlette and python-multipart by streamlit and gradio, hf_xet by huggingface_hub, onnxscript
    # by torch.onnx, tensorboard by torch.utils. A Space of
    # ZeroGPU has spaces.
    declared = requirements("requirements.txt").union(*map(requirements, OPTIONAL))
    assert imported | {"hf_xet", "onnxscript", "starlette", "python_multipart", "tensorboard"} == declared | {"spaces"}


@pytest.mark.parametrize("optional", OPTIONAL)
def test_the_tests_install_what_is_optional(optional):
    assert requirements(optional) <= requirements("requirements-dev.txt")
    assert not requirements(optional) & requirements("requirements.txt")


def test_a_space_installs_what_its_app_imports():
    imported = distributions_of(
        [file for room in ("pretrained", "gradio_ui", "gradio_app.py") for file in files_of(room)]
    )
    declared = requirements("spaces/zerogpu/requirements.txt")
    # ONNX files are made for static Spaces alone.
    assert imported - requirements("requirements-onnx.txt") | {"hf_xet"} == declared


def test_tests_and_benchmarks_import_only_what_is_declared():
    imported = distributions_of([file for room in ("tests", "benchmarks", "stress") for file in files_of(room)])
    # atheris is installed by whom fuzzes with it: it has no wheels for every Python.
    assert imported <= requirements("requirements.txt") | requirements("requirements-dev.txt") | {"atheris"}


def test_no_network_is_missing_from_the_registry():
    """Each module class in pretrained.networks can be built by name, or is a part of one that can."""
    reached = set()
    for name in networks.NETWORKS:
        with torch.device("meta"):
            network = networks.build({"class": name})
        reached |= {base for module in network.modules() for base in type(module).__mro__}
    assert networks.NETWORKS["dcgan.Generator"] in reached
    for info in pkgutil.iter_modules(networks.__path__, "pretrained.networks."):
        module = importlib.import_module(info.name)
        here = {value for value in vars(module).values() if getattr(value, "__module__", "") == info.name}
        missing = {value for value in here if isinstance(value, type) and issubclass(value, nn.Module)} - reached
        assert not missing, f"{info.name} is not in FAMILIES, or a class not in its __all__"


def test_there_are_bundled_checkpoints():
    assert {"dcgan-mnist", "dcgan-fashion"} <= set(pretrained.available())


@pytest.mark.parametrize("name", pretrained.available())
def test_bundled_checkpoint_is_laid_out_as_a_hub_repository(name):
    folder = pretrained.resolve(name)[0].parent
    layout = {checkpoint.MODEL, checkpoint.CONFIG, checkpoint.CARD, checkpoint.SAMPLES}
    assert {file.name for file in folder.iterdir()} - {directions.FILE} == layout
    assert sum(file.stat().st_size for file in folder.iterdir()) < 17e6
    pipeline = pretrained.load(name, "cpu")
    config = pipeline.config
    assert config.name == name
    assert config.training["data_licence"]
    written = json.loads((folder / checkpoint.CONFIG).read_text())
    written["network"] = networks.complete(written["network"])  # which may have learned new options since
    assert written == json.loads(config.to_json())
    text = (folder / checkpoint.CARD).read_text()
    assert not model_card.is_edited(text)
    assert text == model_card.model_card(config)
    assert ModelCard(text).data.library_name == "ganvas"
    # samples.png shows these weights; convolutions may differ in the last bit from one processor to the next.
    with Image.open(folder / checkpoint.SAMPLES) as shown:
        if config.pipeline == "translate":
            drawn, shown = translated(pipeline, shown)
        else:
            drawn = grid(pipeline.sample(range(64)))
        assert np.abs(np.asarray(shown, np.int16).reshape(drawn.shape) - drawn).max() <= 2


def translated(pipeline: pretrained.pipelines.Translate, sheet: Image.Image) -> tuple[np.ndarray, Image.Image]:
    """The sources of a sheet, translated, and the outputs that it shows: one above the other."""
    columns = json.loads(sheet.text["ganvas"])["columns"]
    side = sheet.width // len(columns)
    places = (columns.index(name) * side for name in ("source", "output"))
    source, output = (sheet.crop((place, 0, place + side, sheet.height)) for place in places)
    rows = [source.crop((0, top, side, top + side)) for top in range(0, sheet.height, side)]
    return np.concatenate([np.asarray(pipeline.translate(row)) for row in rows]), output


@pytest.mark.parametrize("command", [("check",), ("format", "--check")], ids=" ".join)
def test_ruff_is_clean(command):
    done = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
