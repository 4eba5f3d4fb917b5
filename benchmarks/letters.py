"""Whether a generator of letters draws alphabets: each letter readable, all letters of one seed in one typeface.

    python benchmarks/letters.py dcgan-letters --data letters

Sixty alphabets of the published network, one a seed, untruncated. A small CNN, trained on the real letters of four
families of typefaces in five and tried on the fifth, reads them at 32 px. Whether an alphabet is of one piece is told
by the share of a quantity's variance that lies between alphabets (the intraclass correlation, Shrout & Fleiss 1979):
1 if every letter of an alphabet is as bold as the next, 0 if boldness has nothing to do with the alphabet; real
typefaces give the yardstick.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import safetensors.torch
import torch
import tyro
from torch import Tensor

import pretrained
from benchmarks.recognition import CACHE, classify, fit, make_classifier
from pretrained.checkpoint import published_state
from pretrained.media.files import list_images
from pretrained.pipelines.registry import pick_device
from pretrained.system.errors import InputError, fail
from pretrained.system.files import write_atomic
from trainer.data.dataset import Dataset, load, resize
from trainer.data.files.reading import Reading

SIDE = 32  # at which letters are read
HELD_OUT = 5  # one family of so many is kept from the judge
EPOCHS = 6
BAR, LETTER_BAR = 0.92, 0.75  # read as asked: of all, and of each letter
EXTREME = 0.1  # the outermost of real typefaces: the lightest tenth, the most slanted tenth ...


def family(name: str) -> str:
    """ "A/Lato-Bold.png" -> "Lato": the typefaces that are alike."""
    return name.rpartition("/")[2].partition(".")[0].partition("-")[0].partition("_")[0]


def kept_out(name: str) -> bool:
    """Whether the judge does not learn from this typeface's family."""
    return hashlib.sha256(family(name).encode()).digest()[0] % HELD_OUT == 0


def qualities(letters: Tensor) -> dict[str, Tensor]:
    """Letters, uint8 (N, 1, S, S), white on black -> what makes a typeface, each (N,), in shares of the side.

    A stroke w wide and l long has an area of w l and a total variation of 2 l. The slant is that of the edges which
    are more upright than flat: 0 upright, 0.2 a usual italic.
    """
    x = letters[:, 0].double() / 255
    side = x.shape[-1]
    across, down = x[:, 1:-1, 2:] - x[:, 1:-1, :-2], x[:, 2:, 1:-1] - x[:, :-2, 1:-1]
    total = (across.square() + down.square()).sqrt().sum((1, 2)) / 2
    upright = across.abs() > down.abs()
    slant = (across * down * upright).sum((1, 2)) / (across.square() * upright).sum((1, 2)).clamp_min(1e-6)
    columns = x.sum(1) / x.sum((1, 2)).clamp_min(1e-6)[:, None]
    places = torch.arange(side, dtype=x.dtype)
    mean = (columns * places).sum(1, keepdim=True)
    width = (columns * (places - mean).square()).sum(1).sqrt()
    return {"weight": 2 * x.sum((1, 2)) / total.clamp_min(1e-6) / side, "slant": slant, "width": width / side}


def of_one_piece(values: Tensor) -> float:
    """(alphabets, letters), each letter standardised -> the intraclass correlation ICC(1)."""
    num_alphabets, num_letters = values.shape
    means = values.mean(1, keepdim=True)
    between = num_letters * means.var().item()
    within = ((values - means).square().sum() / (num_alphabets * (num_letters - 1))).item()
    return (between - within) / (between + (num_letters - 1) * within)


def grey(letters: Tensor) -> float:
    """Share of the ink's pixels that are neither black nor white: of blurred letters more."""
    x = letters.double() / 255
    return float(((x > 0.1) & (x < 0.9)).sum() / (x > 0.1).sum())


@dataclass(frozen=True)
class Result:
    """What was measured; shares are 0 to 1.

    Attributes:
        held_out: the judge's accuracy on real letters of families it has not seen.
        read: share of the generated letters that it reads as asked; `letters` for each one.
        one_piece, real_one_piece: by quality.
        extremes: share of generated alphabets as light, heavy or slanted as the outermost tenth of real ones.
        grey, real_grey: how blurred.
    """

    id: str
    num_letters: int
    held_out: float
    read: float
    letters: dict[str, float]
    one_piece: dict[str, float]
    real_one_piece: dict[str, float]
    extremes: dict[str, float]
    grey: float
    real_grey: float
    passed: bool


