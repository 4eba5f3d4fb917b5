"""The verbs that draw: each `draw` gives a PNG or the frames of a video, on the command line, in the API and the pages.

A new ability of a pipeline is its function, a class here, and a row of DRAWINGS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from PIL import Image

from pretrained.inputs.latents import MAX_SEED
from pretrained.inputs.seeds import parse_seeds
from pretrained.loading import resolve
from pretrained.pipelines import directions, image_grid, registry, write
from pretrained.pipelines.registry import Generate, autoencoder
from pretrained.pipelines.translate import Fit
from pretrained.verbs.parameter import Parameter, Range
from pretrained.verbs.shared import (
    AS_SEEDS,
    KINDS,
    DirectionsFile,
    Drawing,
    Filming,
    Fps,
    Frames,
    InputImage,
    Label,
    Moves,
    Scale,
    Text,
    Truncation,
)


@dataclass(frozen=True, kw_only=True)
class Sample(Drawing):
    """Draw the images of some seeds as one PNG."""

    examples = (
        "sample dcgan-mnist --seeds 0-63 --out grid.png",
        "sample user/name@v1 --seeds 3,7,20-29 --truncation 0.7 --scale 4 --out grid.png",
        "sample dcgan-mnist --seeds 7 --move sefa-1=2.0 --out moved.png",
    )
    seeds: Annotated[str, Parameter(f"Seeds, {AS_SEEDS}; one seed is one image, everywhere.", max_seeds=256)] = "0-63"
    columns: Annotated[
        int | None, Parameter("Images per row; by default nearest to a square.", Range(1, 1000, 32), start=8)
    ] = None
    label: Label = None
    truncation: Truncation = 1.0
    text: Text = None
    move: Moves = field(default_factory=dict)
    directions: DirectionsFile = None
    scale: Scale = 1

    def num_images(self) -> int:
        """One for each seed."""
        return len(parse_seeds(self.seeds))

    def draw(self, pipeline: Generate) -> bytes:
        """A grid, in rows of `columns`."""
        named = named_directions(self.id, self.directions, self.move, pipeline)
        how = (self.label, self.truncation, self.columns, self.scale, self.text, self.move, named)
        return image_grid.render(pipeline, self.id, parse_seeds(self.seeds), *how)


@dataclass(frozen=True, kw_only=True)
class Walk(Filming):
    """Draw a video: a smooth walk through the images of some seeds, back to the first as a loop."""

    examples = ("walk dcgan-mnist --seeds 0,1,2 --frames 120 --out walk.mp4",)
    seeds: Annotated[str, Parameter(f"Seeds that the walk passes through, {AS_SEEDS}.", max_seeds=32)] = "0,1,2"
    frames: Frames = 120
    fps: Fps = 30
    label: Label = None
    truncation: Truncation = 1.0
    text: Text = None
    loop: Annotated[
        bool, Parameter("A loop returns to the first seed, an open walk ends on the last.", flag="open")
    ] = True

    def draw(self, pipeline: Generate) -> Iterator[np.ndarray]:
        """Frames, `frames` of them."""
        how = (self.label, self.truncation, self.loop, self.text)
        return pipeline.walk(parse_seeds(self.seeds), self.frames, *how)

    def recipe(self, pipeline: Any) -> dict[str, Any]:
        """With the seeds, and what they are drawn with."""
        how = {name: getattr(self, name) for name in ("label", "truncation", "loop", "text")}
        return {**super().recipe(pipeline), "seeds": parse_seeds(self.seeds), **how}


Written = Annotated[str, Parameter("What to write, in the characters that are the classes of the model.")]
Typeface = Annotated[int, Parameter("Seed of the typeface.", Range(0, MAX_SEED), "Typeface")]
Invert = Annotated[bool, Parameter("Dark on light, where the model draws light on dark in grey.", start=True)]
PLAIN = 0.7  # truncation: typefaces that are easy to read


@dataclass(frozen=True, kw_only=True)
class Write(Drawing):
    """Write a text in the typeface of a seed, for a model whose classes are single characters."""

    needs: ClassVar[str] = "characters"
    examples = (
        "write dcgan-mnist --text 31415 --seed 7 --scale 16 --out pi.png",
        "write letters --text hello --invert --out hello.png",
    )
    text: Written = "31415"
    seed: Typeface = 1
    truncation: Truncation = PLAIN
    invert: Invert = False
    scale: Scale = 4

    def draw(self, pipeline: Generate) -> bytes:
        """The text, its letters spaced by their ink."""
        return image_grid.write(pipeline, self.id, self.text, self.seed, self.truncation, self.scale, self.invert)


@dataclass(frozen=True, kw_only=True)
class Typefaces(Filming):
    """Draw a video of a text that turns from typeface to typeface, for a model whose classes are single characters."""

    needs: ClassVar[str] = "characters"
    examples = ("typefaces dcgan-mnist --text 31415 --seeds 1-5 --out pi.mp4",)
    text: Written = "31415"
    seeds: Annotated[str, Parameter(f"Seeds of the typefaces, {AS_SEEDS}.", max_seeds=32)] = "1-5"
    frames: Frames = 120
    fps: Fps = 30
    truncation: Truncation = PLAIN
    invert: Invert = False
    scale: Scale = 4

    def draw(self, pipeline: Generate) -> Iterator[np.ndarray]:
        """Frames, `frames` of them."""
        how = {"scale": self.scale, "invert": self.invert}
        return write.film(pipeline, self.text, parse_seeds(self.seeds), self.frames, self.truncation, **how)

    def recipe(self, pipeline: Any) -> dict[str, Any]:
        """With the text, the seeds, and how they are drawn."""
        how = {name: getattr(self, name) for name in ("text", "truncation", "scale", "invert")}
        return {**super().recipe(pipeline), "seeds": parse_seeds(self.seeds), **how}


@dataclass(frozen=True, kw_only=True)
class Mix(Drawing):
    """Draw a grid of style mixtures: the coarse styles of the row's seed with the fine ones of the column's."""

    needs: ClassVar[str] = "style"
    examples = ("mix runs/stylegan --rows 0-3 --columns 10-15 --layers 3 --out mix.png",)
    rows: Annotated[
        str, Parameter(f"Seeds of the coarse styles, {AS_SEEDS}; each is a row.", label="Rows, coarse", max_seeds=16)
    ] = "0-3"
    columns: Annotated[
        str, Parameter(f"Seeds of the fine styles, {AS_SEEDS}; each is a column.", label="Columns, fine", max_seeds=16)
    ] = "10-15"
    layers: Annotated[
        int,
        Parameter(
            "How many layers are coarse: the first shape the image, the last colour it.", Range(0, 64), "Coarse layers"
        ),
    ] = 3
    label: Label = None
    truncation: Truncation = 1.0
    scale: Scale = 1

    def num_images(self) -> int:
        """The mixtures, and the seeds' own images around them."""
        rows, columns = (parse_seeds(getattr(self, name), name) for name in ("rows", "columns"))
        return (1 + len(rows)) * (1 + len(columns))

    def draw(self, pipeline: Generate) -> bytes:
        """The grid, with the seeds' own images above and to the left."""
        seeds = (parse_seeds(getattr(self, name), name) for name in ("rows", "columns"))
        return image_grid.mix(pipeline, self.id, *seeds, self.layers, self.label, self.truncation, self.scale)


