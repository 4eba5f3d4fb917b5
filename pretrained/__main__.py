"""python -m pretrained: look at a checkpoint, and make pictures and films with it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from PIL import Image

import pretrained
from pretrained import checkpoint, images, networks, sheet, video
from pretrained.errors import InputError
from pretrained.files import write_atomic
from pretrained.pipelines import autoencoder
from pretrained.seeds import LEGAL, parse_seeds

ABOUT = """\
Look at a checkpoint, and make pictures and films with it.

An ID is a bundled name (see `list`), a folder or file that holds a checkpoint,
or a Hugging Face Hub repository, user/name or user/name@revision."""

EXAMPLES = """\
examples:
  python -m pretrained list
  python -m pretrained info runs/dcgan-mnist
  python -m pretrained sample dcgan-mnist --seeds 0-63 --out grid.png
  python -m pretrained sample user/name@v1 --seeds 3,7,20-29 --truncation 0.7 --scale 4 --out grid.png
  python -m pretrained walk dcgan-mnist --seeds 0,1,2 --frames 120 --out walk.mp4
  python -m pretrained mix runs/stylegan --rows 0-3 --columns 10-15 --layers 3 --out mix.png
  python -m pretrained reconstruct runs/vae --input in.png --out out.png

One seed is one picture, on every machine. `python -m pretrained COMMAND --help` tells the rest."""


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        fail(message.removeprefix("argument "))


def fail(message: str, status: int = 2) -> NoReturn:
    """End the program with one line on stderr."""
    print(f"ganvas: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(status)


def show_list(options: argparse.Namespace) -> None:
    """Print each bundled checkpoint: its name, what its pictures are of, and their size."""
    for name in pretrained.available():
        config = checkpoint.read_config(pretrained.resolve(name)[0])
        size, data = config.network.get("size"), config.training.get("data", "")
        print(f"{name:24} {size} px  {_plain(data)}")


def show_info(options: argparse.Namespace) -> None:
    """Print what a checkpoint is, without reading its weights."""
    path, revision = pretrained.resolve(options.id)
    config = checkpoint.read_config(path)
    num_parameters = sum(weight.numel() for weight in networks.outline(config.network).parameters())
    facts = {"file": str(path), "revision": revision, "bytes": path.stat().st_size, "parameters": num_parameters}
    if options.json:
        print(json.dumps(facts | {"config": json.loads(config.to_json())}, indent=2))
        return
    facts |= json.loads(config.to_json())
    facts |= {"classes": ", ".join(f"{label} {name}" for label, name in enumerate(config.classes))}
    _print_facts({key: facts[key] for key in ("name", *facts) if key != "condition"})


def _print_facts(facts: dict[str, Any], indent: str = "") -> None:
    for key, value in facts.items():
        if isinstance(value, dict):
            print(f"{indent}{_plain(key)}")
            _print_facts(value, indent + "  ")
        elif value not in (None, "", []):
            print(f"{indent}{_plain(key):{24 - len(indent)}} {_plain(value)}")


def _plain(value: Any) -> str:
    """One line; what a stranger's checkpoint says must not steer the terminal."""
    text = value if isinstance(value, str) else f"{value:,}" if type(value) is int else json.dumps(value)
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def write_sample(options: argparse.Namespace) -> None:
    """Write the pictures of some seeds as one PNG."""
    pipeline = pretrained.load(options.id, options.device)
    how = (options.label, options.truncation, options.columns, options.scale, options.text)
    write_atomic(options.out, sheet.render(pipeline, options.id, options.seeds, *how))


def write_walk(options: argparse.Namespace) -> None:
    """Write a film that wanders through the pictures of some seeds."""
    pipeline = pretrained.load(options.id, options.device)
    how = (options.label, options.truncation, not options.open, options.text)
    _write_film(pipeline.walk(options.seeds, options.frames, *how), options)


def write_mix(options: argparse.Namespace) -> None:
    """Write a table of pictures: each has the coarse styles of its row's seed and the fine ones of its column's."""
    pipeline = pretrained.load(options.id, options.device)
    how = (options.layers, options.label, options.truncation, options.scale)
    write_atomic(options.out, sheet.mix(pipeline, options.id, options.rows, options.columns, *how))


def write_reconstruction(options: argparse.Namespace) -> None:
    """Write a picture of yours as the network sees it: encoded, and drawn again."""
    pipeline = pretrained.load(options.id, options.device)
    write_atomic(options.out, sheet.reconstruct(pipeline, options.id, options.input, options.label, options.scale))


def write_interpolation(options: argparse.Namespace) -> None:
    """Write a film that leads from one picture of yours to another, as the network sees them."""
    pipeline = autoencoder(pretrained.load(options.id, options.device))
    _write_film(pipeline.interpolate(*options.input, options.frames), options)


def _write_film(frames: Iterable[np.ndarray], options: argparse.Namespace) -> None:
    from tqdm import tqdm

    # tqdm stays silent where stderr is no terminal.
    video.write(tqdm(frames, total=options.frames, unit="frame", disable=None), options.out, options.fps)


