"""Every command that writes, on a disk that is full, or that nobody may write to: what was there stays, to the bit.

    unshare -rm python -m stress.disk --tries 10

A small disk in memory holds all that a command touches: its output, caches and temporary files. The command is run in
peace, then with so little room that it ends somewhere on its way, from none at all to nearly enough, and with the disk
mounted read-only. Each time the status must be 2, with one line on stderr that names a path; each file must be the old
one, or a new one that is whole; nothing may be left over. A training must go on from there, to the weights of one that
nobody disturbed.
"""

from __future__ import annotations

import gc
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]

import av
import numpy as np
import safetensors
import torch
import tyro
from helpers import hub_server
from PIL import Image

from pretrained import __main__ as play
from pretrained.media.images import encode_png
from pretrained.pipelines.image_grid import METADATA
from stress.kill import TINY, child, differing
from trainer import __main__ as work

MEGABYTES = 96
ONNX = ".ses"  # a file that ONNX Runtime keeps in the system's temporary folder, once for all
TRAINING = f"dcgan-mnist --size 16 --z-dim 8 {TINY}"
FIRST = {  # what lies there before, made by these commands
    "run": (work, f"{TRAINING} --out run"),
    "styled": (work, f"stylegan-mnist --size 16 --z-dim 8 {TINY} --out styled"),
    "translator": (work, f"pix2pix-emoji --size 32 --discriminator-width 4 --layers 2 {TINY} --out translator"),
}
PUSH = (work, "push run --repo-id alice/run")
COMMANDS = {
    "train": (work, f"{TRAINING} --out new"),
    "train, goes on": (work, f"{TRAINING} --kimg 0.4 --out run --resume"),
    "train, on a folder": (work, f"{TRAINING} --data pictures --kimg 0.016 --out new"),
    "train, two networks": (
        work,
        f"cyclegan-emoji --size 32 --discriminator-width 4 --layers 2 --blocks 1 {TINY} --kimg 0.016 --out new",
    ),
    "compare": (work, f"compare {TRAINING} --kimg 0.016 --losses hinge,lsgan --seeds 1 --out losses"),
    "nearest": (work, "nearest run --data fake"),
    "evaluate --write": (work, "evaluate translator --data fake --samples 50 --write"),
    "evaluate --out": (work, "evaluate translator --data fake --samples 50 --out scores.json"),
    "sample": (play, "sample run --out old.png"),
    "walk": (play, "walk run --frames 4 --out old.mp4"),
    "walk, as GIF": (play, "walk run --frames 4 --out old.gif"),
    "mix": (play, "mix styled --layers 1 --out old.png"),
    "directions --save": (play, "directions run --method sefa --save slant=1 --out old.png"),
    "project": (play, "project run --input pictures/0.png --steps 2 --out old.png"),
    "translate": (play, "translate translator --input pictures/0.png --out old.png"),
    "translate, a folder": (play, "translate translator --input pictures --out translated"),
    "convert": (play, "convert old.pth --out converted"),
    "export": (play, "export run --out old.onnx"),
    "deploy --dry-run": (play, "deploy run --dry-run page"),
    "push": PUSH,
}
READERS: dict[str, Callable[[Path], object]] = {
    ".safetensors": lambda path: safetensors.safe_open(path, "pt"),
    ".png": lambda path: Image.open(path).load(),
    ".gif": lambda path: Image.open(path).load(),
    ".mp4": lambda path: [*av.open(io.BytesIO(path.read_bytes())).decode(video=0)],
    ".json": lambda path: json.loads(path.read_text()),
    ".pt": lambda path: torch.load(path, weights_only=True),
    ".npy": lambda path: np.load(path, mmap_mode="r"),
    ".jsonl": lambda path: [json.loads(line) for line in path.read_text().splitlines(True) if line.endswith("\n")],
}


@dataclass(frozen=True)
class Options:
    """How hard to try."""

    tries: int = 10
    """With how much room each command is run, from none to nearly enough."""
    commands: tuple[str, ...] = tuple(COMMANDS)
    """Which of them."""
    seed: int = 0
    """Of what the room is."""


def mount(folder: Path, *options: str) -> None:
    gc.collect()  # a file of the disk that is mapped into memory keeps it busy
    command = ["mount", "-t", "tmpfs", "-o", ",".join([f"size={MEGABYTES}m", *options]), "tmpfs", str(folder)]
    if subprocess.run(command).returncode:
        raise SystemExit("cannot mount a disk: run it as root, or by unshare -rm")