@dataclass(frozen=True, kw_only=True)
class Reconstruct(Drawing):
    """Encode an image of yours and draw it again, perhaps as one of another class."""

    needs: ClassVar[str] = "encode"
    examples = ("reconstruct runs/icgan --input in.png --label 3 --out out.png",)
    input: InputImage
    label: Annotated[
        int | None,
        Parameter(
            "Class to draw it as; by default the one that is read.",
            Range(0, 9999),
            metavar="CLASS",
            needs="classes",
            none="as it is read",
        ),
    ] = None
    scale: Scale = 1

    def draw(self, pipeline: Generate) -> bytes:
        """The reconstruction, or the image made one of another class."""
        return image_grid.reconstruct(pipeline, self.id, self.input, self.label, self.scale)


@dataclass(frozen=True, kw_only=True)
class Interpolate(Filming):
    """Draw a video from one image of yours to another, both encoded and drawn again."""

    needs: ClassVar[str] = "encode"
    examples = ("interpolate runs/vae --input a.png b.png --frames 60 --out video.mp4",)
    input: Annotated[
        tuple[Image.Image, Image.Image],
        Parameter(f"An image {KINDS}, as the first frame and as the last.", metavar="FILE FILE", api=("first", "last")),
    ]
    frames: Frames = 60
    fps: Fps = 30

    def draw(self, pipeline: Generate) -> Iterator[np.ndarray]:
        """Frames, `frames` of them."""
        return autoencoder(pipeline).interpolate(*self.input, self.frames)