def load_judge(letters: Tensor, labels: Tensor, classes: list[str], device: torch.device) -> torch.nn.Module:
    """The judge, from the cache, else trained."""
    torch.manual_seed(0)
    judge = make_classifier(1, SIDE, len(classes)).to(device, memory_format=torch.channels_last)
    digest = hashlib.sha256(letters.numpy().tobytes()).hexdigest()[:12]
    path = CACHE / f"letters-{EPOCHS}-{digest}.safetensors"
    if path.exists():
        judge.load_state_dict(safetensors.torch.load_file(path, str(device)))
    else:
        fit(judge, Dataset("letters", letters, labels, classes), device, EPOCHS)
        write_atomic(path, safetensors.torch.save(published_state(judge)))
    return judge.eval()


def measure(id: str, data: Path, num_alphabets: int = 60, device: str = "auto") -> Result:
    """Measure checkpoint `id` against the folder `data` of one sub-folder of typefaces for each letter."""
    pipeline, target = pretrained.load(id, device), pick_device(device)
    size = pipeline.config.network["size"]
    names = [entry.name for entry in list_images(data).images]
    found, small = (load(str(data), side, data, 1, how=Reading(layout="classes")) for side in (size, SIDE))
    if len(names) != len(found.images):
        raise InputError(f"{data} has files that cannot be read: take them away")
    real, labels, classes = found.images, found.labels, found.classes
    out = torch.tensor([kept_out(name) for name in names])
    judge = load_judge(small.images[~out], labels[~out], classes, target)
    held_out = float((classify(judge, small.images[out], target)[1] == labels[out]).float().mean())

    asked = torch.arange(len(classes)).repeat(num_alphabets)
    alphabets = [pipeline.sample(range(num_alphabets), label=label) for label in range(len(classes))]
    drawn = torch.from_numpy(np.stack(alphabets, 1)).flatten(0, 1).permute(0, 3, 1, 2)
    right = (classify(judge, resize(drawn, SIDE), target)[1] == asked).float().view(num_alphabets, -1)
    letters = dict(zip(classes, right.mean(0).tolist()))

    stems = [name.rpartition("/")[2] for name in names]
    order = sorted(range(len(names)), key=lambda k: (stems[k], int(labels[k])))
    shown = len(order) // len(classes)
    if [stems[k] for k in order[:: len(classes)]] != sorted(set(stems)):
        raise InputError(f"--data {data} lacks letters of some typeface")
    real_of, fake_of = qualities(real[order]), qualities(drawn)
    pieces, real_pieces, extremes = {}, {}, {}
    for name, value in real_of.items():
        grid, fake = value.view(shown, -1), fake_of[name].view(num_alphabets, -1)
        mean, std = grid.mean(0), grid.std(0)
        grid, fake = (grid - mean) / std, (fake - mean) / std
        pieces[name], real_pieces[name] = of_one_piece(fake), of_one_piece(grid)
        low, high = torch.quantile(grid.mean(1), torch.tensor([EXTREME, 1 - EXTREME], dtype=grid.dtype))
        extremes[f"low {name}"] = float((fake.mean(1) < low).double().mean())
        extremes[f"high {name}"] = float((fake.mean(1) > high).double().mean())
    return Result(
        id,
        len(asked),
        held_out,
        float(right.mean()),
        letters,
        pieces,
        real_pieces,
        extremes,
        grey(drawn),
        grey(real),
        bool(right.mean() >= BAR and min(letters.values()) >= LETTER_BAR),
    )


def table(r: Result) -> str:
    """`r` for a reader."""
    worst = sorted(r.letters.items(), key=lambda item: item[1])[:6]
    lines = [
        f"{r.id}: {'passed' if r.passed else 'missed'}",
        f"read as asked, of {r.num_letters:,}      {r.read:.1%}  at least {BAR:.0%}",
        f"the judge, on unseen families  {r.held_out:.1%}",
        f"worst letters                  {', '.join(f'{k} {v:.0%}' for k, v in worst)}  at least {LETTER_BAR:.0%}",
    ]
    lines += [f"of one piece: {k:16} {v:.2f}  real {r.real_one_piece[k]:.2f}" for k, v in r.one_piece.items()]
    lines += [f"alphabets of {k:17} {v:.1%}  real {EXTREME:.0%}" for k, v in r.extremes.items()]
    return "\n".join([*lines, f"grey share of the ink          {r.grey:.2f}  real {r.real_grey:.2f}"])


@dataclass(frozen=True)
class Command:
    """Whether a generator of letters draws alphabets."""

    id: Annotated[str, tyro.conf.Positional]
    """A bundled name, a folder or file, or a Hub repository."""
    data: Path
    """The folder of real letters: A, B, ..., with one file name for a typeface in all of them."""
    alphabets: int = 60
    """How many seeds."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    json: bool = False
    """Print JSON."""


def main(command: Command) -> None:
    """Measure and print; a user's mistake is one line on stderr and exit status 2."""
    try:
        result = measure(command.id, command.data, command.alphabets, command.device)
    except InputError as error:
        fail(str(error))
    print(json.dumps(asdict(result), indent=2) if command.json else table(result))


if __name__ == "__main__":
    main(tyro.cli(Command))
