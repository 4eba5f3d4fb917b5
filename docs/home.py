"""The video of the app's home page and the animation of README.md: rows of the bundled models' latent walks.

    python -m docs.home --out ui/home.mp4

A row shows the first of its models that is bundled. The film can be wound to and fro, since each tenth
frame is whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import tyro
from PIL import Image

import pretrained
from pretrained.inputs import latents
from pretrained.media.images import grid, to_pil
from pretrained.pipelines.write import characters

WORD = "GANVAS"
ROWS = (("letters", "dcgan-mnist"), ("avatars", "dcgan-signs"), ("nouns", "stylegan-fashion"))
CELL, NUM_FRAMES, FPS, NUM_KEYS = 128, 192, 24, 4


@dataclass(frozen=True)
class Options:
    """What is made."""

    out: Path = Path("ui/home.mp4")
    animation: Path = Path("docs/walk.webp")
    first_seed: int = 1
    truncation: float = 0.75


def cells(name: str, options: Options) -> np.ndarray:
    """The pictures of a row, frame by frame, uint8 (NUM_FRAMES, len(WORD), CELL, CELL, 3)."""
    pipeline = pretrained.load(name)
    known, classes = characters(pipeline.config), pipeline.config.classes
    is_word = set(WORD) <= known.keys()
    columns = []
    for place, letter in enumerate(WORD):
        first = options.first_seed + (0 if is_word else 10 * place)  # one typeface for a word, else each its own
        keys = pipeline.latents(range(first, first + NUM_KEYS))
        label = known[letter] if is_word else place % max(1, len(classes))
        walk = latents.walk(keys, NUM_FRAMES, loop=True)
        frames = pipeline.render(walk, [label] * NUM_FRAMES, options.truncation)
        columns.append([large(frame) for frame in frames])
    return np.stack([np.stack(column) for column in columns], axis=1)


def large(image: np.ndarray) -> np.ndarray:
    """uint8 (CELL, CELL, 3): pixels stay pixels up to 32 px, larger pictures are smooth."""
    resampling = Image.Resampling.NEAREST if len(image) <= 32 and image.shape[-1] == 3 else Image.Resampling.BICUBIC
    return np.asarray(to_pil(image).convert("RGB").resize((CELL, CELL), resampling))


def main(options: Options) -> None:
    names = [next(name for name in row if name in pretrained.available()) for row in ROWS]
    frames = np.concatenate([cells(name, options) for name in names], axis=1)
    shown = [
        to_pil(grid(row, len(WORD))).resize((2 * CELL * len(WORD) // 3, 2 * CELL * len(ROWS) // 3)) for row in frames
    ]
    lasts = {"duration": 3 * 1000 // FPS, "loop": 0, "quality": 50}
    shown[0].save(options.animation, save_all=True, append_images=shown[3::3], **lasts)
    with av.open(str(options.out), "w", format="mp4", options={"movflags": "faststart"}) as container:
        settings = {"crf": "27", "preset": "veryslow", "g": "10", "bf": "0"}
        stream = container.add_stream("libx264", rate=FPS, options=settings)
        stream.width, stream.height, stream.pix_fmt = CELL * len(WORD), CELL * len(ROWS), "yuv420p"
        for index, row in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(grid(row, len(WORD)), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    print(f"{options.out}: {', '.join(names)}, {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
