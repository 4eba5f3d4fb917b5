"""The loop around the steps, the same for all methods: log, snapshots, collapse, and the signals that stop it."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import torch
from tqdm import tqdm

from pretrained.system.allocator import keep_pages
from pretrained.system.errors import InputError, as_flag, spell_arguments
from pretrained.system.out_of_memory import raise_on_oom
from pretrained.system.signals import Stop, Stopped, stop_at_once
from trainer import distributed, finetune
from trainer.data.contents import remember
from trainer.loop.collapse import Collapsed, outlook
from trainer.loop.meters import MetricLogger
from trainer.loop.run_folder import Run, describe, published_options
from trainer.loop.settings import Settings
from trainer.loop.trainer import Trainer
from trainer.recipe import Recipe
from trainer.tracking import tracking

LOG_EVERY = 50  # steps
MAX_ROLLBACKS = 3


def train(recipe: Recipe, settings: Settings, folder: Path, command: str) -> None:
    """Train `recipe` in `folder`, which then holds a checkpoint ready to be published.

    Args:
        command: the command line of the user, for the model card and the hint how to resume.

    Raises:
        InputError: dataset, folder or device cannot be used; the message says what to do.
        Collapsed: training failed, and `on_collapse` or too many rollbacks ended it.
        Lost: another process of the same training ended.
        Stopped: by a signal; everything is saved, and `resume` continues the run.
    """
    run = Run(folder, recipe, command)
    keep_pages()
    stopped = f"stopped; everything is saved up to the last snapshot; resume with: {command} --resume"
    with distributed.group(recipe.batch_size, settings.dist_timeout), stop_at_once(stopped):
        distributed.check_same("the recipe", published_options(recipe))
        goes_on = bool(distributed.all_reduce_max(settings.resume or distributed.num_restarts()))
        distributed.agree(lambda: run.check(goes_on))
        source = _holder(run) if goes_on else 0
        contents = distributed.agree(run.load_contents, source)
        remedy = "choose a smaller `batch_size` and another `out`; everything up to the last snapshot is saved"
        raise_on_oom(lambda: _in_folder(Trainer(recipe, settings, contents), run, source), remedy)


def _holder(run: Run) -> int:
    """The process that has the state to go on from: 0, or where that has none, as on another machine, the next one."""
    holders = distributed.gather_objects(run.has_state())
    source = holders.index(True) if True in holders else 0
    if source:
        distributed.agree(lambda: run.check(True), source)
        if distributed.local_rank() == 0:
            tqdm.write(f"process 0 has no state of this run: going on from that of process {source}", file=sys.stderr)
    return source


def _in_folder(trainer: Trainer, run: Run, source: int = 0) -> None:
    """Train to the end, from the last snapshot of `run` if there is one."""
    is_main_process = distributed.rank() == 0
    distributed.check_same("`data`", remember(trainer.data) or [len(trainer.data.images), trainer.data.classes])
    with contextlib.ExitStack() as held:
        distributed.agree(lambda: held.enter_context(run.lock()))
        if is_main_process and run.folder.is_dir():
            run.sweep()
        if state := distributed.agree(run.load_state, source):
            try:
                trainer.load_state_dict(state)
            except (RuntimeError, ValueError) as error:
                if not trainer.settings.data_changed:
                    raise
                raise InputError("the networks of this run do not fit the changed data: start a new run") from error
        elif trainer.recipe.base:
            trainer.begin_from(trainer.recipe.base)
        if not state and distributed.count() > 1:
            trainer.load_state_dict(distributed.broadcast_state(trainer.state_dict()))
        if is_main_process:
            trainer.show_data()
            is_new = not state and not trainer.recipe.base
            first = outlook(trainer.method.shows_after, trainer.recipe.kimg) if is_new else None
            for note in filter(None, [*trainer.method.notes, first]):
                tqdm.write(spell_arguments(note, as_flag), file=sys.stderr)
            run.rewind_log(trainer.batches.images_seen)
        with tracking(
            trainer.settings.track if is_main_process else "none", run.folder, describe(run.recipe)
        ) as tracker:
            run.tracker = tracker
            _loop(trainer, run)
        if is_main_process:
            run.timelapse()
            if words := trainer.guard.last_words():
                tqdm.write(spell_arguments(words, as_flag), file=sys.stderr)


def _loop(trainer: Trainer, run: Run) -> None:
    batches, settings = trainer.batches, trainer.settings
    total = round(trainer.recipe.kimg * 1000)
    between_snapshots = max(total // max(settings.snapshots, 1), 1)
    means = MetricLogger(batches.images_seen)
    started = time.monotonic() - trainer.seconds
    is_main_process = distributed.rank() == 0
    bar = tqdm(
        total=total / 1000,
        initial=min(batches.images_seen, total) / 1000,
        desc=trainer.recipe.name,
        unit="kimg",
        bar_format="{desc} {percentage:3.0f}%|{bar}| {n:.1f}/{total:g} kimg, {remaining} left{postfix}",
        disable=None if is_main_process else True,
    )
    with Stop() as stop, bar:
        if not distributed.agree(lambda: run.is_published(batches.images_seen)):
            trainer.snapshot(run)
        received = distributed.all_reduce_max(stop.received)
        while batches.images_seen < total and not received:
            before, problem = batches.images_seen, None
            means.add(trainer.step())
            seen, received = batches.images_seen, distributed.all_reduce_max(stop.received)
            trainer.seconds = time.monotonic() - started
            bar.update(min(seen, total) / 1000 - bar.n)  # the last batch may go beyond the end
            if means.num_steps == LOG_EVERY or seen >= total:
                values = means.take(seen)
                if is_main_process:
                    run.log(seen, {**values, "seconds": trainer.seconds})
                if trainer.alone_since is not None:
                    loss = sum(values[name] for name in values.keys() - {"images/s", *trainer.method.measures})
                    trainer.alone_since = finetune.still_alone(trainer.alone_since, loss, seen)
                bar.set_postfix({name: f"{value:.3g}" for name, value in values.items()})
                problem = trainer.guard.check_losses(values, seen)
            if seen // between_snapshots > before // between_snapshots or seen >= total or received:
                problem = distributed.broadcast(problem or (trainer.check(run) if is_main_process else None))
                ignored = settings.on_collapse == "ignore" and not trainer.check_numbers()
                if problem is None or ignored:
                    trainer.snapshot(run)
            if problem:
                _recover(trainer, run, problem)
                means.restart(batches.images_seen)
                bar.n = batches.images_seen / 1000
    if received:
        kimg = batches.images_seen / 1000
        distributed.wait_for_zero()
        raise Stopped(f"stopped at {kimg:g} kimg, everything is saved; resume with: {run.command} --resume", received)


def _recover(trainer: Trainer, run: Run, problem: str) -> None:
    """Act on the setting `on_collapse`: continue, roll back to the last good snapshot, or raise Collapsed."""
    action, state = trainer.settings.on_collapse, distributed.agree(run.load_state)
    run.tracker.alert(trainer.batches.images_seen, problem)
    if action == "ignore":
        tqdm.write(spell_arguments(problem, as_flag), file=sys.stderr)
        return
    if action == "stop" or state is None or trainer.num_rollbacks == MAX_ROLLBACKS:
        raise Collapsed(f"{problem}; the last good snapshot is in {run.folder}")
    num_rollbacks = trainer.num_rollbacks + 1
    trainer.load_state_dict(state)
    trainer.num_rollbacks = num_rollbacks
    kimg = trainer.batches.images_seen / 1000
    done = f"rolled back to {kimg:g} kimg with half the learning rate"
    tqdm.write(f"{spell_arguments(problem, as_flag)}; {done}", file=sys.stderr)
    # Other noise, or the same would happen again.
    torch.manual_seed(distributed.noise_seed(trainer.recipe.seed + num_rollbacks))
    trainer.guard = trainer.make_guard()