def _check_out(options: argparse.Namespace) -> None:
    """Refuse at once what could not be written after the work is done."""
    path, suffix = options.out, options.out.suffix.lower()
    if suffix not in options.suffixes:
        raise InputError(f"--out {path} has no suffix that can be written: {', '.join(options.suffixes)}")
    if path.is_dir():
        raise InputError(f"--out {path} is a folder: give the name of a file")
    if not path.parent.is_dir():
        raise InputError(f"--out {path} lies in no folder that exists: create {path.parent} first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"--out {path} cannot be written: you may not write in {path.parent}")
    if suffix in video.FORMATS:
        video.check(suffix, options.fps)


def _seeds(text: str) -> list[int]:
    try:
        return parse_seeds(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _picture(path: str) -> Image.Image:
    try:
        return images.open_picture(path)
    except InputError as error:
        raise argparse.ArgumentTypeError(f"{path}: {error}") from None


def _number(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], Any]:
    """A reader of numbers from `low` to `high`."""

    def read(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low:,} to {high:,}".replace(",", ""))
        return value

    return read


def _parser() -> Parser:
    shape = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = Parser("python -m pretrained", description=ABOUT, epilog=EXAMPLES, **shape)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def add(name: str, run: Callable[[argparse.Namespace], None], help: str, example: str = "") -> Parser:
        epilog = f"example:\n  python -m pretrained {name} {example}".rstrip()
        command = commands.add_parser(name, help=help, description=run.__doc__, epilog=epilog, **shape)
        command.set_defaults(run=run)
        return command

    add("list", show_list, "the bundled checkpoints")
    info = add("info", show_info, "what a checkpoint is and how it was made", "dcgan-mnist --json")
    sample = add("sample", write_sample, "pictures of some seeds, as a PNG", "dcgan-mnist --seeds 0-63 --out grid.png")
    walk = add("walk", write_walk, "a film through some seeds", "dcgan-mnist --seeds 0,1,2 --out walk.mp4")
    mix = add(
        "mix",
        write_mix,
        "styles of some seeds put into pictures of others, as a PNG",
        "runs/stylegan --rows 0-3 --columns 10-15 --layers 3 --out mix.png",
    )
    reconstruct = add(
        "reconstruct",
        write_reconstruction,
        "a picture of yours as the network sees it",
        "runs/icgan --input in.png --label 3 --out out.png",
    )
    interpolate = add(
        "interpolate",
        write_interpolation,
        "a film from one picture of yours to another",
        "runs/vae --input a.png b.png --frames 60 --out film.mp4",
    )
    drawings, films = (sample, mix, reconstruct), (walk, interpolate)
    for command in (info, *drawings, *films):
        command.add_argument("id", metavar="ID", help="a bundled name, a folder, a file, or user/name[@revision]")
    info.add_argument("--json", action="store_true", help="print it as JSON")
    seeds = (
        (sample, "--seeds", "0-63"),
        (walk, "--seeds", "0,1,2"),
        (mix, "--rows", "0-3"),
        (mix, "--columns", "10-15"),
    )
    for command, flag, default in seeds:
        command.add_argument(flag, type=_seeds, default=default, help=f"seeds: {LEGAL} (default {default})")
    picture = {"type": _picture, "required": True, "metavar": "FILE"}
    reconstruct.add_argument("--input", **picture, help="a picture of any kind and size; its centre is taken")
    interpolate.add_argument("--input", **picture, nargs=2, help="two pictures of any kind and size: first and last")
    for command in (*drawings, *films):
        suffixes = list(video.FORMATS) if command in films else [".png"]
        command.set_defaults(suffixes=suffixes)
        command.add_argument(
            "--out", type=Path, required=True, metavar="FILE", help=f"the file to write: {', '.join(suffixes)}"
        )
        command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default auto)")
    for command in (sample, walk, mix):
        command.add_argument("--label", type=_number(int, 0, 9999), help="one class; by default seed s has class s")
        command.add_argument(
            "--truncation",
            type=_number(float, 0, 2),
            default=1.0,
            metavar="PSI",
            help="0 to 2; below 1 more typical pictures, less varied (default 1)",
        )
    for command in (sample, walk):
        command.add_argument("--text", help="what to draw, for a network that reads; by default its examples in turn")
    reconstruct.add_argument("--label", type=_number(int, 0, 9999), help="draw it as one of another class")
    mix.add_argument("--layers", type=_number(int, 0, 64), default=3, help="how many are coarse (default 3)")
    sample.add_argument("--columns", type=_number(int, 1, 1000), help="pictures per row (default: nearest to a square)")
    for command in drawings:
        command.add_argument(
            "--scale", type=_number(int, 1, 64), default=1, help="repeat each pixel so often (default 1)"
        )
    for command, frames in ((walk, 120), (interpolate, 60)):
        command.add_argument(
            "--frames", type=_number(int, 1, 100_000), default=frames, help=f"how many (default {frames})"
        )
        command.add_argument("--fps", type=_number(int, 1, 120), default=30, help="frames per second (default 30)")
    walk.add_argument("--open", action="store_true", help="end on the last seed instead of closing the loop")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; a user's mistake is one line on stderr and exit status 2."""
    options = _parser().parse_args(arguments)
    try:
        if "out" in options:
            _check_out(options)
        options.run(options)
        if "out" in options:
            print(options.out)
        sys.stdout.flush()
    except InputError as error:
        fail(str(error))
    except BrokenPipeError:
        # The reader has what it wanted; without this, Python complains once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + 13)
    except KeyboardInterrupt:
        fail("stopped; nothing was written", 128 + 2)


if __name__ == "__main__":
    main()
