"""The command line of `python -m pretrained`: its commands, their flags, and what --help says of them."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, get_args

from pretrained.cli import arguments, commands
from pretrained.deploy.spaces import KINDS
from pretrained.formats.convert import LAYOUTS
from pretrained.inputs.latents import MAX_SEED
from pretrained.inputs.seeds import LEGAL
from pretrained.media import video
from pretrained.pipelines.directions import METHODS
from pretrained.pipelines.translate import Fit
from pretrained.system.errors import fail

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
  python -m pretrained directions dcgan-mnist --method sefa --out sheet.png
  python -m pretrained sample dcgan-mnist --seeds 7 --move sefa-1=2.0 --out slanted.png
  python -m pretrained mix runs/stylegan --rows 0-3 --columns 10-15 --layers 3 --out mix.png
  python -m pretrained reconstruct runs/vae --input in.png --out out.png
  python -m pretrained translate runs/pix2pix --input in.png --out out.png
  python -m pretrained export dcgan-mnist --out model.onnx
  python -m pretrained convert netG_epoch_24.pth --out runs/tutorial
  python -m pretrained deploy user/name --space static --repo-id user/name

One seed is one picture, on every machine. `python -m pretrained COMMAND --help` tells the rest."""


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        fail(message.removeprefix("argument "))


def parser() -> Parser:
    """All commands; each sets `run`, which does it, and `suffixes`, what --out may end in."""
    shape = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = Parser("python -m pretrained", description=ABOUT, epilog=EXAMPLES, **shape)
    named = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def add(name: str, run: Callable[[argparse.Namespace], None], help: str, example: str = "") -> Parser:
        epilog = f"example:\n  python -m pretrained {name} {example}".rstrip()
        command = named.add_parser(name, help=help, description=inspect.getdoc(run), epilog=epilog, **shape)
        command.set_defaults(run=run)
        return command

    add("list", commands.show_list, "the bundled checkpoints")
    info = add("info", commands.show_info, "what a checkpoint is and how it was made", "dcgan-mnist --json")
    sample = add(
        "sample", commands.write_sample, "pictures of some seeds, as a PNG", "dcgan-mnist --seeds 0-63 --out grid.png"
    )
    directions = add(
        "directions",
        commands.show_directions,
        "ways in which pictures change: found, shown, kept by name",
        "runs/dcgan-mnist --method sefa --out sheet.png\n"
        "  python -m pretrained directions runs/dcgan-mnist --method sefa --save slant=1\n"
        "  python -m pretrained sample runs/dcgan-mnist --move slant=2.0 --out grid.png",
    )
    walk = add("walk", commands.write_walk, "a film through some seeds", "dcgan-mnist --seeds 0,1,2 --out walk.mp4")
    mix = add(
        "mix",
        commands.write_mix,
        "styles of some seeds put into pictures of others, as a PNG",
        "runs/stylegan --rows 0-3 --columns 10-15 --layers 3 --out mix.png",
    )
    reconstruct = add(
        "reconstruct",
        commands.write_reconstruction,
        "a picture of yours as the network sees it",
        "runs/icgan --input in.png --label 3 --out out.png",
    )
    project = add(
        "project",
        commands.write_projection,
        "a picture of yours as a generator without an encoder draws it",
        "dcgan-mnist --input in.png --move sefa-1=2.0 --out out.png",
    )
    interpolate = add(
        "interpolate",
        commands.write_interpolation,
        "a film from one picture of yours to another",
        "runs/vae --input a.png b.png --frames 60 --out film.mp4",
    )
    translate = add(
        "translate",
        commands.write_translation,
        "another picture made of a picture of yours, or of each in a folder",
        "runs/pix2pix --input in.png --out out.png",
    )
    export = add(
        "export", commands.write_export, "one ONNX file that runs without PyTorch", "dcgan-mnist --out model.onnx"
    )
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write: .onnx")
    export.set_defaults(suffixes=[".onnx"])
    deploy = add(
        "deploy",
        commands.deploy_space,
        "a page of its own for a checkpoint, as a Space on the Hub",
        "dcgan-mnist --space static --dry-run page",
    )
    deploy.add_argument(
        "--space",
        choices=tuple(KINDS),
        default="static",
        help="static: the model runs in the visitor's browser; docker, zerogpu: the app, in Streamlit or in Gradio",
    )
    deploy.add_argument("--repo-id", metavar="USER/NAME", help="the Space; by default yours, named as the checkpoint")
    deploy.add_argument("--private", action="store_true", help="create a Space that only you see")
    deploy.add_argument("--dry-run", type=Path, metavar="FOLDER", help="write its files there, and send nothing")
    converted = add(
        "convert",
        commands.convert_file,
        "a checkpoint of weights that other code has saved",
        "netG_epoch_24.pth --out runs/tutorial",
    )
    converted.add_argument("path", type=Path, metavar="FILE", help="a .pth, .pt, .pkl, .bin or .safetensors file")
    converted.add_argument("--network", choices=tuple(LAYOUTS), help="what it holds; by default as its shapes say")
    converted.add_argument("--key", help="where in the file the generator lies, if it holds several: netG, models.ema")
    converted.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the folder to write, a new one")
    converted.set_defaults(suffixes=[])
    drawings, films = (sample, mix, reconstruct, project), (walk, interpolate)
    for command in (info, *drawings, directions, translate, *films, export, deploy):
        command.add_argument("id", metavar="ID", help="a bundled name, a folder, a file, or user/name[@revision]")
    info.add_argument("--json", action="store_true", help="print it as JSON")
    seeds = (
        (sample, "--seeds", "0-63"),
        (walk, "--seeds", "0,1,2"),
        (mix, "--rows", "0-3"),
        (mix, "--columns", "10-15"),
    )
    for command, flag, default in seeds:
        command.add_argument(flag, type=arguments.seeds, default=default, help=f"seeds: {LEGAL} (default {default})")
    image = {"type": arguments.image, "required": True, "metavar": "FILE"}
    reconstruct.add_argument("--input", **image, help="a picture of any kind and size; its centre is taken")
    project.add_argument("--input", **image, help="a picture of any kind and size; its centre is taken")
    project.add_argument(
        "--steps", type=arguments.number(int, 0, 100_000), default=200, help="of gradient descent (default 200)"
    )
    project.add_argument(
        "--encoder-only", action="store_true", help="the encoder's answer as it is, where there is one"
    )
    project.add_argument("--label", type=arguments.number(int, 0, 9999), help="the class; by default all are tried")
    project.add_argument("--text", help="what it shows, for a network that reads; by default its examples are tried")
    interpolate.add_argument("--input", **image, nargs=2, help="two pictures of any kind and size: first and last")
    _add_translation(translate)
    for command in (*drawings, directions, translate, *films):
        suffixes = list(video.FORMATS) if command in films else [".png"]
        command.set_defaults(suffixes=suffixes)
        help = (
            f"the file to write: {', '.join(suffixes)}{'; or a folder, for a folder' if command is translate else ''}"
        )
        command.add_argument("--out", type=Path, required=command is not directions, metavar="FILE", help=help)
        command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default auto)")
    for command in (sample, walk, mix, directions):
        command.add_argument(
            "--label", type=arguments.number(int, 0, 9999), help="one class; by default seed s has class s"
        )
        command.add_argument(
            "--truncation",
            type=arguments.number(float, 0, 2),
            default=1.0,
            metavar="PSI",
            help="0 to 2; below 1 more typical pictures, less varied (default 1)",
        )
    _add_directions(sample, project, directions)
    for command in (sample, walk, directions):
        command.add_argument("--text", help="what to draw, for a network that reads; by default its examples in turn")
    reconstruct.add_argument("--label", type=arguments.number(int, 0, 9999), help="draw it as one of another class")
    mix.add_argument("--layers", type=arguments.number(int, 0, 64), default=3, help="how many are coarse (default 3)")
    sample.add_argument(
        "--columns", type=arguments.number(int, 1, 1000), help="pictures per row (default: nearest to a square)"
    )
    for command in (*drawings, directions):
        command.add_argument(
            "--scale", type=arguments.number(int, 1, 64), default=1, help="repeat each pixel so often (default 1)"
        )
    for command, frames in ((walk, 120), (interpolate, 60)):
        command.add_argument(
            "--frames", type=arguments.number(int, 1, 100_000), default=frames, help=f"how many (default {frames})"
        )
        command.add_argument(
            "--fps", type=arguments.number(int, 1, 120), default=30, help="frames per second (default 30)"
        )
    walk.add_argument("--open", action="store_true", help="end on the last seed instead of closing the loop")
    return parser


