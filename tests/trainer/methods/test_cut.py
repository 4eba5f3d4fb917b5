"""CUT: the contrast between patches by hand, and what is published."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from helpers.recipes import make, shrink, train

import pretrained
from trainer.methods import cut


def test_the_contrast_by_its_definition():
    torch.manual_seed(0)
    queries, keys = (F.normalize(torch.randn(2, 5, 8), dim=2) for _ in range(2))
    expected = 0.0
    for image in range(2):
        for place in range(5):
            scores = [math.exp(float(queries[image, place] @ keys[image, other]) / 0.07) for other in range(5)]
            expected -= math.log(scores[place] / sum(scores)) / 10
    assert cut.patch_nce(queries, keys, 0.07).item() == pytest.approx(expected, rel=1e-5)


def test_only_the_output_is_pulled_to_the_source():
    queries, keys = (torch.randn(1, 4, 8, requires_grad=True) for _ in range(2))
    cut.patch_nce(queries, keys, 0.07).backward()
    assert queries.grad.abs().sum() > 0
    assert keys.grad is None


def test_vectors_have_length_one_and_belong_to_their_places():
    torch.manual_seed(0)
    heads = cut.Heads([3, 6], 8)
    maps = [torch.randn(2, 3, 4, 6), torch.randn(2, 6, 2, 3)]
    places = [torch.tensor([[5, 0], [7, 5]]), torch.tensor([[4], [2]])]  # of each image its own
    vectors = heads(maps, places)
    assert [x.shape for x in vectors] == [(2, 2, 8), (2, 1, 8)]
    torch.testing.assert_close(vectors[0].norm(dim=2), torch.ones(2, 2))
    by_hand = F.normalize(heads[0](maps[0][:, :, 0, 5]), dim=1)  # place 5 is the last of the first row
    torch.testing.assert_close(vectors[0][[0, 1], [0, 1]], by_hand)


@pytest.mark.parametrize("name", ["cut-emoji", "fastcut-emoji"])
def test_what_is_at_its_place_contrasts_less_than_what_was_moved(name):
    method, _ = make(name, temperature=0.5)
    torch.manual_seed(1)
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        same = method.contrast(x, x)
        moved = method.contrast(x, x.roll(8, dims=3))
    assert same < moved


def test_the_encoder_gives_five_layers():
    recipe = shrink("cut-emoji")
    options = replace(recipe.options, blocks=6)
    method = recipe.method(options, recipe.method.read(options, "fake", 32, Path(), 3))
    maps = method.G["AB"].features(torch.zeros(1, 3, 32, 32), method.places)
    assert [tuple(x.shape[1:]) for x in maps] == [(3, 32, 32), (8, 16, 16), (16, 8, 8), (16, 8, 8), (16, 8, 8)]
    assert method.places == (0, 2, 3, 4, 7)


def test_the_translator_alone_is_published_and_the_heads_are_kept(tmp_path):
    train(shrink("cut-emoji", kimg=0.016), tmp_path)
    network = pretrained.load(str(tmp_path), "cpu").network
    assert not any("heads" in name for name in network.state_dict())
    kept = safetensors.torch.load_file(tmp_path / "discriminator.safetensors")
    assert {name.split(".")[0] for name in kept} == {"D", "G"}
    assert {name.split(".")[1] for name in kept if name.startswith("G.")} == {"heads"}
