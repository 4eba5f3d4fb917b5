"""The folder of a run: published files, log, snapshots and the resume file."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import math
import platform
import re
import shlex
import time
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pretrained import checkpoint, pipelines
from pretrained.checkpoint import CARD, MODEL, SAMPLES
from pretrained.config import RENAMED, Config
from pretrained.hub.model_card import local_id, model_card
from pretrained.loading import HUB_ID
from pretrained.media import provenance
from pretrained.media.files import is_litter
from pretrained.media.images import encode_png, open_image
from pretrained.run_files import DISCRIMINATOR, LOCK, LOG, NEXT, RAW, SNAPSHOTS, STATE, TIMELAPSE
from pretrained.system.errors import InputError
from pretrained.system.files import cannot_write, locked, sweep, write_atomic
from trainer.data.contents import remember
from trainer.data.dataset import Dataset
from trainer.data.files.reading import Reading
from trainer.loop import preview, state_file
from trainer.method import MAIN, Method, published_name
from trainer.recipe import Recipe
from trainer.tracking import NoTracker, Tracker

LOCAL = ("--out", "--data-root", "--feature-weights")  # flags that name local paths
SHORT = ("data", "style", "perceptual", "base", "from")  # options that may be local paths; their last part is published
WRITTEN = (MODEL, checkpoint.CONFIG, CARD, SAMPLES, LOG, STATE, NEXT, TIMELAPSE, DISCRIMINATOR)
FLAGS = {"base": "from"}  # fields that are called otherwise on the command line
SNAPSHOT = re.compile(r"\d{10}\.png")
OURS = re.compile("|".join(map(re.escape, WRITTEN)) + f"|{SNAPSHOT.pattern}")
TIMELAPSE_SECONDS, TIMELAPSE_FRAMES = 8.0, 60


class Run:
    """Reads and writes the folder. Every file is complete at any moment, and none is deleted."""

    def __init__(self, folder: Path, recipe: Recipe, command: str):
        self.folder, self.recipe, self.command = folder, recipe, command
        self.tracker: Tracker = NoTracker(folder, {})

    def lock(self) -> AbstractContextManager[None]:
        """Keep other processes from training in the folder."""
        busy = f"another process is training in {self.folder}: wait for it, or choose another `out`"
        return locked(self.folder / LOCK, busy, remedy="choose another `out`")

    def check(self, resume: bool) -> None:
        """InputError if the folder holds other files, another run, or a run that is not to be resumed."""
        try:
            self._check(resume)
        except OSError as error:  # closed, or a name that is too long
            raise cannot_write(self.folder, error, "choose another `out`") from error

    def _check(self, resume: bool) -> None:
        if not self.folder.exists():
            return
        if not self.folder.is_dir():
            raise InputError(f"`out` must be a folder, got the file {self.folder}")
        there, files = (
            state_file.exists(self.folder),
            [path for path in self.folder.iterdir() if not is_litter(path.name)],
        )
        if files and not there:
            raise InputError(f"`out` must be an empty folder, but {self.folder} holds other files")
        if there and not resume:
            raise InputError(f"`out` {self.folder} holds a run: continue it with `resume`, or choose another `out`")
        if there:
            self._check_same_recipe(**self._read_state())

    def _check_same_recipe(
        self, recipe: dict[str, Any], trainer: dict[str, Any], data: dict[str, Any] | None = None
    ) -> None:
        """InputError if it differs in more than `kimg` and `decay`, which may change until the learning rate decays."""
        now, seen = describe(self.recipe), trainer["images_seen"]
        before = dataclasses.replace(self.recipe, kimg=recipe["kimg"], decay=recipe["decay"])
        may_change = {"kimg", "decay"} if before.lr_scale(seen) == self.recipe.lr_scale(seen) == 1 else set()
        if data:
            may_change |= {"data"}  # which is known by its contents
        recipe = {
            name: RENAMED.get(value, value) if isinstance(value, str) else value for name, value in recipe.items()
        }
        owners = (Recipe, Reading, type(self.recipe.options))  # an older run lacks options that came later
        since = {field.name: field.default for owner in owners for field in dataclasses.fields(owner)}
        for name in sorted((recipe.keys() | now.keys()) - may_change):
            if recipe.get(name, since.get(name)) != now.get(name):
                raise InputError(
                    f"`{FLAGS.get(name, name)}` must be {recipe.get(name)} as in the run in {self.folder}, "
                    f"got {now.get(name)}: use the same value, or choose another `out`"
                )

    def _read_state(self) -> dict[str, Any]:
        state = state_file.read(self.folder)
        if not isinstance(state, dict) or not {"recipe", "trainer"} <= state.keys():
            raise InputError(f"{self.folder / STATE} is no state of a run: choose another `out`")
        return state

    def has_state(self) -> bool:
        """Whether there is a run to go on with."""
        return state_file.exists(self.folder)

    def load_state(self) -> dict[str, Any] | None:
        """`Trainer.state_dict` of the last snapshot; None if there is none."""
        return self._read_state()["trainer"] if state_file.exists(self.folder) else None

    def load_contents(self) -> dict[str, Any] | None:
        """What the run has learnt from, at the last snapshot; None of an older run, and when there was none."""
        return self._read_state().get("data") if state_file.exists(self.folder) else None

    def save_state(self, state: dict[str, Any], data: Dataset) -> None:
        """Write the resume file: the recipe, `Trainer.state_dict`, and what is remembered of the data."""
        state_file.write(self.folder, {"recipe": describe(self.recipe), "trainer": state, "data": remember(data)})

    def sweep(self) -> None:
        """Delete the temporary files of a killed process; only for the holder of the lock."""
        for folder in (self.folder, *(path for path in self.folder.iterdir() if path.is_dir())):
            sweep(folder, OURS)

    def log(self, images_seen: int, values: dict[str, float]) -> None:
        """Append a line to log.jsonl."""
        line = {"kimg": images_seen / 1000, **{name: float(f"{value:.5g}") for name, value in values.items()}}
        try:
            with (self.folder / LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise cannot_write(self.folder / LOG, error, "choose another `out`") from error
        self.tracker.log(images_seen, values)

    def rewind_log(self, images_seen: int) -> None:
        """Remove log lines after the moment of the resumed snapshot; they will be written again."""
        path = self.folder / LOG
        if path.exists():
            lines = path.read_text("utf-8", errors="replace").split("\n")[:-1]
            kept = [line for line in lines if _images_seen(line) <= images_seen]
            write_atomic(path, "".join(f"{line}\n" for line in kept).encode())

    def is_published(self, images_seen: int) -> bool:
        """Whether the snapshot at `images_seen` images is complete; the model card is written last."""
        model, card = self.folder / MODEL, self.folder / CARD
        if not model.exists() or not card.exists():
            return False
        try:
            config = checkpoint.load(model)[1]
        except InputError:  # damaged since: it is written again
            return False
        return config.training.get("kimg", -1) * 1000 == images_seen and card.read_text(
            "utf-8", errors="replace"
        ) == self.card(MAIN, config)

    def card(self, name: str, config: Config) -> str:
        """The model card of the checkpoint `name`, whose commands work where the training was started."""
        return model_card(config, local_id(self.folder / name, config.name))

    def snapshot(
        self, name: str, network: nn.Module, config: Config, dtype: torch.dtype, device: torch.device, data: Dataset
    ) -> None:
        """Write the checkpoint `name` to its folder, and keep the samples of the main one for the timelapse."""
        folder = self.folder / name
        png = publish(folder, network, config, dtype, device, data)
        if name == MAIN:
            write_atomic(folder / SNAPSHOTS / f"{round(config.training['kimg'] * 1000):010d}.png", png)
        write_atomic(folder / SAMPLES, png)
        if name == MAIN:
            self.tracker.samples(round(config.training["kimg"] * 1000), folder / SAMPLES)
        write_atomic(folder / CARD, self.card(name, config).encode())

    def snapshot_raw(self, network: nn.Module, config: Config, dtype: torch.dtype) -> None:
        """Write the weights without EMA as a checkpoint in the sub-folder raw/, for comparison."""
        checkpoint.save(self.folder / RAW, network, dataclasses.replace(config, name=f"{config.name}-{RAW}"), dtype)

    def save_discriminator(self, tensors: dict[str, torch.Tensor]) -> None:
        """Keep what is not published, so that others can go on from it."""
        checkpoint.save_tensors(self.folder / DISCRIMINATOR, tensors)

    def timelapse(self) -> None:
        """Write an animation of the fixed seeds over training."""
        paths = sorted(path for path in (self.folder / SNAPSHOTS).glob("*.png") if SNAPSHOT.fullmatch(path.name))
        chosen = [paths[round(i)] for i in np.linspace(0, len(paths) - 1, min(len(paths), TIMELAPSE_FRAMES))]
        frames = []
        for path in chosen:
            with contextlib.suppress(InputError):  # a picture that was damaged is left out
                frames.append(open_image(path))
        if not frames:
            return
        duration = [int(TIMELAPSE_SECONDS * 1000 / len(frames))] * (len(frames) - 1) + [2000]
        buffer = io.BytesIO()
        frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=duration, loop=0)
        write_atomic(self.folder / TIMELAPSE, provenance.mark(buffer.getvalue()))


def publish(
    folder: Path, network: nn.Module, config: Config, dtype: torch.dtype, device: torch.device, data: Dataset
) -> bytes:
    """Write a checkpoint, read it back and draw its samples with the public pipeline -> PNG bytes."""
    checkpoint.save(folder, network, config, dtype)
    network, config = checkpoint.load(folder / MODEL)
    drawn = preview.draw(pipelines.make(network, config, device), data)
    return provenance.mark(encode_png(drawn.grid, {"ganvas": json.dumps(drawn.text)}))


def _images_seen(line: str) -> float:
    """How far a run was when it wrote a line of the log; infinity for what is none, such as the NULs of a crash."""
    try:
        return float(json.loads(line)["kimg"]) * 1000
    except (ValueError, TypeError, KeyError, RecursionError):
        return math.inf


def describe(recipe: Recipe) -> dict[str, Any]:
    """The recipe and the options of its method as one flat dictionary of JSON values."""
    fields = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
    parts = {**dataclasses.asdict(fields.pop("options")), **dataclasses.asdict(fields.pop("reading"))}
    flat = {**fields, **parts, "method": recipe.method.__name__}
    del flat["summary"], flat["result"]
    return json.loads(json.dumps(flat))


def published_options(recipe: Recipe) -> dict[str, Any]:
    """`describe`, with the last part of each local path."""
    options = describe(recipe)
    return options | {name: last_part(options[name]) for name in SHORT if options.get(name)}


def last_part(name: str) -> str:
    """What may be published of a place: a name on the Hub is whole, of a path on the disk the last part."""
    is_on_hub = name.startswith("hub:") or (HUB_ID.fullmatch(name) and not Path(name).exists())
    return name if is_on_hub else Path(name).name


def without_paths(command: str) -> str:
    """The command as it is published: without local paths."""
    kept: list[str] = []
    words = [
        part for word in shlex.split(command) for part in (word.split("=", 1) if word.startswith("--") else [word])
    ]
    for before, word in zip(["", *words], words):
        if before.removeprefix("--") in SHORT:
            kept.append(last_part(word))
        elif word not in LOCAL and before not in LOCAL:
            kept.append(word)
    return shlex.join(kept)


def hardware(device: torch.device) -> str:
    """GPU or CPU of the training, for the model card."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    named = (
        re.search(r"^model name\s*: (.+)$", cpuinfo.read_text("utf-8", errors="replace"), re.MULTILINE)
        if cpuinfo.exists()
        else None
    )
    processor = named[1] if named else platform.processor() or platform.machine()
    threads = torch.get_num_threads()
    return f"{processor}, {threads} thread{'s' * (threads > 1)}"


def make_config(
    recipe: Recipe,
    method: Method,
    data: Dataset,
    command: str,
    images_seen: int,
    seconds: float,
    device: torch.device,
    checkpoint_name: str = MAIN,
) -> Config:
    """The config of the checkpoint `checkpoint_name` after `images_seen` images."""
    return Config(
        name=published_name(recipe.name, checkpoint_name),
        training={
            "recipe": recipe.name,
            "options": {**published_options(recipe), "data": data.name},
            "data": data.name,
            "data_licence": data.licence,
            "command": without_paths(command),
            "seed": recipe.seed,
            "kimg": images_seen / 1000,
            "minutes": round(seconds / 60, 1),
            "hardware": hardware(device),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "numpy")}},
            "date": time.strftime("%Y-%m-%d"),
        },
        **method.checkpoint(),
    )
