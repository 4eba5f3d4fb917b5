"""What training costs as it grows: memory and time by the number of pictures, their size, the batch, the processes.

    python -m benchmarks.scale --parts data --pictures 1000 10000 100000 1000000 --folder /a/disk/with/20/GB

Each row is `python -m trainer` in a process of its own, whose memory is read from /proc while it runs. The folders of
pictures are hard links to some hundred JPEGs of 64 px; what is decoded of them is deleted with the folder.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

import tyro

from pretrained.media.images import to_pil
from trainer import data

NUM_FILES, IN_A_FOLDER = 300, 10_000
MEMORY = {"RSS": "VmRSS", "anonymous": "RssAnon", "file": "RssFile", "peak": "VmHWM"}
Part = Literal["data", "size", "batch", "processes"]


@dataclass(frozen=True)
class Options:
    """What is measured, and how long."""

    parts: tuple[Part, ...] = ("data", "size", "batch", "processes")
    """Which of the axes."""
    images: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    """In the folder, at 64 px; a million takes 12.3 GB on the disk, decoded."""
    sizes: tuple[int, ...] = (32, 64, 128, 256)
    """Pixels, by batches of 16."""
    batches: tuple[int, ...] = (16, 64, 256, 1024)
    """Pictures in a step, at 32 px."""
    processes: tuple[int, ...] = (1, 2)
    """Started by torchrun on this machine, a batch of 64 at 64 px."""
    kimg: float = 32.0
    """How long each row is trained."""
    width: int = 8
    """Of the networks."""
    threads: int = 1
    """Of each process."""
    folder: Path = Path(tempfile.gettempdir())
    """Where a folder is made for all of this, and deleted."""
    json: Path | None = None
    """Where the figures are written."""


def link_images(folder: Path, count: int) -> Path:
    """A folder of `count` pictures in sub-folders, hard links to NUM_FILES files."""
    files = folder / "files"
    if not files.exists():
        files.mkdir()
        for number, blob in enumerate(data.fake(64, 3, NUM_FILES).images.movedim(1, 3).numpy()):
            to_pil(blob).save(files / f"{number}.jpg", quality=90)
    images = folder / f"pictures-{count}"
    for number in range(count):
        if number % IN_A_FOLDER == 0:
            (images / f"{number // IN_A_FOLDER:03d}").mkdir(parents=True)
        os.link(files / f"{number % NUM_FILES}.jpg", images / f"{number // IN_A_FOLDER:03d}" / f"{number:07d}.jpg")
    return images


def memory(root: int) -> dict[str, float]:
    """MB by kind, of the process `root` or the largest of its children."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            status = dict(line.split(":", 1) for line in (path / "status").read_text().splitlines() if ":" in line)
        except OSError:  # it has ended
            continue
        if root in (int(path.name), int(status["PPid"])) and "VmRSS" in status:
            found.append({name: int(status[key].split()[0]) / 1024 for name, key in MEMORY.items()})
    return max(found, key=lambda kinds: kinds["RSS"], default=dict.fromkeys(MEMORY, 0.0))


def watch(words: Sequence[str | Path], run: Path, cache: Path) -> dict[str, Any]:
    """Run a command line of the trainer -> the most memory it had, MB, and its pictures a second.

    Args:
        words: what stands between python and --out.
    """
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    said = run.with_suffix(".stderr")
    command = [sys.executable, *map(str, words), "--out", str(run)]
    most, before, in_loop = dict.fromkeys(MEMORY, 0.0), time.monotonic(), 0.0
    with said.open("w") as stderr:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=stderr, cwd=Path(__file__).parents[1]
        )
        try:
            while process.poll() is None:
                now = memory(process.pid)
                most = {name: max(most[name], now[name]) for name in MEMORY}
                if not in_loop and (run / "model.safetensors").exists():
                    in_loop, most = time.monotonic(), dict.fromkeys(MEMORY, 0.0)  # what came before is preparation
                time.sleep(0.1)
        finally:
            process.kill()
            process.wait()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}\n{said.read_text()}")
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    speed = statistics.median(line["images/s"] for line in log)
    return {
        "seconds to the first step": round(in_loop - before, 1),
        "images/s": round(speed, 1),
        "ms/image": round(1000 / speed, 3),
        **{f"{name}, MB": round(value) for name, value in most.items()},
    }


def train(options: Options, recipe: str, source: str | Path, size: int, batch_size: int, **flags: Any) -> list[str]:
    """The words of a training that is small but for what is measured."""
    given = {
        "data": source,
        "size": size,
        "batch-size": batch_size,
        "width": options.width,
        "kimg": options.kimg,
        "threads": options.threads,
        "snapshots": 1,
        "device": "cpu",
        **flags,
    }
    return [recipe, *(str(word) for name, value in given.items() for word in (f"--{name}", value))]


def measure_data(options: Options, folder: Path) -> None:
    """By the number of pictures: a first run, which decodes them, and a second one."""
    for count in options.images:
        started = time.monotonic()
        images, cache = link_images(folder, count), folder / "cache"
        linked = time.monotonic() - started
        for number in (1, 2):
            run = folder / f"run-{count}-{number}"
            words = ["-m", "trainer", *train(options, "dcgan-64", images, 64, 64, diffaugment=False)]
            row = watch(words, run, cache)
            if number == 1:
                row["preparing, ms/image"] = round(row["seconds to the first step"] * 1000 / count, 3)
            tell(options, {"part": "data", "pictures": count, "run": number, "linked in": round(linked, 1), **row})
        shutil.rmtree(cache)
        shutil.rmtree(images)


def measure_sizes(options: Options, folder: Path) -> None:
    """By pixels."""
    for size in options.sizes:
        words = ["-m", "trainer", *train(options, "dcgan-64", "fake", size, 16, diffaugment=False)]
        row = watch(words, folder / f"run-size-{size}", folder / "cache")
        tell(options, {"part": "size", "size": size, **row, "ns/pixel": round(row["ms/image"] * 1e6 / size**2)})


def measure_batches(options: Options, folder: Path) -> None:
    """By pictures in a step."""
    for batch_size in options.batches:
        words = ["-m", "trainer", *train(options, "dcgan-64", "fake", 32, batch_size, diffaugment=False)]
        row = watch(words, folder / f"run-batch-{batch_size}", folder)
        tell(options, {"part": "batch", "batch": batch_size, **row})


def measure_processes(options: Options, folder: Path) -> None:
    """By processes, which share a batch."""
    for count in options.processes:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
        words = [*launcher, "-m", "trainer", *train(options, "dcgan-64", "fake", 64, 64, diffaugment=False)]
        tell(options, {"part": "processes", "processes": count, **watch(words, folder / f"run-{count}", folder)})


def tell(options: Options, row: dict[str, Any]) -> None:
    """One row as a line of JSON, with the load of the machine."""
    rows.append(row | {"load": round(os.getloadavg()[0], 1)})
    print(json.dumps(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def table(part: str) -> str:
    """The rows of one part, in Markdown."""
    own = [{key: value for key, value in row.items() if key != "part"} for row in rows if row["part"] == part]
    names = list(dict.fromkeys(name for row in own for name in row))
    lines = [names, ["---"] * len(names), *([row.get(name, "") for name in names] for row in own)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


MEASURES = {
    "data": measure_data,
    "size": measure_sizes,
    "batch": measure_batches,
    "processes": measure_processes,
}
rows: list[dict[str, Any]] = []


def main(options: Options) -> None:
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="ganvas-scale-") as folder:
        for part in options.parts:
            MEASURES[part](options, Path(folder))
    for part in options.parts:
        print(f"\n{table(part)}")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
