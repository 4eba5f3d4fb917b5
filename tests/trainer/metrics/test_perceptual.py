"""The perceptual terms: by hand, and that nothing of the eyes is trained or saved."""

import pytest
import torch
from helpers.recipes import extractor, make

from trainer.methods.recipes import RECIPES
from trainer.metrics import perceptual


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    """Eyes that have learnt nothing."""
    return perceptual.choose(extractor(tmp_path_factory.mktemp("eyes"), RECIPES["style-transfer"])["perceptual"])


def test_gram_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # two channels of 1 x 2
    assert perceptual.gram(features).tolist() == [[[5 / 4, 11 / 4], [11 / 4, 25 / 4]]]


def test_total_variation_by_hand():
    assert perceptual.total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 3.0]]]])).item() == pytest.approx(
        4 / 2 + 10 / 2
    )


def test_content_and_style(seeing):
    """Nothing differs from itself; a shuffled image keeps more of its style than of its content."""
    torch.manual_seed(0)
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    seen = seeing.look(x)
    assert seeing.content(seen, seen) == 0
    assert seeing.style(seen, seeing.grams(seen))[0] == 0
    black = seeing.look(torch.full((2, 3, 64, 64), -1.0))
    assert seeing.content(black, seen) > 0.01
    assert seeing.style(black, [gram[:1] for gram in seeing.grams(seen)]).shape == (2,)
    mirrored = seeing.look(x.flip(3))
    aims = [gram[:1] for gram in seeing.grams(seen)]
    assert seeing.style(mirrored, aims)[0] < seeing.content(mirrored, seen)


def test_the_network_is_not_trained_nor_saved(tmp_path):
    method, _ = make("style-transfer", tmp_path)
    assert {name.partition(".")[0] for name in method.state_dict()} == {"G"}
    assert not any(weight.requires_grad for weight in method.perceptual_loss.layers.parameters())


def test_like_looks_like(seeing):
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    near, far = x + 0.05, -x
    assert seeing.distance(x, x).tolist() == [0, 0]
    assert (seeing.distance(x, near) < seeing.distance(x, far)).all()
