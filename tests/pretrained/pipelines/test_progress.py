"""How far a network is, told while it works: shares that rise to 1, the same pictures, and an end when asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.small import save_able, save_small
from helpers.translating import make
from PIL import Image

import pretrained
from pretrained.pipelines.progress import layers


def watched(pipeline, passes, work):
    shares = []
    with layers(pipeline.network, passes, shares.append):
        made = work()
    assert not any(module._forward_hooks for module in pipeline.network.modules())
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.2
    assert shares[-1] == pytest.approx(1.0)
    return made, shares


@pytest.mark.parametrize("ability", ["style", "encode", "encode labels", "text", None])
def test_of_a_generator(tmp_path, ability):
    folder = save_able(tmp_path / "able", ability) if ability else save_small(tmp_path / "plain")
    pipeline = pretrained.load(str(folder), "cpu")
    made, shares = watched(pipeline, 3, lambda: pipeline.sample(range(40)))
    assert np.array_equal(made, pipeline.sample(range(40)))
    assert len({share for share in shares if share < 0.5}) > 3


def test_of_a_image_in_tiles():
    pipeline = make("style")
    image = Image.effect_noise((600, 300), 80)
    passes = pipeline.passes(image.size, fit="tile")
    assert passes == 3 * 2
    made, _ = watched(pipeline, passes, lambda: pipeline.translate(image, fit="tile"))
    assert made.tobytes() == pipeline.translate(image, fit="tile").tobytes()


def test_what_is_raised_ends_the_work():
    pipeline = make("style")

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    image = Image.new("RGB", (32, 32))
    with pytest.raises(KeyboardInterrupt), layers(pipeline.network, 1, stop):
        pipeline.translate(image)
    assert not torch.is_inference_mode_enabled()
    pipeline.translate(image)  # and nothing is left behind
