"""What `load` accepts can be drawn, and what that takes is known before it is taken."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.small import ABLE, save_able, save_small
from PIL import Image

import pretrained
from pretrained import checkpoint, networks
from pretrained.checkpoint import Config
from pretrained.networks.cost import Cost
from pretrained.pipelines.registry import make
from pretrained.system import server
from pretrained.system.errors import InputError
from pretrained.trial import META, check_drawable

GENERATOR = {"class": "dcgan.Generator", "size": 16, "channels": 1, "z_dim": 8, "width": 4}
GIVEN = Config("a", "generate", GENERATOR, {"noise": "normal"})
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", pretrained.available())
def test_shapes_are_those_that_are_drawn(name):
    config = checkpoint.read_config(pretrained.resolve(name)[0])
    check_drawable(config)
    by_shapes, by_torch = [], []
    pipeline = make(networks.build_on_meta(config.network), config, META)
    for context, shapes in ((Cost(), by_shapes), (torch.no_grad(), by_torch)):
        with torch.inference_mode(), META, context:
            if config.pipeline == "generate":
                y = torch.zeros(2, dtype=torch.long) if config.classes else None
                z = torch.empty(2, config.network["z_dim"])
                z = pipeline.network.truncate(pipeline.network.mapping(z, y), y, 0.5) if pipeline.space == "w" else z
                shapes.append(pipeline.synthesize(z, y).shape)
            else:
                inputs = networks.complete(config.network).get("inputs", pipeline.channels)
                shapes.append(pipeline.run(torch.empty(1, inputs, *(config.size or 48,) * 2), 1.0).shape)
    assert by_shapes == by_torch


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": {"class": "dcgan.Discriminator", "size": 16, "channels": 1}}, "draws nothing from noise"),
        ({"network": {"class": "patchgan.Discriminator", "inputs": 1}}, "draws nothing from noise"),
        ({"network": {"class": "resnet.Generator", "channels": 3}}, "draws nothing from noise"),
        ({"pipeline": "translate", "input": {"source": {"kind": "picture"}}}, "does not turn pictures"),
        ({"input": {"noise": "normal", "style": True}}, "has none"),
        ({"input": {"noise": "normal", "encode": True}}, "does not know how"),
        ({"network": GENERATOR | {"channels": 2}}, "2 channels"),
        ({"network": GENERATOR | {"size": 1024, "width": 2048}}, "GB of memory"),
    ],
)
def test_what_cannot_be_drawn_is_a_sentence(changes, words, monkeypatch):
    monkeypatch.setenv(server.MEMORY, "4GB")
    with pytest.raises(InputError, match=words):
        check_drawable(dataclasses.replace(GIVEN, **changes))


def test_what_a_spec_leaves_out_has_its_default():
    config = dataclasses.replace(GIVEN, network={"class": "dcgan.Generator", "size": 16, "width": 4})
    check_drawable(config)
    assert make(networks.build(config.network), config, torch.device("cpu")).sample([7]).shape == (1, 16, 16, 3)


@pytest.mark.parametrize("ability", ABLE)
def test_what_can_be_drawn_is_accepted(tmp_path, ability):
    assert pretrained.load(str(save_able(tmp_path / "able", ability)), "cpu").sample([1]).shape == (1, 32, 32, 3)


def test_a_counter_beyond_all_layers_is_refused(tmp_path):
    spec = {"class": "progan.Generator", "size": 16, "channels": 1, "z_dim": 8, "width": 4}
    network = networks.build(spec)
    network.grown.fill_(10**12)
    checkpoint.save(tmp_path, network, dataclasses.replace(GIVEN, network=spec))
    with pytest.raises(InputError, match="cannot draw"):
        pretrained.load(str(tmp_path), "cpu")


@pytest.mark.parametrize("number", ["9" * 400, "1e308", "-" + "9" * 17])
def test_a_number_that_is_no_measure_is_refused(number):
    text = json.dumps(dataclasses.asdict(GIVEN)).replace('"training": {}', f'"training": {{"kimg": {number}}}')
    with pytest.raises(InputError, match="number beyond"):
        Config.from_json(text)


LIMITED = """
import resource, sys, pretrained
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    pretrained.load(sys.argv[1], "cpu").sample(range(16))
except pretrained.InputError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def run(path, **environment):
    command = [sys.executable, "-c", "import torch\n" + LIMITED, path]
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.splitlines()


def test_a_small_file_that_would_take_gigabytes_takes_none(tmp_path):
    spec = GENERATOR | {"size": 1024, "width": 16}
    checkpoint.save(tmp_path, networks.build(spec), dataclasses.replace(GIVEN, network=spec), torch.float16)
    sentence, megabytes = run(tmp_path, GANVAS_MAX_MEMORY="1GB")
    assert "GB of memory" in sentence
    assert int(megabytes) < 50


def test_loading_takes_little_more_than_the_network(tmp_path):
    spec = GENERATOR | {"width": 512, "z_dim": 512}  # 38 MB of weights
    checkpoint.save(tmp_path, networks.build(spec), dataclasses.replace(GIVEN, network=spec))
    path = tmp_path / checkpoint.MODEL
    code = "import pretrained.checkpoint as c, resource as r, pathlib\nb = r.getrusage(0).ru_maxrss\n"
    code += f"c.load(pathlib.Path({str(path)!r}))\nprint((r.getrusage(0).ru_maxrss - b) * 1024)"
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    taken = int(subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout)
    assert taken < 1.6 * path.stat().st_size


def test_a_pipe_in_place_of_a_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "model.safetensors")
    for path in (tmp_path / "model.safetensors", Path("/dev/zero")):
        with pytest.raises(InputError, match="is no file"):
            checkpoint.read_config(path)


def test_a_network_of_any_size_is_bounded_at_each(tmp_path, monkeypatch):
    spec = {"class": "resnet.Generator", "channels": 3, "width": 32}
    config = Config("r", "translate", spec, {"source": {"kind": "picture"}})
    checkpoint.save(tmp_path, networks.build(spec), config)
    pipeline = pretrained.load(str(tmp_path), "cpu")
    monkeypatch.setenv(server.MEMORY, "100MB")
    with pytest.raises(InputError, match="1024 x 1024 px takes up to"):
        pipeline.translate(Image.new("RGB", (1024, 1024)))


@pytest.mark.parametrize("text", ["much", "-1GB", "1e9", "9" * 30])
def test_a_limit_that_is_no_number_of_bytes_is_a_sentence(monkeypatch, text):
    monkeypatch.setenv(server.MEMORY, text)
    with pytest.raises(InputError, match="GANVAS_MAX_MEMORY"):
        server.max_memory()


def test_small_checkpoints_stay_accepted(tmp_path):
    assert pretrained.load(str(save_small(tmp_path / "small")), "cpu").sample([1]).shape == (1, 32, 32, 3)
