"""Training speed against the textbook's, with the data's way into the step: pictures a second, losses, arithmetic.

    python -m benchmarks.steps --rows dcgan-32-w32 pix2pix-256 --json steps.json

The contenders of a row take turns, some seconds each, every one in a process of its own; a round gives one ratio.
Ours runs in float32 and in what `--precision auto` chooses here. Pictures larger than those of MNIST are drawn for it,
as JPEG files.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import tyro
from PIL import Image
from torch import nn
from torch.utils.data import StackDataset
from tqdm import tqdm

from benchmarks import textbook
from benchmarks.arithmetic import Operations, ceiling
from benchmarks.textbook import Losses
from pretrained import networks
from pretrained.media.images import to_pil
from pretrained.networks.convolutions import ToFew
from pretrained.system.allocator import keep_pages
from trainer import data
from trainer.cli.parse import parse
from trainer.loop.trainer import Trainer

Textbook = Callable[["Options", Path], Losses]


@dataclass(frozen=True)
class Options:
    """What is measured, and how long."""

    rows: tuple[str, ...] = ()
    """Which of the rows; all by default."""
    contenders: tuple[str, ...] = ("textbook", "fp32", "auto", "reuse-fakes")
    """Rows of CONTENDERS, the first being what the others are compared to."""
    rounds: int = 9
    """Turns of each contender."""
    seconds: float = 6.0
    """Of a turn, at least; a turn has three steps at least."""
    threads: int = 2
    """Of the processor."""
    workers: int = 2
    """Processes of the textbook's DataLoader."""
    data_root: Path = Path("data")
    """Where MNIST is looked for, and downloaded to."""
    json: Path | None = None
    """Where the figures are written."""


@dataclass(frozen=True)
class Row:
    """One system: our command line, and the textbook's step of the same size.

    Attributes:
        words: {pictures}, {pairs} and {domains} stand for folders that are drawn.
        images: real pictures that one step looks at.
        fresh: whether ours draws fakes anew for G, which --reuse-fakes spares.
    """

    words: str
    textbook: Textbook
    images: int
    fresh: bool = False


def as_pil(images: torch.Tensor) -> list[Image.Image]:
    """uint8 (N, C, H, W) -> pictures."""
    return [to_pil(image) for image in images.movedim(1, 3).numpy()]


def mnist(options: Options, batch_size: int) -> Iterator[torch.Tensor]:
    items = as_pil(data.load("mnist", 28, options.data_root).images)
    return textbook.epochs(textbook.Images(items, textbook.resized(32)), batch_size, options.workers)


def files(options: Options, folder: Path, size: int, batch_size: int) -> Iterator[torch.Tensor]:
    images = textbook.Images(sorted(folder.glob("*.jpg")), textbook.resized(size))
    return textbook.epochs(images, batch_size, options.workers)


def dcgan_32(width: int, options: Options, folder: Path) -> Losses:
    G = textbook.generator(32, 1, 64, width)
    D = textbook.discriminator(32, 1, width, nn.BatchNorm2d)
    return textbook.dcgan(G, D, mnist(options, 128), 64)


def dcgan_64(options: Options, folder: Path) -> Losses:
    G = textbook.generator(64, 3, 100, 64)
    D = textbook.discriminator(64, 3, 64, nn.BatchNorm2d)
    return textbook.dcgan(G, D, files(options, folder / "pictures", 64, 128), 100)


def wgan_gp_32(options: Options, folder: Path) -> Losses:
    G = textbook.generator(32, 1, 64, 32)
    D = textbook.discriminator(32, 1, 32, partial(nn.GroupNorm, 1))
    return textbook.wgan_gp(G, D, mnist(options, 128), 64)


def stylegan_64(options: Options, folder: Path) -> Losses:
    """Our networks, since tutorials differ in theirs."""
    G = networks.build({"class": "stylegan.Generator", "size": 64, "channels": 3, "width": 32})
    D = networks.build({"class": "stylegan.Discriminator", "size": 64, "channels": 3, "width": 32})
    return textbook.stylegan(G, D, files(options, folder / "pictures", 64, 32), 128)


def pix2pix_256(width: int, options: Options, folder: Path) -> Losses:
    """Our networks, which are those of the paper."""
    G = networks.build({"class": "unet.Generator", "size": 256, "width": width})
    D = networks.build({"class": "patchgan.Discriminator", "inputs": 6, "width": width})
    pairs = textbook.PairedImages(sorted((folder / "pairs").glob("*.jpg")), 256)
    return textbook.pix2pix(G, D, textbook.epochs(pairs, 1, options.workers))


def cyclegan_128(options: Options, folder: Path) -> Losses:
    """The networks of the authors' code, with transposed convolutions, each of them PyTorch's own."""
    translator = {"class": "resnet.Generator", "size": 128, "width": 32, "blocks": 6, "transposed": True}
    judge = {"class": "patchgan.Discriminator", "inputs": 3, "width": 32}
    domains = [
        textbook.Images(sorted((folder / "domains" / name).glob("*.jpg")), textbook.jittered(128)) for name in "AB"
    ]
    loader = textbook.epochs(StackDataset(*domains), 1, options.workers)
    players = [networks.build(spec) for spec in (translator, translator, judge, judge)]
    for module in (module for player in players for module in player.modules()):
        if isinstance(module, ToFew):
            module.__class__ = nn.Conv2d
    return textbook.cyclegan(*players, loader)


