"""A device with too little memory: less is computed at once, and the pictures stay the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import translating
from helpers.small import CLASSES, save_able, save_small
from PIL import Image
from torch import nn

import pretrained
from pretrained.pipelines.generate import BATCH_SIZE
from pretrained.system.errors import InputError
from pretrained.system.out_of_memory import raise_on_oom
from trainer.__main__ import main
from trainer.methods import gan


def starve(network: nn.Module, most: int) -> list[int]:
    """From now on no layer has memory for more than `most` rows -> how many one was given, each time."""
    given: list[int] = []

    def refuse(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        given.append(len(inputs[0]))
        if len(inputs[0]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    for module in network.modules():
        if next(module.children(), None) is None:
            module.register_forward_pre_hook(refuse)
    return given


def same(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """To the level, but for what a kernel of another shape rounds."""
    return ours.shape == theirs.shape and np.abs(ours.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize(("ability", "most"), [("labels", BATCH_SIZE - 1), ("labels", 1), ("style", 5), ("text", 5)])
def test_a_batch_is_halved_until_it_fits(tmp_path, ability, most):
    folder = save_small(tmp_path, classes=CLASSES) if ability == "labels" else save_able(tmp_path, ability)
    pipeline = pretrained.load(str(folder), "cpu")
    images, frames = pipeline.sample(range(20)), np.stack(list(pipeline.walk([3, 4], 5)))
    given = starve(pipeline.network, most)
    assert same(pipeline.sample(range(20)), images)
    assert same(np.stack(list(pipeline.walk([3, 4], 5))), frames)
    assert BATCH_SIZE in given
    assert max(rows for rows in given if rows <= most) >= max(most // 2, 1), "no smaller than it must be"


def test_no_memory_for_one_image_is_a_sentence(model):
    pipeline = pretrained.load(model, "cpu")
    starve(pipeline.network, 0)
    with pytest.raises(InputError, match="out of memory on the device: .*`device` cpu") as refused:
        pipeline.sample([0])
    assert refused.value.__context__ is None, "what was computed would live as long as the sentence"


def test_no_memory_for_a_translation_is_a_sentence(tmp_path):
    pipeline = pretrained.load(str(translating.save(tmp_path, "sketch")), "cpu")
    image = Image.new("RGB", (40, 32), "white")
    made = pipeline.translate(image)
    starve(pipeline.network, 0)
    with pytest.raises(InputError, match="out of memory on the device: .*`fit` tile"):
        pipeline.translate(image)
    for module in pipeline.network.modules():
        module._forward_pre_hooks.clear()
    assert np.array_equal(pipeline.translate(image), made)


def test_training_without_memory_is_a_sentence_and_smaller_batches_fit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = (
        "gan-mnist --data fake --size 16 --width 4 --kimg 0.064 --device cpu --threads 1 --out run --batch-size".split()
    )
    built = gan.GAN.__init__

    def starved(self, *given):
        built(self, *given)
        starve(self.D, 8)

    monkeypatch.setattr(gan.GAN, "__init__", starved)
    with pytest.raises(SystemExit) as ended:
        main([*run, "16"])
    assert ended.value.code == 2
    assert "out of memory on the device" in (said := capsys.readouterr().err)
    assert "--batch-size and another --out" in said.splitlines()[-1]
    main([*run, "8", "--out", "smaller"])
    assert (tmp_path / "smaller" / "model.safetensors").exists()


def test_what_a_processor_says_is_understood():
    with pytest.raises(InputError, match="out of memory on the device"):
        raise_on_oom(lambda: torch.empty(2**60))
    with pytest.raises(RuntimeError, match="must match the size"):
        raise_on_oom(lambda: torch.zeros(2) + torch.zeros(3))


def test_a_network_that_does_not_fit_is_a_sentence(model, monkeypatch):
    def refuse(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(nn.Module, "to", refuse)
    with pytest.raises(InputError, match="out of memory"):
        pretrained.load(model, "cpu")
