"""The average over training: by hand, batch normalisation too."""

import pytest
import torch

from trainer.loop.ema import EMA


def test_average_by_hand():
    network = torch.nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0.0)
    average = EMA(network, half_life=10.0)
    network.weight.data.fill_(1.0)
    average.schedule(10)  # kept: min(0.5, 1/10)
    average.update(network)
    assert average.network.weight.item() == pytest.approx(0.9)
    for _ in range(100):
        average.num_updates = 10_000
        network.weight.data.fill_(0.0)
        before = average.network.weight.item()
        average.schedule(10)
        average.update(network)
        assert average.network.weight.item() == pytest.approx(before / 2)
    assert not average.network.training


def test_batch_normalisation_is_averaged_too():
    network = torch.nn.BatchNorm1d(2)
    average = EMA(network, half_life=1e9)
    average.num_updates = 1
    network(torch.randn(64, 2) * 3 + 5)
    average.schedule(1)
    average.update(network)
    assert average.network.num_batches_tracked == network.num_batches_tracked
    assert 0 < average.network.running_mean.mean() < 5
