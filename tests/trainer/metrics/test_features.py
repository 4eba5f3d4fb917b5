"""The feature networks: whose weights are taken, and what is refused."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from pretrained.system.errors import InputError
from trainer import data
from trainer.metrics import features

CPU = torch.device("cpu")


def change(name, array):
    def changed(arrays):
        arrays[name] = array
        return arrays

    return changed


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            change("features.0.weight", np.zeros((96, 3, 5, 5), np.float32)),
            r"features.0.weight has shape \(96, 3, 5, 5\)",
        ),
        (change("more", np.zeros(1, np.float32)), r"more has shape \(1,\), expected None"),
        (
            lambda arrays: {k: v for k, v in arrays.items() if k != "classifier.1.bias"},
            "classifier.1.bias has shape None",
        ),
        (change("features.0.bias", np.array([object()] * 96)), "must be an .npz file of arrays"),
    ],
)
def test_wrong_squeezenet_weights(squeezenet, tmp_path, edit, message):
    with np.load(squeezenet) as arrays:
        changed = edit(dict(arrays))
    np.savez(tmp_path / "wrong.npz", **changed)
    with pytest.raises(InputError, match=message):
        features.load("auto", tmp_path / "wrong.npz", CPU)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("suffix", [".npz", ".pth"])
def test_weights_run_no_code(tmp_path, suffix):
    path = tmp_path / f"bomb{suffix}"
    bomb = Bomb(str(tmp_path / "ran"))
    if suffix == ".pth":
        torch.save({"weight": bomb}, path)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("weight.npy", pickle.dumps(bomb))
    with pytest.raises(InputError, match="`feature_weights`"):
        features.load("auto", path, CPU)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("kind", "weights", "message"),
    [
        ("squeezenet", None, "`features` squeezenet needs `feature_weights`"),
        ("auto", Path("x.bin"), "must end in .pth, .pt, .npz, got x.bin"),
        ("auto", Path("x.npz"), "got x.npz, which does not exist"),
        ("inception", Path("x.pth"), "got x.pth, which does not exist"),
    ],
)
def test_missing_weights(kind, weights, message):
    with pytest.raises(InputError, match=message):
        features.load(kind, weights, CPU)


def test_inception_that_cannot_be_downloaded_is_a_sentence(monkeypatch, tmp_path):
    from torch_fidelity import feature_extractor_inceptionv3

    monkeypatch.setattr(feature_extractor_inceptionv3, "URL_INCEPTION_V3", "http://127.0.0.1:9/weights-abc.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"cannot be downloaded .* set `feature_weights`"):
        features.load("auto", None, CPU)


def test_inception_from_a_file(tmp_path):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "inception.pth")
    with pytest.raises(InputError, match="must be torch-fidelity's Inception"):
        features.load("auto", tmp_path / "inception.pth", CPU)
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:  # a network that has learnt nothing
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = FeatureExtractorInceptionV3("inception", ["2048"], tmp_path / "inception.pth")
    torch.save(network.state_dict(), tmp_path / "inception.pth")
    images = data.load("fake", 32, Path()).images[:2]
    found = features.load("auto", tmp_path / "inception.pth", CPU).extract([images])
    (expected,) = network(features.resize(images.expand(-1, 3, -1, -1), 299))
    assert found.shape == (2, 2048)
    assert torch.allclose(found, expected.double(), atol=1e-5)
