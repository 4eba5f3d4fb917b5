"""The GAN method: every loss and penalty trains, and each update moves only its own network."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from pretrained.system.errors import InputError
from trainer import data, losses
from trainer.methods.gan import GAN, Options

SMALL = Options(z_dim=8, width=4)


@pytest.fixture(scope="module")
def blobs():
    return data.load("fake", 16, Path("data"))


def batches(blobs, **options):
    return data.Batches(blobs, 8, seed=0, device=torch.device("cpu"), **options)


def moved(before: dict, module: nn.Module) -> set[str]:
    """The top-level names of the parameters that changed."""
    return {name.partition(".")[0] for name, weight in module.named_parameters() if not before[name].equal(weight)}


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("loss", losses.LOSSES)
def test_each_update_moves_only_its_own_network(blobs, loss, conditional):
    torch.manual_seed(0)
    method = GAN(replace(SMALL, loss=loss, conditional=conditional), blobs)
    source, names = batches(blobs), []
    for network, terms in method.updates(source):
        before = {name: weight.clone() for name, weight in method.named_parameters()}
        total = sum(terms.values())
        assert torch.isfinite(total)
        total.backward(inputs=list(network.parameters()))
        torch.optim.SGD(network.parameters(), 1e-3).step()
        (name,) = moved(before, method)
        names.append(name)
        row = losses.LOSSES[loss]
        assert ("penalty" in terms) == (name == "D" and (row.penalty != "none" or (conditional and not row.clip)))
    steps = losses.LOSSES[loss].critic_steps
    assert names == ["D"] * steps + ["G"]
    assert source.images_seen == 8 * steps
    if losses.LOSSES[loss].clip:
        assert all(weight.abs().max() <= losses.LOSSES[loss].clip for weight in method.D.parameters())


@pytest.mark.parametrize("loss", losses.LOSSES)
@pytest.mark.parametrize("penalty", losses.PENALTIES)
def test_no_batch_norm_under_a_penalty(blobs, loss, penalty):
    method = GAN(replace(SMALL, loss=loss, penalty=penalty), blobs)
    mixes = any(isinstance(module, nn.BatchNorm2d) for module in method.D.modules())
    assert mixes == (penalty == "none")
    noted = any("layer normalisation" in note and penalty in note for note in method.notes)
    assert noted == (penalty != "none")


def test_batch_norm_under_a_penalty_is_refused(blobs):
    with pytest.raises(InputError, match="`norm` batch"):
        GAN(replace(SMALL, penalty="r1", norm="batch"), blobs)


def test_lazy_penalty_is_as_strong_on_average(blobs):
    def penalties(every):
        method, source = GAN(replace(SMALL, penalty="r1", penalty_every=every), blobs), batches(blobs)
        return [
            terms.get("penalty") for _ in range(8) for network, terms in method.updates(source) if network is method.D
        ]

    torch.manual_seed(0)
    always = penalties(1)
    torch.manual_seed(0)
    lazy = penalties(4)
    assert [value is not None for value in lazy] == [False, False, False, True] * 2
    assert lazy[3].item() == pytest.approx(4 * always[3].item(), rel=0.01)


def test_label_smoothing_needs_labels(blobs):
    with pytest.raises(InputError, match="`real_label`"):
        GAN(replace(SMALL, loss="hinge", real_label=0.9), blobs)


def test_conditional_needs_classes(blobs):
    with pytest.raises(InputError, match="`conditional` needs labels"):
        GAN(replace(SMALL, conditional=True), replace(blobs, labels=None, classes=[]))


def test_labels_matter_to_both_networks(blobs):
    torch.manual_seed(0)
    method = GAN(replace(SMALL, conditional=True), blobs).eval()
    z, x = torch.randn(4, 8), torch.randn(4, 1, 16, 16)
    zeros, ones = torch.zeros(4, dtype=torch.int64), torch.ones(4, dtype=torch.int64)
    assert not method.G(z, zeros).equal(method.G(z, ones))
    assert not method.D(x, zeros).equal(method.D(x, ones))


def test_one_more_loss_touches_one_place(blobs, monkeypatch):
    """A row of the table is all that a new loss needs; `--loss` and the rest follow from it."""
    row = replace(losses.LOSSES["hinge"], summary="a toy", penalty="r1")
    monkeypatch.setitem(losses.LOSSES, "toy", row)
    method = GAN(replace(SMALL, loss="toy"), blobs)
    before = copy.deepcopy(method.state_dict())
    for network, terms in method.updates(batches(blobs)):
        sum(terms.values()).backward(inputs=list(network.parameters()))
        torch.optim.SGD(network.parameters(), 1e-3).step()
    assert not before["D.score.weight"].equal(method.D.score.weight)
