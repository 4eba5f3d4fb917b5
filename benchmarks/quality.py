"""How soon digits are digits: ours against the textbook's step, in equal minutes of training.

    python -m benchmarks.quality --epochs 5

The contenders take turns of some seconds, on MNIST, at 32 px. Each time that the textbook has finished an epoch, all
draw 2,000 images, and a classifier trained on the real set counts those that it recognises: a share of what it
recognises of real test images. Of a class at most 15 % of all images are counted, since one image drawn 2,000 times is
no success. The textbook shows its network as it is, ours its average. Drawing is not timed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import tyro
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks import textbook
from benchmarks.recognition import CONFIDENCE, SHARES, classify, load_classifier
from benchmarks.steps import mnist
from pretrained.media.images import to_uint8
from trainer import data
from trainer.cli.parse import parse
from trainer.loop.trainer import Trainer

CPU = torch.device("cpu")
EPOCH = 60_000  # pictures
Z_DIM, WIDTH, BATCH = 64, 32, 128


@dataclass(frozen=True)
class Options:
    """What is compared, and for how long."""

    epochs: int = 5
    """Of the textbook's training."""
    recipes: tuple[str, ...] = ("dcgan-plain", "dcgan-plain --reuse-fakes", "dcgan-mnist")
    """Ours, as they are typed after `python -m trainer`; each has as many seconds as the textbook."""
    turn: float = 10.0
    """Seconds of a turn."""
    samples: int = 2000
    """How many pictures are counted."""
    threads: int = 2
    """Of the processor."""
    workers: int = 2
    """Processes of the textbook's DataLoader."""
    data_root: Path = Path("data")
    """Where MNIST is looked for, and downloaded to."""
    json: Path | None = None
    """Where the figures are written."""


class Contender:
    """A training that runs for some seconds at a time.

    Attributes:
        step: trains on `images` pictures.
        draw: -> uint8 (N, 1, 32, 32).
    """

    def __init__(self, step: Callable[[], object], draw: Callable[[int], Tensor], images: int):
        self.step, self.draw, self.images = step, draw, images
        self.seconds, self.seen = 0.0, 0

    def run(self, until: float) -> None:
        """Train until so many seconds have been spent on it in all."""
        start, spent = time.perf_counter(), self.seconds
        while self.seconds < until:
            self.step()
            self.seen += self.images
            self.seconds = spent + time.perf_counter() - start


def drawn(network: nn.Module, count: int, *given: Tensor, shape: tuple[int, ...] = ()) -> Tensor:
    """Pictures of z ~ N(0, 1) from a generator at rest, the same z each time: uint8 (N, 1, 32, 32)."""
    z = torch.randn(count, Z_DIM, *shape, generator=torch.Generator().manual_seed(0))
    training = network.training
    with torch.inference_mode():
        network.eval()
        parts = [torch.from_numpy(to_uint8(network(*part))) for part in zip(*(x.split(500) for x in (z, *given)))]
    network.train(training)
    return torch.cat(parts).movedim(3, 1)


def the_textbook(options: Options) -> Contender:
    G = textbook.generator(32, 1, Z_DIM, WIDTH)
    D = textbook.discriminator(32, 1, WIDTH, nn.BatchNorm2d)
    losses = textbook.dcgan(G, D, mnist(options, BATCH), Z_DIM)
    return Contender(losses.__next__, lambda count: drawn(G, count, shape=(1, 1)), BATCH)


def ours(recipe: str, options: Options) -> Contender:
    words = f"{recipe} --device cpu --threads {options.threads} --data-root {options.data_root}"
    command = parse(words.split())
    trainer = Trainer(command.recipe, command.settings)

    def draw(count: int) -> Tensor:
        labels = [torch.arange(count) % 10] if trainer.method.classes else []
        return drawn(trainer.average.network, count, *labels)

    return Contender(trainer.step, draw, command.recipe.batch_size)


def main(options: Options) -> None:
    torch.set_num_threads(options.threads)
    classifier = load_classifier("mnist", 32, 1, options.data_root, CPU)

    def recognised(images: Tensor) -> float:
        confidence, guess = classify(classifier, images, CPU)
        shares = guess[confidence >= CONFIDENCE].bincount(minlength=10) / len(images)
        return float(shares.clamp(max=SHARES[1]).sum())

    real = recognised(data.load("mnist", 32, options.data_root, split="test").images)
    contenders = {}
    for name in ("textbook", *options.recipes):
        torch.manual_seed(0)
        contenders[name] = the_textbook(options) if name == "textbook" else ours(name, options)
    first, rows = contenders["textbook"], []
    with tqdm(total=options.epochs * EPOCH, unit="img", disable=None) as bar:
        while first.seen < options.epochs * EPOCH:
            before = first.seen
            first.run(first.seconds + options.turn)
            for contender in contenders.values():
                contender.run(first.seconds)
            bar.update(first.seen - before)
            if first.seen // EPOCH > before // EPOCH:
                scores = {
                    name: [contender.seen // 1000, round(recognised(contender.draw(options.samples)) / real, 3)]
                    for name, contender in contenders.items()
                }
                rows.append({"minutes": round(first.seconds / 60, 2), **scores})
                print(json.dumps(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
