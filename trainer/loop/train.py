"""The training loop, the same for all methods: the only place that calls backward() and step()."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from pretrained import checkpoint, pipelines
from pretrained.checkpoint import Config
from pretrained.pipelines.registry import pick_device
from pretrained.run_files import DISCRIMINATOR
from pretrained.system.allocator import keep_pages
from pretrained.system.errors import InputError, as_flag, spell_arguments
from pretrained.system.files import write_atomic
from pretrained.system.out_of_memory import raise_on_oom
from trainer import distributed, finetune
from trainer.base import RATE, check_licence, open_base
from trainer.data.contact_sheet import contact_sheet
from trainer.data.contents import compare
from trainer.data.dataset import Batches
from trainer.data.folder_sets import FOLDER_SETS, find
from trainer.loop import capture, preview
from trainer.loop.capture import CapturedRounds, CudaGraphs
from trainer.loop.collapse import Collapsed, Guard
from trainer.loop.ema import EMA
from trainer.loop.meters import MetricLogger
from trainer.loop.run_folder import Run, describe, make_config
from trainer.loop.settings import Settings
from trainer.loop.signals import Stop, Stopped
from trainer.method import MAIN, Adam, Method
from trainer.metrics import best
from trainer.recipe import Recipe
from trainer.tracking import tracking

FEW = 30  # images, below which there is a warning
LOG_EVERY = 50  # steps
MAX_ROLLBACKS = 3
STORED = {"fp32": torch.float32, "fp16": torch.float16}


def learning_rate(recipe: Recipe, paper: Adam, is_judge: bool) -> float:
    """That of the paper, or of the recipe if it sets one."""
    usual = recipe.learning_rate or paper.learning_rate * (RATE if recipe.base else 1)
    return (is_judge and recipe.learning_rate_d) or usual


def make_optimizer(network: nn.Module, recipe: Recipe, paper: Adam, device: torch.device) -> torch.optim.Optimizer:
    """The optimiser of the paper, with the betas of the recipe if it sets them; each step sets its learning rate."""
    on_cuda = device.type == "cuda"
    # A processor's kernel computes in double precision, as it does with a plain number.
    lr = torch.zeros((), dtype=torch.float64 if device.type == "cpu" else torch.float32, device=device)
    if paper.kind == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), lr if on_cuda else 0.0, capturable=on_cuda)
    return torch.optim.Adam(network.parameters(), lr, recipe.betas or paper.betas, fused=True, capturable=on_cuda)


def multiplies_bf16(device: torch.device) -> bool:
    """Whether the device has bfloat16 units; without them bf16 is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    abilities = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch since 2.8
    return device.type == "cpu" and any(abilities.get(unit) for unit in ("avx512_bf16", "amx_bf16"))


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """Mixed precision as the setting `precision` says."""
    if precision == "auto":
        precision = "bf16" if multiplies_bf16(device) else "fp32"
    # A CUDA graph must hold the casts of weights that it reads, not find them in a cache.
    on_cuda = device.type == "cuda"
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=not on_cuda)


