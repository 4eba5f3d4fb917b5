"""Dabs of colour on drawings, and pens of any breadth."""

import pytest
import torch

from trainer.data import hints


def drawings(count):
    """A black cross on white, and beside it the same with a red half."""
    source = torch.ones(count, 3, 32, 32)
    source[..., 15:18, :] = source[..., 15:18] = -1.0
    target = source.clone()
    target[:, 1:, :15, :15] = -0.8
    return source, target


def coloured(pictures):
    return pictures.amax(1) - pictures.amin(1) > 0.3


def test_half_of_the_plain_pictures_have_dabs_and_all_of_the_recoloured_ones():
    torch.manual_seed(0)
    source, target = hints.give(*drawings(200), 4)
    dabbed, red = coloured(source).flatten(1).any(1), target[:, 0, 5, 5] > 0.5
    assert dabbed[~red].all()
    assert 0.4 < dabbed[red].float().mean() < 0.8
    assert 0.25 < (~red).float().mean() < 0.42  # half, less two of six orders that leave red


def test_dabs_have_the_colour_of_the_target():
    torch.manual_seed(0)
    source, target = hints.give(*drawings(50), 4)
    dabs = coloured(source)
    hues = source.permute(0, 2, 3, 1)[dabs]
    assert {tuple(hue) for hue in hues.tolist()} <= {tuple(hue) for hue in target[:, :, 5, 5].tolist()}


@pytest.mark.parametrize("most", [1, 6])
def test_pens_are_fine_plain_and_broad_and_what_a_broad_one_draws_is_in_the_picture(most):
    torch.manual_seed(0)
    source, target = hints.give(*drawings(100), most)
    black = (source[:, :, 25, :] == -1).all(1).sum(1)
    assert set(black.tolist()) == {2, 3, 5}
    assert ((target[:, :, 25, :] == -1).all(1).sum(1) == black.clamp(min=3)).all()
