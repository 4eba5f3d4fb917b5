"""Parameters that more than one verb has, and what verbs have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from PIL import Image

from pretrained.checkpoint import Config
from pretrained.inputs.seeds import few_seeds
from pretrained.media import video
from pretrained.networks.sizes import sides
from pretrained.pipelines import image_grid, write
from pretrained.pipelines.degradations import DEGRADATIONS
from pretrained.pipelines.directions import FILE
from pretrained.system.errors import InputError
from pretrained.verbs.parameter import Parameter, Range, fields_of

AS_SEEDS = "as in 0-63 or 1,2,5-9"
KINDS = "of any kind and size"
MAX_PIXELS = 16_000_000  # of a grid that is drawn online: it travels to the browser at once
# What a checkpoint is called that lacks what a verb needs.
LACKS = {
    "noise": "makes no images from seeds",
    "style": "has no styles to mix",
    "encode": "has no encoder to look at an image with",
    "source": "translates no images",
    "characters": "has no characters to write with",
}

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


@dataclass(frozen=True, kw_only=True)
class Drawing(OnCheckpoint):
    """A verb that makes an image, PNG."""

    needs: ClassVar[str] = "noise"
    suffixes: ClassVar[tuple[str, ...]] = (".png",)
    out: Annotated[Path, Parameter("The file to write: .png.", metavar="FILE", api=())]
    device: Device = "auto"

    def num_images(self) -> int:
        """How many images of the network's size it is made of."""
        return 1

    def draw(self, pipeline: Any) -> bytes | Iterator[np.ndarray]:
        """The PNG, or frames uint8 (H, W, C)."""
        raise NotImplementedError

    def check_online(self, config: Config) -> None:
        """Refuse what an app that is open to strangers does not draw; InputError says how much it may be."""
        for name, found in fields_of(type(self)).items():
            if found.about.max_seeds:
                few_seeds(getattr(self, name), found.about.max_seeds, name)
        size = config.network.get("size", 1)
        num_pixels = math.prod(sides(size))
        if (count := self.num_images()) * num_pixels > MAX_PIXELS:
            raise InputError(
                f"at most {MAX_PIXELS // num_pixels:,} images of {size} px can be drawn at once, got {count:,}"
            )


@dataclass(frozen=True, kw_only=True)
class Filming(Drawing):
    """A verb that makes a video."""

    suffixes: ClassVar[tuple[str, ...]] = tuple(video.FORMATS)
    out: Annotated[Path, Parameter(f"The file to write: {', '.join(video.FORMATS)}.", metavar="FILE", api=())]

    def recipe(self, pipeline: Any) -> dict[str, Any]:
        """What makes the video again, for its metadata."""
        said = {"verb": type(self).__name__.lower(), "frames": self.frames, "fps": self.fps}
        return {**image_grid.recipe_of(pipeline, self.id), **said}


def takes(config: Config, needs: str) -> bool:
    """Whether a checkpoint has what a verb or a parameter needs: something that its config's input names, or classes,
    or a source that can be made by a degradation.
    """
    kind = config.input.get("source", {}).get("kind")
    others = {
        "": True,
        "classes": bool(config.classes),
        "characters": bool(write.characters(config)),
        "degradation": kind in DEGRADATIONS,
        "random degradation": kind in DEGRADATIONS and DEGRADATIONS[kind].is_random,
    }
    return others[needs] if needs in others else bool(config.input.get(needs))
