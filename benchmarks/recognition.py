"""The share of a generator's images that a classifier, trained on the real set, recognises (confidence of 0.9 or more).

    python benchmarks/recognition.py dcgan-mnist --data mnist

Five thousand pictures of the published (averaged) network, seeds 0 to 4999, untruncated, are drawn through
`pretrained.load(ID).sample`, as everybody draws them. A small CNN, trained once on the real training pictures and kept
in ~/.cache/ganvas, names each of them. Recognised means a confidence of 0.9 or more; the real test pictures give the
yardstick, and the bar is on the ratio of the two. A generator that has collapsed to a few classes misses the other bar.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

import safetensors.torch
import torch
import torch.nn.functional as F
import tyro
from torch import Tensor, nn
from tqdm import tqdm

import pretrained
from pretrained.checkpoint import published_state
from pretrained.media.images import from_uint8
from pretrained.pipelines.registry import pick_device
from pretrained.system.errors import InputError, fail
from pretrained.system.files import cache_folder, write_atomic
from trainer import data
from trainer.loop.settings import Settings

CACHE = cache_folder()
CONFIDENCE = 0.9
BARS = {"mnist": 0.92, "fashion-mnist": 0.85}  # on the ratio of recognised pictures, generated over real
SHARES = (0.05, 0.15)  # of each of ten classes


def make_classifier(channels: int, size: int, num_classes: int) -> nn.Sequential:
    """Pictures (N, channels, size, size) in [-1, 1] -> logits (N, num_classes)."""
    layers: list[nn.Module] = []
    for before, after, stride in ((channels, 32, 1), (32, 32, 2), (32, 64, 1), (64, 64, 2)):
        layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    head = [nn.Flatten(), nn.Dropout(0.3), nn.Linear(4 * size * size, 128), nn.ReLU(inplace=True), nn.Dropout(0.3)]
    return nn.Sequential(*layers, *head, nn.Linear(128, num_classes))


def fit(classifier: nn.Module, dataset: data.Dataset, device: torch.device, epochs: int = 4) -> None:
    """Train `classifier` with Adam, one cycle to 2e-3 and back (Smith 2018, arXiv:1803.09820)."""
    batches = data.Batches(dataset, 128, seed=0, device=device)
    num_steps = epochs * len(dataset.images) // batches.batch_size
    optimizer = torch.optim.Adam(classifier.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=num_steps)
    classifier.train()
    for _ in tqdm(range(num_steps), "classifier", disable=None):
        x, y = next(batches)
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(classifier(x), y).backward()
        optimizer.step()
        schedule.step()
    classifier.eval()


def load_classifier(name: str, size: int, channels: int, root: Path, device: torch.device) -> nn.Module:
    """The classifier of a named set, from the cache, else trained. A change of the code above trains it anew."""
    torch.manual_seed(0)
    classifier = make_classifier(channels, size, len(data.NAMED[name].classes))
    classifier.to(device, memory_format=torch.channels_last)
    code = inspect.getsource(make_classifier) + inspect.getsource(fit)
    digest = hashlib.sha256(code.encode()).hexdigest()[:12]
    path = CACHE / f"classifier-{name}-{size}x{size}x{channels}-{digest}.safetensors"
    if path.exists():
        classifier.load_state_dict(safetensors.torch.load_file(path, str(device)))
    else:
        fit(classifier, data.load(name, size, root, channels), device)
        write_atomic(path, safetensors.torch.save(published_state(classifier)))
    return classifier.eval()


@torch.inference_mode()
def classify(classifier: nn.Module, images: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """uint8 (N, C, H, W) -> the confidence in the likeliest class, and that class, each (N,)."""
    batches = [classifier(from_uint8(batch.to(device))).softmax(1).max(1) for batch in images.split(500)]
    return torch.cat([batch.values for batch in batches]).cpu(), torch.cat([batch.indices for batch in batches]).cpu()


@dataclass(frozen=True)
class Result:
    """What was measured; all shares are 0 to 1.

    Attributes:
        accuracy: of the classifier, on the real test pictures.
        generated, real: share of pictures that are recognised; `ratio` is the first over the second.
        classes: share of the generated pictures that are taken for each class, whatever the confidence.
        passed: whether `ratio` and each class's share reach their bars; None for a set that has no bar.
    """

    id: str
    data: str
    num_samples: int
    accuracy: float
    generated: float
    real: float
    ratio: float
    classes: dict[str, float]
    passed: bool | None


def measure(id: str, name: str, root: Path, num_samples: int = 5000, device: str = "auto") -> Result:
    """Measure checkpoint `id` against the named set `name`, at the checkpoint's own size.

    Raises:
        InputError: there is no such checkpoint or data.
    """
    pipeline, target = pretrained.load(id, device), pick_device(device)
    samples = torch.from_numpy(pipeline.sample(range(num_samples))).permute(0, 3, 1, 2)
    channels, size = samples.shape[1:3]
    classifier = load_classifier(name, size, channels, root, target)
    test = data.load(name, size, root, channels, split="test")
    real_confidence, real_class = classify(classifier, test.images, target)
    confidence, guess = classify(classifier, samples, target)
    generated, real = (float((c >= CONFIDENCE).float().mean()) for c in (confidence, real_confidence))
    shares = (guess.bincount(minlength=len(test.classes)) / num_samples).tolist()
    low, high = SHARES
    return Result(
        id=id,
        data=name,
        num_samples=num_samples,
        accuracy=float((real_class == test.labels).float().mean()),
        generated=generated,
        real=real,
        ratio=generated / real,
        classes=dict(zip(test.classes, shares)),
        passed=generated / real >= BARS[name] and low <= min(shares) and max(shares) <= high if name in BARS else None,
    )


def table(result: Result) -> str:
    """`result` for a reader."""
    low, high = SHARES
    bar = f"at least {BARS[result.data]:.2f}" if result.data in BARS else ""
    rows = [
        ("classifier, accuracy on real test pictures", f"{result.accuracy:.2%}", ""),
        (f"recognised (confidence {CONFIDENCE} or more), real", f"{result.real:.2%}", ""),
        (f"recognised, {result.num_samples:,} generated", f"{result.generated:.2%}", ""),
        ("ratio", f"{result.ratio:.3f}", bar),
        *((f"taken for {name}", f"{share:.1%}", f"{low:.0%} to {high:.0%}") for name, share in result.classes.items()),
    ]
    verdict = {True: "passed", False: "missed", None: "no bar for this set"}[result.passed]
    lines = [f"{label:48}{value:>8}  {legal}".rstrip() for label, value, legal in rows]
    return "\n".join([f"{result.id} against {result.data}: {verdict}", *lines])


@dataclass(frozen=True)
class Command:
    """How many of a generator's pictures a classifier recognises, against the real test pictures."""

    id: Annotated[str, tyro.conf.Positional]
    """A bundled name, a folder or file, or a Hub repository."""
    data: Literal[tuple(data.NAMED)] = "mnist"  # type: ignore[valid-type]
    """The set that it was trained on."""
    data_root: Path = Settings.data_root
    """Where named sets are looked for, and downloaded to; $GANVAS_DATA."""
    samples: int = 5000
    """How many pictures to draw: seeds 0 and up."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    json: bool = False
    """Print JSON."""


def main(command: Command) -> None:
    """Measure and print; a user's mistake is one line on stderr and exit status 2."""
    try:
        result = measure(command.id, command.data, command.data_root, command.samples, command.device)
    except InputError as error:
        fail(str(error))
    print(json.dumps(asdict(result), indent=2) if command.json else table(result))


if __name__ == "__main__":
    main(tyro.cli(Command))
