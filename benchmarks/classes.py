"""Whether a class-conditional generator draws the class that is asked for, in as many ways as the real images.

    python benchmarks/classes.py avatars --data FOLDER

As many images of each class of the published network, untruncated, seeds from 0 up. A small CNN, trained at 32 px on
four real images in five and tried on the fifth, names their classes. Diversity within a class is the standard deviation
over its images, averaged over pixels and channels; real images of the class give the yardstick.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
import tyro
from torch import Tensor

import pretrained
from benchmarks.recognition import classify, fit, make_classifier
from pretrained.pipelines.registry import pick_device
from pretrained.system.errors import InputError, fail
from trainer.data.dataset import Dataset, load, resize
from trainer.data.files.reading import Reading

SIDE = 32  # at which classes are told apart
HELD_OUT = 5  # one real image of so many is kept from the classifier
BAR, DIVERSITY_BAR = 0.95, 0.7


@dataclass(frozen=True)
class Result:
    """What was measured.

    Attributes:
        held_out: the classifier's accuracy on real images that it has not learnt from.
        named: share of the generated images whose class is the one asked for, 0 to 1; `classes` for each class.
        diversity, real_diversity: standard deviation within each class, in levels of 0 to 255.
        passed: whether `named` and the smallest ratio of diversities reach their bars.
    """

    id: str
    num_images: int
    held_out: float
    named: float
    classes: dict[str, float]
    diversity: dict[str, float]
    real_diversity: dict[str, float]
    passed: bool


def diversity(images: Tensor) -> float:
    """uint8 (N, C, H, W) -> the standard deviation over images, averaged over the rest, in levels."""
    return float(images.float().std(0).mean())


def measure(id: str, data: Path, num_each: int = 200, device: str = "auto") -> Result:
    """Measure checkpoint `id` against the folder `data` of one sub-folder for each class.

    Raises:
        InputError: there is no such checkpoint or data, or their classes differ.
    """
    pipeline, target = pretrained.load(id, device), pick_device(device)
    network, classes = pipeline.config.network, list(pipeline.config.classes)
    real = load(str(data), network["size"], data, network["channels"], how=Reading(layout="classes"))
    if list(real.classes) != classes:
        raise InputError(f"{id} and {data} must have the same classes, got {classes} and {real.classes}")
    small, out = resize(real.images, SIDE), torch.arange(len(real.images)) % HELD_OUT == 0
    torch.manual_seed(0)
    classifier = make_classifier(network["channels"], SIDE, len(classes)).to(target, memory_format=torch.channels_last)
    fit(classifier, Dataset("classes", small[~out], real.labels[~out], classes), target)
    held_out = classify(classifier, small[out], target)[1] == real.labels[out]

    named, varied, expected = {}, {}, {}
    for label, name in enumerate(classes):
        drawn = torch.from_numpy(np.asarray(pipeline.sample(range(num_each), label=label))).permute(0, 3, 1, 2)
        named[name] = float((classify(classifier, resize(drawn, SIDE), target)[1] == label).float().mean())
        varied[name], expected[name] = diversity(drawn), diversity(real.images[real.labels == label])
    share = sum(named.values()) / len(named)
    return Result(
        id,
        num_each * len(named),
        float(held_out.float().mean()),
        share,
        named,
        varied,
        expected,
        share >= BAR and all(varied[name] >= DIVERSITY_BAR * expected[name] for name in named),
    )


def table(r: Result) -> str:
    """`r` for a reader."""
    lines = [
        f"{r.id}: {'passed' if r.passed else 'missed'}",
        f"class as asked, of {r.num_images:,}  {r.named:.1%}  at least {BAR:.0%}",
        f"real images held out      {r.held_out:.1%}",
    ]
    rows = ((name, r.diversity[name], r.real_diversity[name]) for name in r.classes)
    lines += [
        f"{name:20} as asked {r.classes[name]:.1%}, diversity {ours:.1f} of {real:.1f} = {ours / real:.2f}"
        for name, ours, real in rows
    ]
    return "\n".join([*lines, f"diversity at least {DIVERSITY_BAR} of real images'"])


@dataclass(frozen=True)
class Command:
    """Whether a class-conditional generator draws the class that is asked for, in as many ways as real images."""

    id: Annotated[str, tyro.conf.Positional]
    """A bundled name, a folder or file, or a Hub repository."""
    data: Path
    """The folder of real images, one sub-folder for each class."""
    images: int = 200
    """How many of each class."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    json: bool = False
    """Print JSON."""


def main(command: Command) -> None:
    """Measure and print; a user's mistake is one line on stderr and exit status 2."""
    try:
        result = measure(command.id, command.data, command.images, command.device)
    except InputError as error:
        fail(str(error))
    print(json.dumps(asdict(result), indent=2) if command.json else table(result))


if __name__ == "__main__":
    main(tyro.cli(Command))