def run(module: object, words: str, disk: Path) -> tuple[int, str]:
    """A command in a process of its own, which lives on the disk -> its exit status, and what it says on stderr."""
    said = os.memfd_create("stderr")

    def body(writer: int) -> None:
        os.chdir(disk)
        for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME"):
            os.environ[name] = str(disk / "tmp")
        tempfile.tempdir = None
        os.dup2(said, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            module.main(words.split())
        except SystemExit as ended:
            os._exit(ended.code or 0)
        except BaseException:
            traceback.print_exc()
            raise

    process, reader = child(body)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(reader)
    with open(said, errors="replace") as file:
        file.seek(0)
        return status, file.read()


def files(disk: Path) -> dict[str, bytes]:
    return {str(path.relative_to(disk)): path.read_bytes() for path in sorted(disk.rglob("*")) if path.is_file()}


def restore(disk: Path, before: dict[str, bytes]) -> None:
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, data in before.items():
        (disk / name).parent.mkdir(parents=True, exist_ok=True)
        (disk / name).write_bytes(data)
    (disk / "tmp").mkdir(exist_ok=True)


def faults(disk: Path, before: dict[str, bytes], status: int, said: str) -> list[str]:
    """What is wrong after a command could not write."""
    found = []
    lines = [line for line in said.splitlines() if line.startswith("ganvas: ")]
    if status != 2 or len(lines) != 1 or "Traceback" in said:
        found.append(f"status {status}, says {said[-1500:]!r}")
    elif not re.search(r"cannot write \S+: |cannot use /\S+: |--out \S+|folder \S+ is", lines[0]):
        found.append(f"names no path: {lines[0]!r}")
    now = files(disk)
    found += [f"{name} is gone" for name in before if name not in now]
    for name, data in now.items():
        path = disk / name
        if before.get(name) == data or path.name.endswith(".lock"):
            continue
        if (path.name.startswith(".") and path.name != ONNX) or name.startswith("tmp/tmp"):
            found.append(f"{name} is left over")
        elif path.suffix in READERS:
            try:
                READERS[path.suffix](path)
            except Exception as error:
                found.append(f"{name} is no whole file: {error}")
    return found


def prepare(disk: Path) -> dict[str, bytes]:
    """What all commands find there."""
    restore(disk, {})
    (disk / "pictures").mkdir()
    for number in range(4):
        levels = np.random.RandomState(number).randint(0, 256, (16, 16, 3), np.uint8)
        (disk / f"pictures/{number}.png").write_bytes(encode_png(levels, {METADATA: "{}"}))
    for name in ("png", "mp4", "gif", "onnx"):
        (disk / f"old.{name}").write_bytes(b"what was there before")
    layers = [torch.nn.ConvTranspose2d(8, 8, 4, bias=False), torch.nn.BatchNorm2d(8), torch.nn.ReLU()]
    layers += [torch.nn.ConvTranspose2d(8, 4, 4, bias=False), torch.nn.BatchNorm2d(4), torch.nn.ReLU()]
    torch.save(
        torch.nn.Sequential(*layers, torch.nn.ConvTranspose2d(4, 3, 4, bias=False)).state_dict(), disk / "old.pth"
    )
    # What was published before is looked at by the next push, which keeps it in the cache.
    for name, (module, words) in (FIRST | {"push": PUSH}).items():
        status, said = run(module, words, disk)
        if status:
            raise SystemExit(f"{name} cannot be made: {said}")
    return files(disk)


def goes_on(disk: Path, module: object, words: str, peace: Path, folder: str) -> list[str]:
    """Whether a training that had no room ends, with room, where one in peace ends."""
    resumed = words if "--resume" in words else f"{words} --resume"
    status, said = run(module, resumed if (disk / folder / "resume.pt").exists() else words, disk)
    if status:
        return [f"cannot go on: {said[-600:]!r}"]
    return [f"{name} differs" for name in differing(peace / folder, disk / folder)]


def attack(name: str, disk: Path, peace: Path, before: dict[str, bytes], options: Options) -> dict[str, object]:
    """One command, again and again; what went on, as a row of a table."""
    module, words = COMMANDS[name]
    restore(disk, before)
    status, said = run(module, words, disk)
    if status:
        raise SystemExit(f"{name} fails in peace: {said}")
    shutil.rmtree(peace, ignore_errors=True)
    shutil.copytree(disk, peace)
    sizes = {path: len(data) for path, data in files(disk).items() if before.get(path) != data}
    needed, dice = sum(sizes.values()) + max(sizes.values()), random.Random(options.seed)
    outcomes = {"refused": 0, "had room": 0}
    problems = []
    shares = [0.0, *sorted(dice.random() for _ in range(options.tries - 1))]
    for share in [None, *shares]:
        restore(disk, before)
        filler = disk / "filler"
        if share is None:
            mount(disk, "remount", "ro")
        else:
            stat = os.statvfs(disk)
            room = max(stat.f_bavail * stat.f_frsize - int(needed * share), 0)
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, room)
        status, said = run(module, words, disk)
        if share is None:
            mount(disk, "remount", "rw")
        filler.unlink(missing_ok=True)
        outcomes["had room" if status == 0 else "refused"] += 1
        wrong = faults(disk, before, status, said) if status else []
        if status and module is work and words.startswith(("dcgan", "cyclegan")):
            wrong += goes_on(disk, module, words, peace, "run" if " --out run" in words else "new")
        where = "read-only" if share is None else f"{int(needed * share):,} bytes free"
        problems += [f"{name}, {where}: {fault}" for fault in wrong]
    for problem in problems:
        print(problem, file=sys.stderr)
    return {"command": name, "tries": len(shares) + 1, **outcomes, "findings": len(problems)}


def main(options: Options) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        disk, peace = Path(temporary, "disk"), Path(temporary, "peace")
        disk.mkdir()
        hub, server = hub_server.serve(Path(temporary, "hub"))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ |= {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_alice_writes", "HF_HUB_DISABLE_XET": "1"}
        mount(disk)
        try:
            before = prepare(disk)
            for name in options.commands:
                rows.append(attack(name, disk, peace, before, options))
                print(json.dumps(rows[-1]), flush=True)
        finally:
            gc.collect()
            subprocess.run(["umount", str(disk)], check=True)
    raise SystemExit(any(row["findings"] for row in rows))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
