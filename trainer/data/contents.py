"""What a run has learnt from: a digest of what was decoded and the names of its classes, not where the files lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from pretrained.system.errors import InputError

if TYPE_CHECKING:
    from trainer.data.dataset import Dataset


@dataclass(frozen=True)
class Contents:
    """A fingerprint of a data set, which moves with the files.

    Attributes:
        num_files, num_bytes: how many files were read, and their size.
        classes: their names, in the order of the labels.
        digest: SHA-256 of the decoded images, their labels and captions.
    """

    num_files: int
    num_bytes: int
    classes: list[str]
    digest: str


def fingerprint(num_files: int, num_bytes: int, classes: Sequence[str], *decoded: object) -> Contents:
    """The contents of a data set, of digests of its arrays and of JSON values that belong to them."""
    digest = hashlib.sha256(json.dumps(decoded).encode()).hexdigest()
    return Contents(num_files, num_bytes, list(classes), digest)


def compare(dataset: Dataset, before: dict[str, Any] | None, accept: bool, uses_labels: bool = True) -> Dataset:
    """The data set with which a run goes on that has learnt from `before`.

    Args:
        before: `remember` of its state; None of an older run, which is taken as it is.
        uses_labels: whether classes matter to it.
        accept: take changed data. Images keep the labels of their classes, by name; those of others are left out.

    Raises:
        InputError: it has changed; says what.
    """
    if before is None:
        return dataset
    # Another set may be known by its name alone.
    now = dataset.contents or Contents(len(dataset.images), 0, dataset.classes, "")
    is_same = (before["digest"], before["classes"]) == (now.digest, now.classes)
    if not is_same and not accept:
        change = f"{_difference(before, now)} since this run began"
        raise InputError(f"{change}: set `data_changed` to go on with it as it is")
    classes = before["labels"]
    if not uses_labels or not classes or dataset.labels is None or classes == dataset.classes:
        return dataset
    numbers = {name: number for number, name in enumerate(classes)}
    labels = torch.tensor([numbers.get(name, -1) for name in dataset.classes])[dataset.labels]
    kept = (labels >= 0).nonzero()[:, 0]
    if not len(kept):
        raise InputError(f"`data` holds none of the classes of this run, {', '.join(classes)}")
    found = dataset.found
    if new := [name for name in dataset.classes if name not in numbers]:
        found += (
            f"; {len(labels) - len(kept)} images of classes that are new to this run are left out: {', '.join(new)}"
        )
    images = dataset.images if len(kept) == len(labels) else dataset.images[kept]
    captions = dataset.captions and [dataset.captions[number] for number in kept.tolist()]
    return replace(dataset, images=images, labels=labels[kept], captions=captions, classes=classes, found=found)


def remember(dataset: Dataset) -> dict[str, Any] | None:
    """What the state of a run holds of its data: its contents, and the classes in the order of the run's labels."""
    return dataset.contents and {**asdict(dataset.contents), "labels": dataset.classes}


def _difference(before: dict[str, Any], now: Contents) -> str:
    parts = []
    if before["num_files"] != now.num_files:
        parts.append(f"{before['num_files']} files became {now.num_files}")
    if more := [name for name in now.classes if name not in before["classes"]]:
        parts.append(f"classes came in: {', '.join(more[:5])}")
    if less := [name for name in before["classes"] if name not in now.classes]:
        parts.append(f"classes are gone: {', '.join(less[:5])}")
    return f"`data` has changed ({'; '.join(parts) or 'as many files, but others are in them'})"
