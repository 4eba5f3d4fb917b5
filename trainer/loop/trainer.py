"""The state of a training and its step, the same for all methods: the only place that calls backward() and step()."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from pretrained import checkpoint, pipelines
from pretrained.checkpoint import Config
from pretrained.pipelines.registry import pick_device
from pretrained.run_files import DISCRIMINATOR
from pretrained.system.files import write_atomic
from trainer import distributed, finetune
from trainer.base import RATE, check_licence, open_base
from trainer.data.batches import Batches
from trainer.data.contact_sheet import contact_sheet
from trainer.data.contents import compare
from trainer.data.sets.folder_sets import FOLDER_SETS, find
from trainer.loop import capture, preview
from trainer.loop.capture import CapturedRounds, CudaGraphs
from trainer.loop.collapse import Guard
from trainer.loop.ema import EMA
from trainer.loop.run_folder import Run, make_config
from trainer.loop.settings import Settings
from trainer.method import MAIN, Adam, Method
from trainer.metrics import best, neighbours
from trainer.recipe import Recipe

FEW = 30  # images, below which there is a warning
SMALL = 1000  # images; up to so many, the card says how near the samples are to them
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
        self.nearness = ""
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
        if distributed.rank():  # all have drawn the same weights, and now each its own noise
            torch.manual_seed(distributed.noise_seed(recipe.seed))

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
        said |= {"nearness": self.nearness} if self.nearness and name == MAIN else {}
        said |= {"discriminator": DISCRIMINATOR} if self.judges else {}
        said |= {"processes": processes} if (processes := distributed.describe(self.device)) else {}
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
        state = self.state_dict()  # of all processes
        if distributed.rank():
            return
        run.save_state(state, self.data)
        if self.batches.images_seen >= round(self.recipe.kimg * 1000) and len(self.data.images) <= SMALL:
            self.nearness = self.look_nearby(run)
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

    def look_nearby(self, run: Run) -> str:
        """How near the samples are to the training images; "" for a translator."""
        pipeline = pipelines.make(self.average.network, self.config(run), self.device)
        if not hasattr(pipeline, "sample"):
            return ""
        samples = torch.from_numpy(pipeline.sample(preview.SEEDS)).permute(0, 3, 1, 2)
        return neighbours.summary(samples, self.data.images, self.recipe.horizontal_flip)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers: networks, optimisers, EMA, random states, position in the data, time spent.

        All processes call it together, since the noise of each has a state of its own.
        """
        on_cuda = self.device.type == "cuda"
        own = {
            "random": torch.get_rng_state(),
            "random_cuda": [torch.cuda.get_rng_state(self.device)] if on_cuda else [],
        }
        first, *others = distributed.gather_objects(own)
        return {
            **first,
            "random_others": others,
            "method": self.method.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers.values()],
            **{name or "average": average.network.state_dict() for name, average in self.averages.items()},
            "average_updates": self.average.num_updates,
            "images_seen": self.batches.images_seen,
            "seconds": self.seconds,
            "num_rollbacks": self.num_rollbacks,
            "base": self.base,
            "alone_since": self.alone_since,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict`; a process that it knows no random state of begins one of its own."""
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
        states = [state, *state.get("random_others", [])][distributed.rank() :]
        if states:
            torch.set_rng_state(states[0]["random"])
            if self.device.type == "cuda" and (saved := states[0]["random_cuda"]):  # earlier ones had all devices
                torch.cuda.set_rng_state(saved[min(torch.cuda.current_device(), len(saved) - 1)], self.device)
        else:
            torch.manual_seed(distributed.noise_seed(self.recipe.seed, state["images_seen"]))
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
            with self.settings.autocast(self.device):
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