# Ours, by what is added to the row's command line.
CONTENDERS = {
    "textbook": "",
    "fp32": "--precision fp32",
    "auto": "--precision auto",
    "reuse-fakes": "--precision auto --reuse-fakes",
}
IMAGES = "--data {pictures} --diffaugment False"
PIX2PIX = "pix2pix-facades --data {pairs} --direction BtoA"
CYCLEGAN = "cyclegan-emoji --data {domains}"
ROWS = {
    **{
        f"dcgan-32-w{width}": Row(f"dcgan-plain --width {width}", partial(dcgan_32, width), 128, fresh=True)
        for width in (32, 64, 128)
    },
    "dcgan-64": Row(f"dcgan-64 {IMAGES} --width 64", dcgan_64, 128, fresh=True),
    "wgan-gp-32": Row("dcgan-plain --loss wgan-gp", wgan_gp_32, 640, fresh=True),
    "stylegan-64": Row(f"stylegan-64 {IMAGES}", stylegan_64, 32),
    "pix2pix-256-w32": Row(f"{PIX2PIX} --width 32 --discriminator-width 32", partial(pix2pix_256, 32), 1),
    "pix2pix-256-w64": Row(PIX2PIX, partial(pix2pix_256, 64), 1),
    "cyclegan-128": Row(CYCLEGAN, cyclegan_128, 1),
}


def draw_files(folder: Path, count: int = 1000) -> None:
    """What the rows read: 1,000 pictures of 128 px, 200 pairs of 256 px, and two domains of 300 pictures of 128 px."""
    blobs, large = as_pil(data.fake(128, 3, count).images), as_pil(data.fake(256, 3, count * 2 // 5).images)
    both = []
    for a, b in zip(large[::2], large[1::2]):
        both.append(Image.new("RGB", (512, 256)))
        both[-1].paste(a, (0, 0))
        both[-1].paste(b, (256, 0))
    where = {"pictures": blobs, "pairs": both, "domains/A": blobs[:600:2], "domains/B": blobs[1:600:2]}
    for name, images in where.items():
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(images):
            image.save(folder / name / f"{number:04d}.jpg", quality=90)


def ours(row: Row, contender: str, options: Options, folder: Path) -> Trainer:
    """What `python -m trainer` runs, whose `step` is measured; losses are fetched when the log would have them."""
    words = row.words.format(**{name: folder / name for name in ("pictures", "pairs", "domains")})
    shared = f"--device cpu --threads {options.threads} --data-root {options.data_root}"
    command = parse(f"{words} {CONTENDERS[contender]} {shared}".split())
    return Trainer(command.recipe, command.settings)


def contend(name: str, contender: str, options: Options, folder: Path, pipe: Connection) -> None:
    """Say how many operations a step has; then, at each word, take a turn and tell its speed and losses, to the end."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    row = ROWS[name]
    if contender == "textbook":
        step = row.textbook(options, folder).__next__
    else:
        keep_pages()
        step = ours(row, contender, options, folder).step
    step()
    with Operations() as counted:
        step()
    pipe.send(counted.total)
    with suppress(EOFError):  # who asks has gone
        while pipe.recv():
            start, losses = time.perf_counter(), []
            while len(losses) < 3 or time.perf_counter() - start < options.seconds:
                losses.append(step())
            speed = len(losses) * row.images / (time.perf_counter() - start)
            pipe.send((speed, [{key: float(value) for key, value in loss.items()} for loss in losses]))


def measure(name: str, options: Options, folder: Path) -> dict[str, object]:
    """Contenders by turns -> pictures a second, ratios to the first contender, mean losses of the second half."""
    row = ROWS[name]
    pipes, operations, speeds, seen = {}, {}, defaultdict(list), defaultdict(list)
    with ExitStack() as stack:
        for contender in options.contenders:
            if row.fresh or contender != "reuse-fakes":
                pipe, theirs = multiprocessing.Pipe()
                pipes[contender] = stack.enter_context(pipe)
                with theirs:
                    multiprocessing.Process(target=contend, args=(name, contender, options, folder, theirs)).start()
                operations[contender] = pipe.recv()
        for _ in tqdm(range(options.rounds), desc=name, leave=False):
            for contender, pipe in pipes.items():
                pipe.send(True)
                speed, losses = pipe.recv()
                speeds[contender].append(speed)
                seen[contender] += losses
    common = min(len(losses) for losses in seen.values())
    result: dict[str, object] = {"row": name}
    for contender, values in speeds.items():
        speed = statistics.median(values)
        ratios = [value / base for value, base in zip(values, speeds[options.contenders[0]])]
        late = seen[contender][common // 2 : common]
        result[contender] = {
            "images/s": round(speed, 2),
            "ratio": [round(ratio, 2) for ratio in quartiles(ratios)],
            "GFLOP/image": round(operations[contender] / row.images / 1e9, 3),
            "GFLOP/s": round(operations[contender] / row.images * speed / 1e9, 1),
            "losses": {key: round(statistics.fmean(losses[key] for losses in late), 3) for key in late[0]},
        }
    return result


def quartiles(values: list[float]) -> list[float]:
    """The first, the second and the third."""
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3


def main(options: Options) -> None:
    torch.set_num_threads(options.threads)
    multiprocessing.set_start_method("spawn")
    results: list[dict[str, object]] = [{"matrix product, GFLOP/s": round(ceiling())}]
    print(json.dumps(results[0]))
    with tempfile.TemporaryDirectory() as folder:
        draw_files(Path(folder))
        for name in options.rows or ROWS:
            results.append(measure(name, options, Path(folder)))
            print(json.dumps(results[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
