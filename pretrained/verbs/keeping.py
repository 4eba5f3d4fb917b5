"""The verbs of the command line alone: what lists, searches, and writes other files than images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pretrained.deploy.spaces import KINDS
from pretrained.formats.convert import LAYOUTS
from pretrained.inputs.latents import MAX_SEED
from pretrained.pipelines.directions import METHODS
from pretrained.verbs.parameter import Parameter, Range
from pretrained.verbs.shared import (
    Device,
    DirectionsFile,
    Drawing,
    InputImage,
    Label,
    Moves,
    OnCheckpoint,
    Scale,
    Text,
    Truncation,
    Verb,
)


@dataclass(frozen=True, kw_only=True)
class List(Verb):
    """List the bundled checkpoints: name, title, image size, data."""

    examples = ("list",)


@dataclass(frozen=True, kw_only=True)
class Info(OnCheckpoint):
    """Show what a checkpoint is and how it was made, without reading its weights."""

    examples = ("info runs/dcgan-mnist", "info dcgan-mnist --json")
    json: Annotated[bool, Parameter("Print JSON.")] = False


@dataclass(frozen=True, kw_only=True)
class Directions(OnCheckpoint):
    """Find directions in which images change, show them, and keep some under names.

    A direction changes images in one way: slant, width, length of sleeves. sefa takes them from the weights that the
    latent meets first, pca from the spread of styles (StyleGAN only), axis is each number of the latent by itself.
    The grid has a row for each, the strongest first, and the image of --seed in its middle column. Keep those that you
    can name with --save: `sample --move NAME=2` uses them. It also takes sefa-1, pca-2 and axis-3, and seed-5, the
    latent of a seed: --seeds 7 --move seed-5=-1 seed-9=1 draws 7 - 5 + 9.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".png",)
    examples = (
        "directions runs/dcgan-mnist --method sefa --out directions.png",
        "directions runs/dcgan-mnist --method sefa --save slant=1",
        "sample runs/dcgan-mnist --move slant=2.0 --out grid.png",
    )
    method: Annotated[
        Literal[tuple(METHODS)] | None,  # type: ignore[valid-type]
        Parameter("Find new ones; by default those that are kept are shown.", label="Found by"),
    ] = None
    count: Annotated[int, Parameter("How many to show.", Range(1, 256))] = 8
    rows: Annotated[
        tuple[str, ...], Parameter("Show these instead: sefa-1, axis-5, or a kept one.", metavar="NAME")
    ] = ()
    seed: Annotated[int, Parameter("Seed of the image that is moved.", Range(0, MAX_SEED))] = 0
    reach: Annotated[float, Parameter("Largest strength on the grid.", Range(0, 100))] = 4.0
    save: Annotated[
        Mapping[str, int],
        Parameter("Keep the direction of this number, from 1, under a name.", metavar="NAME=NUMBER"),
    ] = field(default_factory=dict)
    directions: DirectionsFile = None
    label: Label = None
    truncation: Truncation = 1.0
    text: Text = None
    scale: Scale = 1
    out: Annotated[Path | None, Parameter("The grid to write: .png.", metavar="FILE")] = None
    device: Device = "auto"


@dataclass(frozen=True, kw_only=True)
class Project(Drawing):
    """Find the latent that draws an image of yours best, move it, and draw it.

    The latent is found by gradient descent from the best of some seeds, or from the encoder's answer where there is
    one; --steps 0 gives the best of those. --move then changes it.
    """

    examples = ("project dcgan-mnist --input in.png --move sefa-1=2.0 --out out.png",)
    input: InputImage
    steps: Annotated[int, Parameter("Steps of gradient descent: more come nearer to it.", Range(0, 100_000))] = 200
    encoder_only: Annotated[bool, Parameter("The encoder's answer as it is, where there is an encoder.")] = False
    label: Annotated[
        int | None,
        Parameter(
            "Class to draw it as; by default all are tried.",
            Range(0, 9999),
            metavar="CLASS",
            needs="classes",
            none="the one that fits best",
        ),
    ] = None
    text: Annotated[
        str | None,
        Parameter(
            "What it shows, for a network that reads; by default its examples are tried.",
            needs="text",
            none="the one that fits best",
        ),
    ] = None
    move: Moves = field(default_factory=dict)
    directions: DirectionsFile = None
    scale: Scale = 1


@dataclass(frozen=True, kw_only=True)
class Export(OnCheckpoint):
    """Write a checkpoint as one ONNX file that runs without PyTorch, compared with PyTorch first.

    Its metadata holds the config. `pretrained/formats/export_onnx.py` says what its inputs are.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)
    examples = ("export dcgan-mnist --out model.onnx",)
    out: Annotated[Path, Parameter("The file to write: .onnx.", metavar="FILE")]


@dataclass(frozen=True, kw_only=True)
class Deploy(OnCheckpoint):
    """Publish a checkpoint with a page of its own: a Space on the Hugging Face Hub, in one commit.

    With --dry-run its files are written to a folder instead, which any server of static files can show.
    """

    examples = ("deploy user/name --space static --repo-id user/name", "deploy dcgan-mnist --dry-run page")
    space: Annotated[
        Literal[tuple(KINDS)],  # type: ignore[valid-type]
        Parameter("static: the model runs in the visitor's browser; docker: the app in Streamlit; zerogpu: in Gradio."),
    ] = "static"
    repo_id: Annotated[
        str | None, Parameter("The Space; by default yours, named as the checkpoint.", metavar="USER/NAME")
    ] = None
    private: Annotated[bool, Parameter("Create a Space that only you see.")] = False
    dry_run: Annotated[Path | None, Parameter("Write its files there, and send nothing.", metavar="FOLDER")] = None


@dataclass(frozen=True, kw_only=True)
class Verify(Verb):
    """Draw an image or a video again from the recipe that it carries, and say whether it is the same.

    It says same, differs, or unknown and why; the exit status is 0, 1 or 3. --out shows where they differ.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".png",)
    examples = ("verify grid.png", "verify out.png --input in.png --out difference.png")
    path: Annotated[Path, Parameter("A PNG, JPEG, GIF, WebP, MP4 or WebM file.", flag="", metavar="FILE")]
    input: Annotated[Path | None, Parameter("For a translation, the image that was translated.", metavar="FILE")] = None
    out: Annotated[Path | None, Parameter("Write the difference there: .png.", metavar="FILE")] = None
    device: Device = "auto"


@dataclass(frozen=True, kw_only=True)
class Convert(Verb):
    """Make a checkpoint of weights that other code has saved: .pth, .pt, .pkl, .bin or .safetensors.

    It knows the generators of three layouts, by the shapes of their tensors: PyTorch's DCGAN tutorial, and the U-Net
    and ResNet of the code that came with pix2pix and CycleGAN. They may lie in dictionaries of any names. Nothing in
    the file is run: one that holds more than weights is refused. The images are those of the other code.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    examples = ("convert netG_epoch_24.pth --out runs/tutorial",)
    path: Annotated[Path, Parameter("A .pth, .pt, .pkl, .bin or .safetensors file.", flag="", metavar="FILE")]
    network: Annotated[
        Literal[tuple(LAYOUTS)] | None,  # type: ignore[valid-type]
        Parameter("What it holds; by default as its shapes say."),
    ] = None
    key: Annotated[
        str | None, Parameter("Where in the file the generator lies, if it holds several: netG, models.ema.")
    ] = None
    out: Annotated[Path, Parameter("The folder to write, a new one.", metavar="FOLDER")]
