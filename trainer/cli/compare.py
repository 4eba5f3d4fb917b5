"""Trains a recipe with several losses on the same data and seeds, and writes one table and one sample grid."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import pretrained
from pretrained import checkpoint
from pretrained.checkpoint import MODEL
from pretrained.hub import model_card
from pretrained.media import provenance
from pretrained.media.images import encode_png, enlarge
from pretrained.pipelines.registry import pick_device
from pretrained.run_files import BEST, COMPARISON
from pretrained.system.errors import InputError, as_flag, spell_arguments
from pretrained.system.files import write_atomic
from pretrained.system.signals import Stopped
from trainer import data, distributed
from trainer.cli import evaluate
from trainer.cli import parse as command_line
from trainer.data.dataset import Dataset
from trainer.loop import train as loop
from trainer.loop.collapse import Collapsed
from trainer.loop.run_folder import Run
from trainer.losses import LOSSES
from trainer.metrics import features, score
from trainer.metrics.features import Features

COLUMNS = range(8)  # seeds of the grid
CELL = 64  # pixels; smaller images are enlarged to it
TABLE, GRID = "compare.md", "compare.png"


@dataclass(frozen=True)
class Command:
    """Train a recipe with several losses and compare them. Options of the recipe may follow, as in python -m trainer
    RECIPE --help."""

    losses: str
    """Losses, separated by commas: non-saturating,lsgan,wgan-gp."""
    seeds: int = 3
    """Number of runs per loss, with the seed of the recipe and the following ones."""
    out: Path = Path("runs/compare")
    """Folder of the runs, the table and the sample grid. Repeating the command continues a stopped comparison."""
    samples: int = 2000
    """Number of generated images per score; only with --feature-weights."""
    reference: int = evaluate.Command.reference
    """Maximum number of real images per score."""

    def __post_init__(self) -> None:
        if unknown := [loss for loss in self.names if loss not in LOSSES]:
            raise InputError(f"`losses` must be among {', '.join(LOSSES)}, got {unknown[0]!r}")
        if self.seeds < 1:
            raise InputError(f"`seeds` must be >= 1, got {self.seeds}")
        for name in ("samples", "reference"):
            if getattr(self, name) < score.MIN_IMAGES:
                raise InputError(f"`{name}` must be >= {score.MIN_IMAGES}, got {getattr(self, name)}")

    @property
    def names(self) -> list[str]:
        """The losses without duplicates."""
        return list(dict.fromkeys(self.losses.split(",")))


@dataclass
class Outcome:
    """One run.

    Attributes:
        problem: reason of a failure, or None.
        scores: of the last snapshot, by name; empty without feature weights or after a failure.
    """

    loss: str
    seed: int
    folder: str
    problem: str | None
    kimg: float
    minutes: float
    scores: dict[str, float]


def run(command: Command, arguments: Sequence[str]) -> str:
    """Train and score all runs that are not finished, and return the table in Markdown.

    Args:
        arguments: the recipe and its options, as for `python -m trainer`.

    Raises:
        InputError: an argument is wrong. A single run that fails is reported in the table instead.
        Stopped: by a signal; everything is saved.
    """
    if distributed.count() > 1:
        raise InputError("compare trains one loss after the other in a single process: run it without torchrun")
    arguments = [word for word in arguments if word != "--resume"]
    base = command_line.parse(arguments)
    if base.settings.push_to_hub or base.settings.dry_run or base.settings.hf_job:
        raise InputError("compare does not support `push_to_hub`, `dry_run` and `hf_job`: leave them out")
    recipe = base.recipe
    plan = [(loss, seed) for loss in command.names for seed in range(recipe.seed, recipe.seed + command.seeds)]
    commands = {
        (loss, seed): [*arguments, "--loss", loss, "--seed", str(seed), "--out", str(command.out / f"{loss}-{seed}")]
        for loss, seed in plan
    }
    for words in commands.values():
        _run_of(words).check(resume=True)
    reference = data.load(recipe.data, recipe.size, base.settings.data_root, recipe.channels, "test", recipe.reading)
    weights, device = base.settings.feature_weights, pick_device(base.settings.device)
    extractor = features.load("auto", weights, device) if weights else None
    outcomes = []
    for (loss, seed), words in commands.items():
        print(f"{loss}, seed {seed} ({len(outcomes) + 1} of {len(plan)})", file=sys.stderr)
        problem = _train(words)
        how = (reference, extractor, command.samples, min(command.reference, len(reference.images)))
        outcomes.append(_outcome(loss, seed, _run_of(words).folder, problem, *how))
        _write(command, recipe.name, outcomes)
    return table(recipe.name, outcomes)


def _run_of(words: Sequence[str]) -> Run:
    parsed = command_line.parse(words)
    return Run(parsed.settings.out, parsed.recipe, shlex.join(["python", "-m", "trainer", *words]))


def _train(words: Sequence[str]) -> str | None:
    """Train to the end unless the run is finished; returns the reason of a failure."""
    parsed, run = command_line.parse(words), _run_of(words)
    state = run.load_state()
    if state and state["images_seen"] >= round(parsed.recipe.kimg * 1000):
        return None
    try:
        loop.train(parsed.recipe, replace(parsed.settings, resume=state is not None), run.folder, run.command)
    except (InputError, Collapsed) as error:
        text = spell_arguments(str(error), as_flag)
        print(text, file=sys.stderr)
        return text
    except Stopped as stopped:
        raise Stopped("stopped, everything is saved; repeat the command to continue", stopped.status - 128) from None
    return None


def _outcome(
    loss: str,
    seed: int,
    folder: Path,
    problem: str | None,
    reference: Dataset,
    extractor: Features | None,
    num_samples: int,
    num_reference: int,
) -> Outcome:
    training = checkpoint.read_config(folder / MODEL).training if (folder / MODEL).exists() else {}
    scores = _scores(folder, reference, extractor, num_samples, num_reference) if extractor and not problem else {}
    return Outcome(loss, seed, str(folder), problem, training.get("kimg", 0.0), training.get("minutes", 0.0), scores)


def _scores(
    folder: Path, reference: Dataset, extractor: Features, num_samples: int, num_reference: int
) -> dict[str, float]:
    """The scores of a run by name, from its checkpoint; missing ones are measured and stored in it.

    The KID of the best snapshot is included as it was measured during training.
    """
    split = "test" if reference.name in data.NAMED else ""
    with score.lock(folder):
        pipeline = pretrained.load(str(folder), extractor.device.type)
        how = score.protocol(pipeline, reference, split, extractor, num_samples, num_reference)
        if not _recorded(folder, how):
            result = score.measure(pipeline, reference, split, extractor, num_samples, num_reference)
            score.write(result, folder, folder)
    best = folder / BEST / MODEL  # missing if the run had no feature weights
    rows = model_card.metrics(checkpoint.read_config(best).training) if best.exists() else []
    return {**_recorded(folder, how), **{f"{row['name']} of the best snapshot": row["value"] for row in rows}}


def _recorded(folder: Path, how: dict[str, Any]) -> dict[str, float]:
    rows = model_card.metrics(checkpoint.read_config(folder / MODEL).training)
    wanted = score.comparable(how).items()
    return {row["name"]: row["value"] for row in rows if wanted <= row.get("protocol", {}).items()}


def table(name: str, outcomes: Sequence[Outcome]) -> str:
    """Markdown table: a row per loss with mean ± standard deviation over its seeds, then the failures."""
    losses = dict.fromkeys(outcome.loss for outcome in outcomes)
    scores = dict.fromkeys(name for outcome in outcomes for name in outcome.scores)
    lines = [("Loss", "Finished", *scores, "Minutes"), ("---",) * (len(scores) + 3)]
    for loss in losses:
        runs = [outcome for outcome in outcomes if outcome.loss == loss]
        good = [outcome for outcome in runs if not outcome.problem]
        cells = [_mean([outcome.scores[score] for outcome in good if score in outcome.scores]) for score in scores]
        lines.append((loss, f"{len(good)} of {len(runs)}", *cells, _mean([outcome.minutes for outcome in good])))
    text = [f"# {name}, by loss", "", *(f"| {' | '.join(line)} |" for line in lines)]
    failed = [f"- {o.loss}, seed {o.seed}: {o.problem}" for o in outcomes if o.problem]
    return "\n".join([*text, *(["", *failed] if failed else [])]) + "\n"


def _mean(values: Sequence[float]) -> str:
    if not values:
        return "-"
    spread = f" ± {stdev(values):.2g}" if len(values) > 1 else ""
    return f"{mean(values):.4g}{spread}"


def _write(command: Command, name: str, outcomes: Sequence[Outcome]) -> None:
    report = {"recipe": name, "runs": [asdict(outcome) for outcome in outcomes]}
    write_atomic(command.out / COMPARISON, (json.dumps(report, indent=2) + "\n").encode())
    write_atomic(command.out / TABLE, table(name, outcomes).encode())
    firsts = {outcome.loss: outcome for outcome in reversed(outcomes)}
    drawn = [firsts[loss] for loss in command.names if loss in firsts and (Path(firsts[loss].folder) / MODEL).exists()]
    if drawn:
        write_atomic(command.out / GRID, provenance.mark(encode_png(sample_grid(drawn))))


def sample_grid(outcomes: Sequence[Outcome]) -> np.ndarray:
    """Sample grid with a row per run and a column per seed of COLUMNS, with labels -> uint8 (H, W, 3)."""
    rows = [pretrained.load(outcome.folder, "cpu").sample(COLUMNS) for outcome in outcomes]
    scale = max(1, CELL // rows[0].shape[1])
    cell = rows[0].shape[1] * scale
    font = ImageFont.load_default(16)
    names = [outcome.loss + (" (failed)" if outcome.problem else "") for outcome in outcomes]
    left, top = 16 + round(max(font.getlength(name) for name in names)), 28
    canvas = Image.new("RGB", (left + len(COLUMNS) * cell, top + len(rows) * cell), "white")
    draw = ImageDraw.Draw(canvas)
    for column, seed in enumerate(COLUMNS):
        draw.text((left + (column + 0.5) * cell, top / 2), f"seed {seed}", "black", font, anchor="mm")
    for row, (name, images) in enumerate(zip(names, rows)):
        draw.text((8, top + (row + 0.5) * cell), name, "black", font, anchor="lm")
        for column, sample in enumerate(enlarge(np.broadcast_to(images, (*images.shape[:3], 3)), scale)):
            canvas.paste(Image.fromarray(sample), (left + column * cell, top + row * cell))
    return np.asarray(canvas)