@dataclass(frozen=True, kw_only=True)
class Translate(Drawing):
    """Translate an image of yours; on a command line also each image in a folder and the folders in it.

    A network of one size takes the middle, in its shape, unless --fit says otherwise. One of any size takes the whole
    image, made smaller if the output would have more than 1536 px on a side, or 4096 with --fit tile.
    """

    needs: ClassVar[str] = "source"
    examples = ("translate runs/pix2pix --input in.png --out out.png",)
    input: Annotated[
        Image.Image | Path,
        Parameter(
            f"An image {KINDS}; on a command line also a folder of them.",
            label="An image",
            metavar="PATH",
            api=("picture",),
        ),
    ]
    out: Annotated[Path, Parameter("The file to write: .png; or a folder, for a folder.", metavar="FILE", api=())]
    mask: Annotated[
        Image.Image | None,
        Parameter("White where there is a hole to fill, for a network that fills holes.", metavar="FILE", needs="mask"),
    ] = None
    second: Annotated[
        Image.Image | None,
        Parameter(
            "The second image, for a network that takes two.", label="The second image", metavar="FILE", needs="second"
        ),
    ] = None
    strength: Annotated[
        float, Parameter("How far to go: 0 leaves the image nearly as it is.", Range(0, 1), needs="strength")
    ] = 1.0
    degrade: Annotated[
        bool,
        Parameter("First degrade the image as in training, e.g. a photo to a sketch.", needs="degradation", start=True),
    ] = False
    seed: Annotated[
        int, Parameter("Seed of what is random in the degradation.", Range(0, MAX_SEED), needs="random degradation")
    ] = 0
    fit: Annotated[
        Fit, Parameter("crop takes the square in the middle, stretch all of it as a square, tile overlapping pieces.")
    ] = "crop"
    levels: Annotated[
        tuple[float, float] | None,
        Parameter(
            "The values of black and white in images of 16 or 32 bits, where the format leaves them open: 0 4095.",
            metavar="LOW HIGH",
            api=("black", "white"),
        ),
    ] = None

    def draw(self, pipeline: registry.Translate) -> bytes:
        """The output."""
        how = (self.mask, self.strength, self.second, self.degrade, self.seed, self.fit)
        return image_grid.translate(pipeline, self.id, self.input, *how)


def named_directions(
    id: str, file: Path | None, moves: Mapping[str, float], pipeline: Generate
) -> dict[str, directions.Direction]:
    """The directions that `moves` may name: those of `file`, or of the one beside the checkpoint."""
    return directions.read(file or resolve(id)[0].with_name(directions.FILE), pipeline.config) if moves else {}


DRAWINGS = {
    verb.__name__.lower(): verb for verb in (Sample, Walk, Write, Typefaces, Mix, Reconstruct, Interpolate, Translate)
}