class Trainer:
    """The state of a run; `state_dict` is all that a resumed run needs."""

    def __init__(self, recipe: Recipe, settings: Settings, contents: dict[str, Any] | None = None):
        """`contents` is what a run that goes on has learnt from."""
        self.recipe, self.settings = recipe, settings
        self.device = pick_device(settings.device)
        if settings.threads:
            torch.set_num_threads(settings.threads)
        where = find(recipe.data, settings.data_root), recipe.size, settings.data_root, recipe.channels, recipe.reading
        found = distributed.rank_zero_first(lambda: recipe.method.read(recipe.options, *where))
        uses_labels = getattr(recipe.options, "conditional", True)
        if recipe.data in FOLDER_SETS:
            found = replace(found, licence=FOLDER_SETS[recipe.data].licence)
        self.data = compare(found, contents, settings.data_changed, uses_labels)
        self.feature_extractor = best.load_feature_extractor(settings.feature_weights, self.data, self.device)
        torch.manual_seed(recipe.seed)
        self.method: Method = recipe.method(recipe.options, self.data)
        for module in self.method.modules():
            if sizes := getattr(module, "sizes", None):
                sizes.check(recipe.size)
        distributed.synchronise(self.method)
        layout = self.method.layout if self.device.type == "cpu" else torch.channels_last
        self.method.to(self.device, memory_format=layout)
        self.networks = {
            name: network
            for name, network in self.method.named_children()
            if any(weight.requires_grad for weight in network.parameters())
        }
        if len(self.data.images) < FEW:
            self.method.notes.append(
                f"only {len(self.data.images)} images: below {FEW} a model mostly repeats them; add images, or "
                "fine-tune a related model with `from`, and look at the result with python -m trainer nearest"
            )
        if recipe.base:
            finetune.freeze(self.method, self.networks, recipe.freeze_d, recipe.freeze_g)
        self.base: dict[str, Any] = {}  # what the model card says of it
        self.alone_since: Tensor | None = None  # while D is trained alone: its first loss
        self.optimizers = {
            network: make_optimizer(network, recipe, self.method.optimizer, self.device)
            for network in self.networks.values()
        }
        self.means = {
            network: distributed.GradientMean(weight for weight in network.parameters() if weight.requires_grad)
            for network in self.networks.values()
        }
        self.learning_rates = {
            network: learning_rate(recipe, self.method.optimizer, name in self.judges)
            for name, network in self.networks.items()
        }
        # Statistics that each process updates with its own images: those of batch norm, the mean style, k of BEGAN.
        owners = [*self.networks.values(), self.method]
        buffers = [list(owner.buffers(recurse=owner is not self.method)) for owner in owners]
        self.statistics = [buffer for part in buffers for buffer in part if buffer.is_floating_point()]
        self.averages = {name: EMA(self.published(name), recipe.ema_kimg * 1000) for name in self.method.published}
        self.average = self.averages[MAIN]
        self.batches = self.data.batches(recipe.batch_size, recipe.seed, self.device, recipe.horizontal_flip)
        self.seconds = 0.0
        self.num_rollbacks = 0
        self.guard = self.make_guard()
        self.captured = None
        if capture.is_wanted(settings.cuda_graphs, self.device, self.method.notes):
            falls_back = settings.cuda_graphs == "auto"
            self.captured = CapturedRounds(self.method, self.batches, self.round, CudaGraphs(), falls_back)

    def show_data(self) -> None:
        """Say on stderr what the data is, and write a picture of it where that is asked for."""
        if self.data.found:
            tqdm.write(f"{self.data.name}: {self.data.found}", file=sys.stderr)
        if self.settings.preview:
            recipe = self.recipe
            batches = self.data.batches(recipe.batch_size, recipe.seed, self.device, recipe.horizontal_flip)
            write_atomic(self.settings.preview, contact_sheet(self.data, batches))

    def make_guard(self) -> Guard:
        """A guard that has seen nothing yet."""
        condition = self.method.checkpoint().get("condition")
        labelled = preview.labelled_images(self.data, len(condition["classes"]) if condition else 0)
        return Guard(preview.real_images(self.data), self.method.won_below, labelled)

    def published(self, name: str) -> nn.Module:
        """The network of the checkpoint `name`, before averaging."""
        return self.method.get_submodule(self.method.published[name].network)

    def config(self, run: Run, name: str = MAIN) -> Config:
        """The config of the checkpoint `name` at this moment."""
        where = self.batches.images_seen, self.seconds, self.device
        config = make_config(self.recipe, self.method, self.data, run.command, *where, name)
        own = FOLDER_SETS[self.recipe.data].weights if self.recipe.data in FOLDER_SETS else None
        licences = {"data_licence": self.settings.data_licence, "licence": self.settings.licence or own}
        if self.base:
            licences["licence"] = check_licence(self.base, self.settings.licence)
        said = {name: licence for name, licence in licences.items() if licence}
        said |= {"base": self.base} if self.base else {}
        said |= {"discriminator": DISCRIMINATOR} if self.judges else {}
        return replace(config, training=config.training | said)

    @property
    def judges(self) -> dict[str, nn.Module]:
        """The networks that are trained, but not published."""
        roots = finetune.roots(self.method)
        return {name: network for name, network in self.networks.items() if name not in roots}

    def begin_from(self, id: str) -> None:
        """Take the weights of a checkpoint; the average begins there too."""
        base = open_base(id)
        tables = finetune.take(self.method, base)
        for name, average in self.averages.items():
            average.network.load_state_dict(self.published(name).state_dict())
        took = {name: table.counts() for name, table in tables.items()}
        self.base = {**base.facts(), "tensors": "; ".join(f"{name}: {counts}" for name, counts in took.items())}
        if self.judges and not any(tables[name].taken for name in self.judges):
            self.alone_since = torch.full((), math.inf, device=self.device)
        self.method.notes += finetune.report(base, tables, alone=self.alone_since is not None)
        check_licence(self.base, self.settings.licence)

    def snapshot(self, run: Run) -> None:
        """Write the resume file, then the published files; if interrupted in between, the next start completes them."""
        if distributed.rank():
            return
        run.save_state(self.state_dict(), self.data)
        dtype = STORED[self.settings.weights]
        if kept := finetune.unpublished(self.method, self.networks):
            run.save_discriminator(checkpoint.as_stored(kept, dtype))
        if self.recipe.ema_kimg:
            run.snapshot_raw(self.published(MAIN), self.config(run), dtype)
        for name in reversed(self.averages):  # the main one last: its card marks the snapshot as complete
            dataset = self.method.published[name].view(self.data)
            run.snapshot(name, self.averages[name].network, self.config(run, name), dtype, self.device, dataset)
        if self.feature_extractor:
            run.log(self.batches.images_seen, {"KID": best.keep(run.folder, self.data, self.feature_extractor)})

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers: networks, optimisers, EMA, random state, position in the data, time spent."""
        return {
            "method": self.method.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers.values()],
            **{name or "average": average.network.state_dict() for name, average in self.averages.items()},
            "average_updates": self.average.num_updates,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all(),
            "images_seen": self.batches.images_seen,
            "seconds": self.seconds,
            "num_rollbacks": self.num_rollbacks,
            "base": self.base,
            "alone_since": self.alone_since,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`."""
        self.method.load_state_dict(state["method"])
        for optimizer, saved in zip(self.optimizers.values(), state["optimizers"], strict=True):
            ours = {name: optimizer.param_groups[0][name] for name in ("lr", "capturable")}
            optimizer.load_state_dict(saved)
            optimizer.param_groups[0].update(ours)
        if self.captured:
            self.captured.forget()
        for name, average in self.averages.items():
            average.network.load_state_dict(state[name or "average"])
            average.num_updates = state["average_updates"]
        torch.set_rng_state(state["random"])
        if len(state["random_cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["random_cuda"])
        self.batches.images_seen = state["images_seen"]
        self.seconds = state["seconds"]
        self.num_rollbacks = state["num_rollbacks"]
        self.base, self.alone_since = state.get("base", {}), state.get("alone_since")

    def check(self, run: Run) -> str | None:
        """The problem that the guard finds in the weights or in the samples of the fixed seeds, or None."""
        if problem := self.check_numbers():
            return problem
        pipeline = pipelines.make(self.average.network, self.config(run), self.device)
        drawn = preview.draw(pipeline, self.data)
        return self.guard.check_images(drawn.images, drawn.labels)

    def check_numbers(self) -> str | None:
        """What the guard says of all that is saved: what is not finite never takes the place of a good state."""
        parts = [self.method, *(average.network for average in self.averages.values())]
        return next(filter(None, map(self.guard.check_weights, parts)), None)

    def recover(self, run: Run, problem: str) -> None:
        """Act on the setting `on_collapse`: continue, roll back to the last good snapshot, or raise Collapsed."""
        action, state = self.settings.on_collapse, run.load_state()
        run.tracker.alert(self.batches.images_seen, problem)
        if action == "ignore":
            tqdm.write(spell_arguments(problem, as_flag), file=sys.stderr)
            return
        if action == "stop" or state is None or self.num_rollbacks == MAX_ROLLBACKS:
            raise Collapsed(f"{problem}; the last good snapshot is in {run.folder}")
        num_rollbacks = self.num_rollbacks + 1
        self.load_state_dict(state)
        self.num_rollbacks = num_rollbacks
        kimg = self.batches.images_seen / 1000
        done = f"rolled back to {kimg:g} kimg with half the learning rate"
        tqdm.write(f"{spell_arguments(problem, as_flag)}; {done}", file=sys.stderr)
        torch.manual_seed(self.recipe.seed + num_rollbacks)  # other noise, or the same would happen again
        self.guard = self.make_guard()

    def schedule(self) -> None:
        """Set what changes between iterations, in tensors: learning rates, EMA weights, the method's schedules."""
        lr_scale = self.recipe.lr_scale(self.batches.images_seen) / 2**self.num_rollbacks
        for network, optimizer in self.optimizers.items():
            lr, group = self.learning_rates[network] * lr_scale, optimizer.param_groups[0]
            group["lr"] = group["lr"].fill_(lr) if isinstance(group["lr"], Tensor) else lr
        for average in self.averages.values():
            average.schedule(self.method.num_batches * self.recipe.batch_size)
        self.method.schedule(self.batches)

    def step(self) -> dict[str, Tensor]:
        """One iteration of the method's updates; returns the loss terms, still on the device."""
        self.schedule()
        is_captured = self.captured and self.alone_since is None
        terms = self.captured() if is_captured else self.round(self.batches)
        self.batches.prefetch()
        return terms

    def round(self, batches: Batches) -> dict[str, Tensor]:
        """What an iteration does after its batches are loaded, which may be captured: it never reads a value back."""
        terms: dict[str, Tensor] = {}
        updates = self.method.updates(batches)
        while True:
            with autocast(self.device, self.settings.precision), distributed.shared_noise(self.recipe.batch_size):
                update = next(updates, None)
            if update is None:
                break
            network, losses = update
            if self.alone_since is not None and network not in self.judges.values():
                continue  # G waits until D can tell
            self.optimizers[network].zero_grad(set_to_none=True)
            # inputs=...: G's loss leaves no gradients in D, and spends no time on them.
            learnt = [weight for weight in network.parameters() if weight.requires_grad]
            with self.means[network]:
                sum(losses.values()).backward(inputs=learnt)
            self.optimizers[network].step()
            terms |= {name: loss.detach() for name, loss in losses.items()}
        if self.alone_since is not None and terms:
            loss = sum(terms.values())
            self.alone_since = torch.where(self.alone_since.isinf(), loss, self.alone_since)
        distributed.all_reduce_mean(self.statistics)
        terms |= self.method.measures
        for name, average in self.averages.items():
            average.update(self.published(name))
        return terms


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
    run.check(settings.resume)
    keep_pages()
    with distributed.group(recipe.batch_size):
        remedy = "choose a smaller `batch_size` and another `out`; everything up to the last snapshot is saved"
        raise_on_oom(lambda: _in_folder(Trainer(recipe, settings, run.load_contents()), run), remedy)


def _in_folder(trainer: Trainer, run: Run) -> None:
    """Train to the end, from the last snapshot of `run` if there is one."""
    is_main_process = distributed.rank() == 0
    with run.lock() if is_main_process else contextlib.nullcontext():
        if is_main_process and run.folder.is_dir():
            run.sweep()
        if state := run.load_state():
            try:
                trainer.load_state_dict(state)
            except (RuntimeError, ValueError) as error:
                if not trainer.settings.data_changed:
                    raise
                raise InputError("the networks of this run do not fit the changed data: start a new run") from error
        elif trainer.recipe.base:
            trainer.begin_from(trainer.recipe.base)
        distributed.broadcast(None)  # before anything is written
        if is_main_process:
            trainer.show_data()
            for note in trainer.method.notes:
                tqdm.write(spell_arguments(note, as_flag), file=sys.stderr)
            run.rewind_log(trainer.batches.images_seen)
        with tracking(
            trainer.settings.track if is_main_process else "none", run.folder, describe(run.recipe)
        ) as tracker:
            run.tracker = tracker
            _loop(trainer, run)
        if is_main_process:
            run.timelapse()


def _loop(trainer: Trainer, run: Run) -> None:
    batches, settings = trainer.batches, trainer.settings
    total = round(trainer.recipe.kimg * 1000)
    between_snapshots = max(total // max(settings.snapshots, 1), 1)
    means = MetricLogger(batches.images_seen)
    started = time.monotonic() - trainer.seconds
    is_main_process = distributed.rank() == 0
    bar = tqdm(
        total=total / 1000,
        initial=batches.images_seen / 1000,
        desc=trainer.recipe.name,
        unit="kimg",
        bar_format="{desc} {percentage:3.0f}%|{bar}| {n:.1f}/{total:g} kimg, {remaining} left{postfix}",
        disable=None if is_main_process else True,
    )
    with Stop() as stop, bar:
        if not run.is_published(batches.images_seen):
            trainer.snapshot(run)
        received = distributed.all_reduce_max(stop.received)
        while batches.images_seen < total and not received:
            before, problem = batches.images_seen, None
            means.add(trainer.step())
            seen, received = batches.images_seen, distributed.all_reduce_max(stop.received)
            trainer.seconds = time.monotonic() - started
            bar.update((seen - before) / 1000)
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
                trainer.recover(run, problem)
                means.restart(batches.images_seen)
                bar.n = batches.images_seen / 1000
    if received:
        kimg = batches.images_seen / 1000
        raise Stopped(f"stopped at {kimg:g} kimg, everything is saved; resume with: {run.command} --resume", received)
