"""Training that is killed again and again, and resumed: its weights must be those of a run that nobody disturbed.

    python -m stress.kill --kills 30

For each family of methods a tiny run is made once in peace, and once with SIGKILL at random moments, every second one
while a file is being written. Weights, optimisers, random state and the published file are compared to the bit, and
the moments in the log; a line of it after a resumption is the mean of the steps since then.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import safetensors.torch
import torch
import tyro

from pretrained.run_files import LOG, STATE
from pretrained.system import files
from trainer.cli import evaluate, nearest
from trainer.cli.parse import parse
from trainer.loop import run_folder
from trainer.loop import train as loop
from trainer.metrics import best

TINY = "--data fake --width 4 --batch-size 8 --kimg 0.24 --snapshots 6 --device cpu --threads 1"
SMALL = "--size 16 --z-dim 8"
PAIRS = "--size 32 --discriminator-width 4 --layers 2"
FAMILIES = {
    "GAN": f"dcgan-mnist {SMALL}",
    "GAN with a penalty": f"dcgan-mnist {SMALL} --loss wgan-gp",
    "GAN with labels": f"dcgan-mnist {SMALL}",
    "BEGAN": f"began-64 {SMALL}",
    "VAE": f"vae-mnist {SMALL}",
    "ProGAN in a fade": f"progan-mnist {SMALL} --fade-kimg 0.06 --stable-kimg 0.02",
    "StyleGAN": f"stylegan-mnist {SMALL}",
    "Pix2pix": f"pix2pix-emoji {PAIRS}",
    "CycleGAN with its pool": f"cyclegan-emoji {PAIRS} --blocks 1 --pool-size 10",
}


@dataclass(frozen=True)
class Options:
    """How hard to try."""

    kills: int = 30
    """Of each family."""
    families: tuple[str, ...] = tuple(FAMILIES)
    """Which of them."""
    seed: int = 0
    """Of the moments."""


def child(work: Callable[[int], object]) -> tuple[int, int]:
    """Do work in a copy of this process, which is given where to tell of a file -> its number, where to read of it."""
    reader, writer = os.pipe()
    process = os.fork()
    if process:
        os.close(writer)
        return process, reader
    os.close(reader)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    try:
        work(writer)
        os._exit(0)
    except BaseException:
        os._exit(1)


def training(words: str, folder: Path, resume: bool) -> Callable[[int], None]:
    def work(writer: int) -> None:
        write = files.write_atomic

        def told(path: Path, data: bytes) -> None:
            os.write(writer, b".")
            write(path, data)

        for module in (files, run_folder, best, evaluate, nearest, sys.modules["pretrained.checkpoint"]):
            if hasattr(module, "write_atomic"):
                module.write_atomic = told
        command = parse([*words.split(), *TINY.split(), "--out", str(folder), *["--resume"] * resume])
        loop.train(command.recipe, command.settings, folder, f"python -m trainer {words}")

    return work


def finish(process: int) -> bool:
    return os.waitpid(process, 0)[1] == 0


def disturbed(words: str, folder: Path, seconds: float, kills: int, dice: random.Random) -> tuple[int, int, Path]:
    """Train and kill, and at last let it end -> the kills, those of them while a file was being written, the folder."""
    done = while_writing = 0
    while done < kills:
        process, reader = child(training(words, folder, folder.exists()))
        wait_for_file = done % 2 == 1
        deadline = time.monotonic() + dice.expovariate(2 / seconds)
        while (left := deadline - time.monotonic()) > 0 or wait_for_file:
            ready = select.select([reader], [], [], max(left, 0) if not wait_for_file else None)[0]
            if ready and not os.read(reader, 1):
                break  # it has ended by itself
            if ready and wait_for_file and left <= 0:
                time.sleep(dice.random() * 0.004)
                break
        os.kill(process, signal.SIGKILL)
        killed = os.WIFSIGNALED(os.waitpid(process, 0)[1])
        os.close(reader)
        done, while_writing = done + killed, while_writing + (killed and wait_for_file)
        if not killed:  # finished: from the beginning, in another folder
            folder = folder.with_name(f"{folder.name}+")
    process, reader = child(training(words, folder, folder.exists()))
    if not finish(process):
        raise SystemExit(f"{words}: what was killed cannot be resumed in {folder}")
    os.close(reader)
    return done, while_writing, folder


def contents(folder: Path) -> dict[str, torch.Tensor | str]:
    """All that training has made, by name."""
    state = torch.load(folder / STATE, weights_only=True)["trainer"]
    flat: dict[str, torch.Tensor | str] = {}

    def gather(name: str, value: object) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                gather(f"{name}.{key}", inner)
        elif isinstance(value, list):
            for place, inner in enumerate(value):
                gather(f"{name}.{place}", inner)
        else:
            flat[name] = value if torch.is_tensor(value) else str(value)

    gather("state", {name: value for name, value in state.items() if name != "seconds"})
    gather("published", safetensors.torch.load_file(folder / "model.safetensors"))
    gather("log", [json.loads(line)["kimg"] for line in (folder / LOG).read_text().splitlines()])
    return flat


def differing(one: Path, other: Path) -> list[str]:
    ours, theirs = contents(one), contents(other)
    return sorted(ours.keys() ^ theirs.keys()) + [
        name
        for name in ours.keys() & theirs.keys()
        if not (torch.equal(ours[name], theirs[name]) if torch.is_tensor(ours[name]) else ours[name] == theirs[name])
    ]


def main(options: Options) -> None:
    dice = random.Random(options.seed)
    rows, lost = [], 0
    with tempfile.TemporaryDirectory() as temporary:
        for place, family in enumerate(options.families):
            folder = Path(temporary) / str(place)
            folder.mkdir()
            start = time.monotonic()
            process, reader = child(training(FAMILIES[family], folder / "peace", False))
            if not finish(process):
                raise SystemExit(f"{family}: cannot be trained at all")
            os.close(reader)
            seconds = time.monotonic() - start
            kills, while_writing, ended = disturbed(FAMILIES[family], folder / "war", seconds, options.kills, dice)
            wrong = differing(folder / "peace", ended)
            lost += bool(wrong)
            rows.append({"family": family, "kills": kills, "while writing": while_writing, "differences": len(wrong)})
            print(json.dumps(rows[-1]), flush=True)
            for name in wrong[:5]:
                print(f"  {name}", file=sys.stderr)
    total = {"kills": sum(row["kills"] for row in rows), "while writing": sum(row["while writing"] for row in rows)}
    print(json.dumps({**total, "families with differences": lost}))
    raise SystemExit(bool(lost))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
