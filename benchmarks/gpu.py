"""How fast training and playing are on a GPU: the textbook's step, ours eager, ours captured as CUDA graphs.

    python -m benchmarks.gpu

Needs torch, torchvision, numpy, Pillow, safetensors and tyro only. With `--device cpu` the rows are made small: that
walks through the script, and its figures mean nothing.
"""

from __future__ import annotations

import gc
import importlib.machinery
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))


class Bar:
    """What is asked of a progress bar, where tqdm is not installed."""

    def __init__(self, iterable: Any = (), **_: Any):
        self.iterable, self.n = iterable, 0

    def __enter__(self) -> Bar:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(self.iterable)

    def __exit__(self, *_: Any) -> None: ...

    def update(self, *_: Any, **__: Any) -> None: ...

    set_postfix = update

    @staticmethod
    def write(text: str, file: Any = None) -> None:
        print(text, file=file)


if importlib.util.find_spec("tqdm") is None:
    sys.modules["tqdm"] = importlib.util.module_from_spec(importlib.machinery.ModuleSpec("tqdm", None))
    sys.modules["tqdm"].tqdm = Bar  # type: ignore[attr-defined]

import numpy as np
import torch
import torchvision
import tyro
from PIL import Image
from torch.autograd import DeviceType
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import pretrained
from benchmarks.arithmetic import Operations
from benchmarks.gpu_rows import CONTENDERS, ROWS, contender, sizes_of
from benchmarks.steps import draw_files
from pretrained import checkpoint
from pretrained.pipelines.registry import Generate
from trainer.loop.settings import Settings
from trainer.loop.trainer import Trainer
from trainer.methods.recipes import RECIPES

WARM_UP = 70  # steps: by then StyleGAN has had four with R1, so that all its phases are captured
NUM_EQUAL = 50  # steps
NUM_TRIED = 16  # steps of a trainer; each phase is met more often than it takes to capture it
# Recipes at the size of a trial.
SMALL = {"width": 8, "z_dim": 8, "discriminator_width": 8, "blocks": 1, "layers": 2, "bottleneck": 8, "pool_size": 10}
SMALL |= {"mse_kimg": 0.064, "l1_kimg": 0.064, "stage_one_kimg": 0.064, "penalty_every": 2}


@dataclass(frozen=True)
class Options:
    """What is measured, and how long."""

    device: str = "cuda"
    """cuda, or cpu to walk through."""
    seconds: float = 2.0
    """Of each contender."""
    rows: tuple[str, ...] = tuple(ROWS)
    """Systems whose steps are measured."""
    recipes: tuple[str, ...] = tuple(RECIPES)
    """Recipes that are trained, resumed and drawn, captured, at a small size."""
    models: tuple[str, ...] = tuple(pretrained.available())
    """Checkpoints that are played with."""
    json: Path | None = None
    """Where the figures are written."""


class Bytes(TorchDispatchMode):
    """Counts what operations read and write, each tensor once for each of them; views cost nothing."""

    total = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        aliases = [part.alias_info for part in function._schema.returns]
        if not any(alias and not alias.is_write for alias in aliases):
            tensors = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, torch.Tensor)]
            self.total += sum(x.numel() * x.element_size() for x in {id(x): x for x in tensors}.values())
        return result


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def milliseconds(work: Callable[[], Any], seconds: float, device: torch.device) -> float:
    """Of one call, at the end of which the device has done all."""
    wait(device)
    start, count = time.perf_counter(), 0
    while not count or time.perf_counter() - start < seconds:
        work()
        count += 1
    wait(device)
    return 1000 * (time.perf_counter() - start) / count


def ceilings(device: torch.device) -> tuple[float, float]:
    """Operations and bytes in a millisecond, the best of some: products in bf16 on a GPU, copies."""
    side, count = (8192, 2**28) if device.type == "cuda" else (512, 2**20)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    a, b = torch.randn(2, side, side, device=device, dtype=dtype).unbind()
    x, y = torch.empty(2, count, device=device).unbind()
    product = min(milliseconds(lambda: a @ b, 0.05, device) for _ in range(5))
    copy = min(milliseconds(lambda: y.copy_(x), 0.05, device) for _ in range(5))
    return 2 * side**3 / product, 2 * 4 * count / copy


