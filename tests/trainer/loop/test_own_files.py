"""A run's own files: damage is noticed, and where possible the run goes on from what is whole."""

import json
import shutil

import numpy as np
import pytest
import torch
from helpers.tiny import recipe, settings
from PIL import Image

from pretrained import checkpoint
from pretrained.pipelines import directions
from pretrained.run_files import DISCRIMINATOR, LOG, NEXT, PREVIOUS, SNAPSHOTS, STATE, TIMELAPSE
from pretrained.system.errors import InputError
from trainer.loop import state_file
from trainer.loop.collapse import Guard
from trainer.loop.run_folder import Run
from trainer.loop.train import train

DAMAGE = {
    "a flipped bit": lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:],
    "zeros": lambda data: bytes(len(data)),
    "a zeroed page": lambda data: data[:400] + bytes(300) + data[700:],
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "a cut foot": lambda data: data[:-5],
}


def states(folder, count=2):
    for number in range(count):
        state_file.write(folder, {"recipe": {}, "trainer": {"number": number, "x": torch.arange(300.0)}})


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_state_is_noticed_and_the_one_before_is_taken(tmp_path, capsys, kind):
    states(tmp_path)
    (tmp_path / STATE).write_bytes(DAMAGE[kind]((tmp_path / STATE).read_bytes()))
    assert state_file.read(tmp_path)["trainer"]["number"] == 0
    assert "going on from the state before it" in capsys.readouterr().err
    (tmp_path / PREVIOUS).unlink()
    with pytest.raises(InputError, match="cannot be read"):
        state_file.read(tmp_path)


def test_a_state_is_replaced_only_by_one_that_was_read_back(tmp_path, monkeypatch):
    states(tmp_path, 1)
    before = (tmp_path / STATE).read_bytes()
    monkeypatch.setattr(state_file, "_is_whole", lambda path: False)
    with pytest.raises(InputError, match="not what is read back"):
        states(tmp_path, 1)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(STATE, before)]


def test_a_state_of_an_earlier_version_has_no_digest(tmp_path):
    torch.save({"trainer": 7}, tmp_path / STATE)
    assert state_file.read(tmp_path) == {"trainer": 7}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_is_refused(trained, tmp_path, kind):
    path = tmp_path / checkpoint.MODEL
    path.write_bytes(DAMAGE[kind]((trained / checkpoint.MODEL).read_bytes()))
    with pytest.raises(InputError):
        checkpoint.load(path)


def test_swapped_tensors_are_refused(trained, tmp_path):
    data = bytearray((trained / checkpoint.MODEL).read_bytes())
    data[-8:-4], data[-4:] = data[-4:], data[-8:-4]
    assert data != (trained / checkpoint.MODEL).read_bytes()
    (tmp_path / checkpoint.MODEL).write_bytes(data)
    with pytest.raises(InputError, match="is damaged"):
        checkpoint.load(tmp_path / checkpoint.MODEL)


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_discriminator_is_refused(tmp_path, kind):
    path = tmp_path / DISCRIMINATOR
    checkpoint.save_tensors(path, {"weight": torch.linspace(-1, 1, 400)})
    assert checkpoint.load_tensors(path)["weight"].shape == (400,)
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    with pytest.raises(InputError):
        checkpoint.load_tensors(path)


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_directions_are_refused(trained, tmp_path, kind):
    path, config = tmp_path / directions.FILE, checkpoint.read_config(trained / checkpoint.MODEL)
    vectors = np.random.RandomState(0).randn(30, config.network["z_dim"]).astype(np.float32)
    path.write_bytes(directions.encode({f"d{n}": directions.Direction(v, {}) for n, v in enumerate(vectors)}, config))
    assert len(directions.read(path, config)) == 30
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    with pytest.raises(InputError):
        directions.read(path, config)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(recipe("gan-mnist"), settings(), folder, "python -m trainer")
    return folder


def test_a_run_goes_on_beside_rubbish(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "run")
    with (folder / LOG).open("ab") as file:
        file.write(b'{"kimg": "x"}\n{}\n[]\n' + bytes(200) + b"\n" + b"\xff\xfe\n" + b"[" * 10**5 + b"\n" + b'{"kimg')
    lines = (trained / LOG).read_text().splitlines()
    (folder / SNAPSHOTS / "holiday.png").write_bytes(b"not an image")
    (folder / SNAPSHOTS / "0000000001.png").write_bytes(b"not one either")
    Image.new("RGB", (9, 5)).save(folder / SNAPSHOTS / "mine.png")
    for name in (f".{STATE}.abcd1234", f".{NEXT}.abcd1234", ".0000000064.png.abcd1234"):
        (folder / name).write_bytes(b"half")
    kept = [folder / ".directions.safetensors.abcd1234", folder / ".mine.abcd1234", folder / SNAPSHOTS / "mine.png"]
    for path in kept[:2]:
        path.write_bytes(b"somebody's")
    state = folder / STATE
    state.write_bytes(state.read_bytes()[:100])
    train(recipe("gan-mnist"), settings(resume=True), folder, "python -m trainer")
    assert [json.loads(line)["kimg"] for line in (folder / LOG).read_text().splitlines()][-1] == 0.064
    assert len(lines) <= len((folder / LOG).read_text().splitlines()) + 1
    assert not list(folder.glob(".resume*"))
    assert all(path.exists() for path in kept)
    assert (folder / TIMELAPSE).exists()
    assert checkpoint.load(folder / checkpoint.MODEL)


def test_statistics_are_looked_at_like_weights():
    network = torch.nn.BatchNorm2d(3)
    guard = Guard(torch.zeros(2, 4, 4, 1).byte().numpy(), None)
    assert guard.check_weights(network) is None
    network.running_var[1] = float("inf")
    assert "statistics are no longer finite" in guard.check_weights(network)


def test_a_name_that_no_file_can_have_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        Run(tmp_path / ("x" * 300), recipe("gan-mnist"), "").check(False)
