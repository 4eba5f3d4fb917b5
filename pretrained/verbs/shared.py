"""Parameters that more than one verb has, and what verbs have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from PIL import Image

from pretrained.pipelines.directions import FILE
from pretrained.verbs.parameter import Parameter, Range

AS_SEEDS = "as in 0-63 or 1,2,5-9"
KINDS = "of any kind and size"

Id = Annotated[
    str,
    Parameter(
        "A bundled name, a folder, a file, or user/name[@revision]; of a server, a name that it offers.",
        metavar="ID",
        flag="",
        api=("model",),
    ),
]
Device = Annotated[str, Parameter("auto, cpu, cuda or mps.", metavar="DEVICE", api=())]
Scale = Annotated[int, Parameter("Integer upscaling factor.", Range(1, 64), api=())]
Label = Annotated[
    int | None,
    Parameter(
        "Class of all images; by default seed s has class s.",
        Range(0, 9999),
        metavar="CLASS",
        needs="classes",
        none="each seed's own",
    ),
]
Truncation = Annotated[
    float,
    Parameter("Below 1 images are more typical and less varied, at 0 all the same.", Range(0, 2), metavar="PSI"),
]
Text = Annotated[
    str | None,
    Parameter(
        "What to draw, for a network that reads; by default its examples in turn. Unknown words are left out.",
        metavar="TEXT",
        needs="text",
        none="each seed's own",
    ),
]
Frames = Annotated[int, Parameter("Number of frames.", Range(1, 100_000, 600))]
Fps = Annotated[int, Parameter("Frames per second of the video.", Range(1, 120, 60), "Frames per second")]
Moves = Annotated[
    Mapping[str, float],
    Parameter("Move along directions: sefa-1=2.0, or one that `directions` lists.", metavar="NAME=NUMBER", api=()),
]
DirectionsFile = Annotated[
    Path | None,
    Parameter(f"Where named directions are kept; by default {FILE} beside the checkpoint.", metavar="FILE", api=()),
]
InputImage = Annotated[
    Image.Image,
    Parameter(f"An image {KINDS}; its centre is taken.", label="An image", metavar="FILE", api=("picture",)),
]


@dataclass(frozen=True, kw_only=True)
class Verb:
    """The first line of a verb's docstring is what lists of verbs say of it."""

    examples: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, kw_only=True)
class OnCheckpoint(Verb):
    """A verb on a checkpoint; where it `needs` something, the config's input names that."""

    needs: ClassVar[str] = ""
    id: Id
