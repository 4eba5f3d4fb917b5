"""What our speed is measured against is the same algorithm: equal weights, pictures and noise give equal losses."""

import itertools

import pytest
import torch
from torch import nn

from benchmarks import textbook
from trainer.cli.parse import parse
from trainer.loop.trainer import Trainer


def copy_weights(method, G, D):
    """Ours into the textbook's, whose convolutions stand where we have matrix products at 4x4."""
    first, last = G[0].weight, D[-1].weight
    ours = method.G.project.weight.unflatten(0, (4, 4, -1)).permute(3, 2, 0, 1)  # (z_dim, C, 4, 4)
    first.copy_(ours)
    for mine, theirs in zip([*method.G.parameters()][1:], [*G.parameters()][1:], strict=True):
        theirs.copy_(mine)
    for mine, theirs in zip([*method.D.parameters()][:-2], [*D.parameters()][:-2], strict=True):
        theirs.copy_(mine)
    last.copy_(method.D.score.weight.unflatten(1, (4, 4, -1)).permute(0, 3, 1, 2))
    D[-1].bias.copy_(method.D.score.bias)


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (32, 3)])
def test_the_textbook_dcgan_has_our_losses(size, channels):
    words = f"--data fake --width 4 --z-dim 8 --batch-size 16 --size {size} --channels {channels} --precision fp32"
    command = parse(["dcgan-plain", *words.split(), *"--device cpu --diffaugment False --reuse-fakes".split()])
    trainer = Trainer(command.recipe, command.settings)
    G = textbook.generator(size, channels, 8, 4)
    D = textbook.discriminator(size, channels, 4, nn.BatchNorm2d)
    with torch.no_grad():
        copy_weights(trainer.method, G, D)
    batches = trainer.data.batches(16, 0, torch.device("cpu"))
    torch.manual_seed(1)
    theirs = list(itertools.islice(textbook.dcgan(G, D, (x for x, _ in batches), 8), 5))
    torch.manual_seed(1)
    for losses in theirs:
        assert {name: float(loss) for name, loss in trainer.step().items()} == pytest.approx(losses, rel=2e-4)