def kernels(step: Callable[[], Any], num_steps: int = 3) -> tuple[float, float]:
    """How many kernels a step launches, and for how many milliseconds they keep the GPU busy."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(num_steps):
            step()
        torch.cuda.synchronize()
    events = [event for event in profile.events() if event.device_type == DeviceType.CUDA]
    busy = sum(event.time_range.elapsed_us() for event in events)
    return len(events) / num_steps, busy / num_steps / 1000


def measure(name: str, options: Options, folder: Path, peaks: tuple[float, float]) -> dict[str, Any]:
    """The contenders of a row, one after the other."""
    device, row = torch.device(options.device), ROWS[name]
    images, result = sizes_of(name, device).batch * row.batches, {"row": name}
    for who in CONTENDERS:
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        step = contender(name, who, folder, device)
        for _ in range(WARM_UP if device.type == "cuda" and who != "textbook" else 2):
            step()
        ms = milliseconds(step, options.seconds, device)
        result[who] = {"images/s": 1000 * images / ms, "ms": ms}
        if device.type == "cuda":
            num_kernels, busy = kernels(step)
            peak = torch.cuda.max_memory_allocated() / 2**20
            result[who] |= {"kernels": num_kernels, "busy": busy / ms, "peak MB": peak}
        if who == "eager":
            with Operations() as operations:
                step()
            with Bytes() as moved:
                step()
            result["floor ms"] = {"arithmetic": operations.total / peaks[0], "bytes": moved.total / peaks[1]}
        del step
    result["ratio"] = result["captured"]["images/s"] / result["textbook"]["images/s"]
    result["aim"] = row.aim
    return result


def difference(name: str, options: Options, folder: Path) -> float:
    """The largest difference of a captured loss from the eager one, as a share of it, over the first steps."""
    device, runs = torch.device(options.device), []
    for who in ("eager", "captured"):
        step = contender(name, who, folder, device, precision="fp32")
        steps = [step() for _ in range(NUM_EQUAL if device.type == "cuda" else 3)]
        runs.append([{term: float(value) for term, value in terms.items()} for terms in steps])
    shares = [
        abs(ours[term] - value) / max(abs(value), 1e-3) for theirs, ours in zip(*runs) for term, value in theirs.items()
    ]
    return max(shares)


def small(name: str, folder: Path) -> Any:
    """A recipe at the size of a trial, with what it looks through."""
    recipe = RECIPES[name]
    given = {**SMALL, "perceptual": str(folder / "features.npz"), "style": str(folder / "style.png")}
    given["generator"] = str(folder / "dcgan-mnist")
    options = replace(recipe.options, **{key: given[key] for key in given if hasattr(recipe.options, key)})
    size = 32 if hasattr(options, "jitter") or hasattr(options, "l1_kimg") or "stackgan" in name else 16
    return replace(recipe, options=options, data="fake", size=size, batch_size=8, kimg=0.016 * NUM_TRIED)


def tried(name: str, options: Options, folder: Path) -> str:
    """Train a recipe half way, go on in a new trainer, draw and save; "ok", or what went wrong."""
    settings = Settings(device=options.device, cuda_graphs="on" if options.device == "cuda" else "off")
    run = SimpleNamespace(command=f"python -m trainer {name}")
    try:
        recipe = small(name, folder)
        halves = [Trainer(recipe, settings) for _ in range(2)]
        for trainer in halves:
            if trainer is halves[1]:
                trainer.load_state_dict(halves[0].state_dict())
            for _ in range(NUM_TRIED):
                trainer.step()
        checkpoint.save(folder / name, trainer.average.network, trainer.config(run))
        return trainer.check(run) or "ok"
    except Exception as error:  # the table says of each recipe how it went
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def prepare(folder: Path) -> None:
    """A picture to take a style from, and a network to look through, which has learnt nothing."""
    levels = np.random.RandomState(0).randint(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(levels).save(folder / "style.png")
    state = torchvision.models.squeezenet1_0().state_dict()
    np.savez(folder / "features.npz", **{name: tensor.numpy() for name, tensor in state.items()})


def played(name: str, options: Options) -> dict[str, float]:
    """Milliseconds for 64 seeds and frames of a walk a second, or milliseconds for a translation."""
    pipeline, device = pretrained.load(name, options.device), torch.device(options.device)
    if isinstance(pipeline, Generate):
        works: dict[str, Callable[[], Any]] = {"64 seeds, ms": lambda: pipeline.sample(range(64))}
        if not pipeline.config.input.get("text"):
            works["frames/s"] = lambda: sum(1 for _ in pipeline.walk([0, 1, 2], 240))
    else:
        side = pipeline.size or 256
        image = Image.fromarray(np.random.RandomState(0).randint(0, 256, (side, side, 3), np.uint8))
        how = {"mask": Image.new("L", image.size)} if pipeline.config.input.get("mask") else {}
        works = {f"translate {side} px, ms": lambda: pipeline.translate(image, **how)}
    found = {}
    for what, work in works.items():
        work()
        ms = statistics.median(milliseconds(work, 0, device) for _ in range(5 if options.seconds < 1 else 20))
        found[what] = 240_000 / ms if what == "frames/s" else ms
    return found


def table(results: list[dict[str, Any]]) -> Iterator[str]:
    """In Markdown; a dash where there is nothing to measure."""
    yield "| row | textbook, images/s | eager | captured | ratio | aim | kernels | busy | peak MB | floor ms | losses |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for result in results:
        speeds = [f"{result[who]['images/s']:.0f} ({result[who]['ms']:.2f} ms)" for who in CONTENDERS]
        others = [
            " / ".join(f"{result[who][what]:{shape}}" if what in result[who] else "–" for who in CONTENDERS)
            for what, shape in (("kernels", ".0f"), ("busy", ".0%"), ("peak MB", ".0f"))
        ]
        floors = " / ".join(f"{value:.3f}" for value in result["floor ms"].values())
        aim = f"{result['aim']:g}" if result["aim"] else "–"
        cells = [result["row"], *speeds, f"{result['ratio']:.2f}", aim, *others, floors]
        yield f"| {' | '.join(cells)} | {result['difference']:.1e} |"


def main(options: Options) -> None:
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("benchmarks.gpu: there is no CUDA GPU here: --device cpu walks through the script")
    if device.type == "cpu":
        print("A walk through the script on a processor: these figures mean nothing.")
    peaks = ceilings(device)
    print(f"matrix product {peaks[0] / 1e9:.1f} TFLOP/s, copies {peaks[1] / 1e9:.2f} TB/s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_files(folder, 1000 if device.type == "cuda" else 40)
        prepare(folder)
        results = []
        for row in options.rows:
            results.append(measure(row, options, folder, peaks) | {"difference": difference(row, options, folder)})
            print(f"{row}: {results[-1]['ratio']:.2f}", file=sys.stderr, flush=True)
        print("\n".join(table(results)))
        plays = {model: played(model, options) for model in options.models}
        for model, found in plays.items():
            print(f"{model}: {', '.join(f'{what} {value:.1f}' for what, value in found.items())}")
        recipes = [name for name in RECIPES if name in {"dcgan-mnist", *options.recipes}]  # encoders need that one
        tries = {recipe: tried(recipe, options, folder) for recipe in (recipes if options.recipes else ())}
        print("\n".join(f"{recipe}, trained, resumed and drawn: {said}" for recipe, said in tries.items()))
    if options.json:
        found = {"ceilings": peaks, "rows": results, "play": plays, "recipes": tries}
        options.json.write_text(json.dumps(found, indent=1))
    if any(said != "ok" for said in tries.values()):
        sys.exit(1)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
