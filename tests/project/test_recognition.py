"""The benchmark of bundled generators, on a small set of bars in ten places."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import recognition
from pretrained import checkpoint, networks

SPEC = {"class": "dcgan.Generator", "size": 32, "channels": 1, "z_dim": 8, "width": 4}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with such a set in MNIST's place, a checkpoint, and a cache, empty at first."""
    root = tmp_path_factory.mktemp("recognition")
    raw = root / "mnist/raw"
    raw.mkdir(parents=True)
    for prefix, count in (("train", 1000), ("t10k", 200)):
        labels = np.arange(count) % 10
        images = np.random.RandomState(0).randint(0, 60, (count, 28, 28), np.uint8)
        for image, label in zip(images, labels):
            image[:, 2 + 2 * label : 5 + 2 * label] = 255
        for part, values in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
            head = struct.pack(f">4B{values.ndim}i", 0, 0, 8, values.ndim, *values.shape)
            (raw / f"{prefix}-{part}-ubyte").write_bytes(head + values.tobytes())
    torch.manual_seed(0)
    config = checkpoint.Config("noise", "generate", SPEC, {"noise": "normal"})
    checkpoint.save(root / "noise", networks.build(SPEC).eval(), config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recognition, "CACHE", root / "cache")
        yield root


def test_a_generator_of_noise_misses_the_bar(root):
    result = recognition.measure(str(root / "noise"), "mnist", root, num_samples=50, device="cpu")
    assert result.accuracy > 0.95
    assert result.real > 0.5
    assert result.ratio == pytest.approx(result.generated / result.real)
    assert sum(result.classes.values()) == pytest.approx(1)
    assert list(result.classes) == [str(digit) for digit in range(10)]
    assert result.passed is False
    again = recognition.measure(str(root / "noise"), "mnist", root, num_samples=50, device="cpu")
    assert again == result
    assert len(list(recognition.CACHE.glob("*.safetensors"))) == 1
    assert "missed" in recognition.table(result)


def test_real_images_pass_the_bar(root, monkeypatch):
    """Pictures of the set itself, in place of a generator's."""
    test = recognition.data.load("mnist", 32, root, 1, split="test").images
    monkeypatch.setattr(
        recognition.pretrained.pipelines.Generate,
        "sample",
        lambda self, seeds: test[list(seeds)].permute(0, 2, 3, 1).numpy(),
    )
    result = recognition.measure(str(root / "noise"), "mnist", root, num_samples=200, device="cpu")
    assert result.ratio == 1
    assert result.classes == pytest.approx(dict.fromkeys(result.classes, 0.1), abs=0.02)
    assert result.passed