def _add_directions(sample: Parser, project: Parser, directions: Parser) -> None:
    for command in (sample, project):
        command.add_argument(
            "--move",
            type=arguments.assigned(float),
            nargs="+",
            action="extend",
            default=[],
            metavar="NAME=NUMBER",
            help="move along directions: sefa-1=2.0, or one that `directions` lists",
        )
    directions.add_argument("--method", choices=tuple(METHODS), help="find new ones; by default those that are kept")
    directions.add_argument(
        "--count", type=arguments.number(int, 1, 256), default=8, help="how many to show (default 8)"
    )
    directions.add_argument(
        "--seed", type=arguments.number(int, 0, MAX_SEED), default=0, help="what is moved (default 0)"
    )
    directions.add_argument(
        "--reach",
        type=arguments.number(float, 0, 100),
        default=4.0,
        help="the largest strength on the sheet (default 4)",
    )
    directions.add_argument(
        "--save",
        type=arguments.assigned(int),
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=NUMBER",
        help="keep the direction of this number (from 1) under a name",
    )
    directions.add_argument("--rows", nargs="+", metavar="NAME", help="show these instead: sefa-1, axis-5, a kept one")
    for command in (sample, project, directions):
        help = "where named directions are kept (default: directions.safetensors beside the checkpoint)"
        command.add_argument("--directions", type=Path, metavar="FILE", help=help)


def _add_translation(translate: Parser) -> None:
    file = {"type": arguments.image, "metavar": "FILE"}
    translate.add_argument(
        "--input", type=Path, required=True, metavar="PATH", help="a picture of any kind and size, or a folder of them"
    )
    translate.add_argument(
        "--levels",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="the values of black and white in pictures of 16 or 32 bits, where the format leaves them open: 0 4095",
    )
    translate.add_argument("--mask", **file, help="white where there is a hole to fill, for a network that fills holes")
    translate.add_argument("--second", **file, help="what to show beside, for a network that takes two pictures")
    translate.add_argument(
        "--strength",
        type=arguments.number(float, 0, 1),
        default=1.0,
        help="0 to 1, how far to go, for a style (default 1)",
    )
    translate.add_argument(
        "--fit",
        choices=get_args(Fit),
        default="crop",
        help="the square in the middle, tiles that overlap, or all of it made a square (default crop)",
    )
    translate.add_argument(
        "--degrade",
        action="store_true",
        help="make the picture poorer first, as in training: a photo a sketch, say",
    )
    translate.add_argument(
        "--seed", type=arguments.number(int, 0, MAX_SEED), default=0, help="what is random in --degrade (default 0)"
    )
