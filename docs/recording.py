"""The recorded run that the page Watch opens with where there is no other: a real one, thinned out.

    python -m trainer letters --out runs/letters
    python -m docs.recording runs/letters --out ui/recorded/letters

The log, the config and the timelapse are those of the run; of its snapshots some are kept, and of each the upper rows,
pixel for pixel.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from pretrained.checkpoint import CONFIG, SAMPLES, Config
from pretrained.media import provenance
from pretrained.media.images import encode_png, open_image
from pretrained.run_files import LOG, SNAPSHOTS
from pretrained.system.errors import InputError, fail
from trainer.loop.run_folder import Run
from trainer.methods.recipes import RECIPES
from ui.state import runs


@dataclass(frozen=True)
class Options:
    """What is kept of a run."""

    run: Annotated[Path, tyro.conf.Positional]
    """The folder of the run."""
    out: Path = Path("ui/recorded/letters")
    """The folder to write to."""
    count: int = 8
    """Snapshots, as evenly apart as they are there; the first and the last among them."""
    height: int = 256
    """Pixels of a snapshot, from its upper edge."""


def main(options: Options) -> None:
    config = Config.from_json((options.run / CONFIG).read_text("utf-8"))
    taken = np.array(runs.moments(options.run))
    if not len(taken):
        raise InputError(f"{options.run} has no snapshots: name the folder of a run")
    wanted = np.linspace(taken[0], taken[-1], options.count)
    kept = sorted({int(taken[np.abs(taken - moment).argmin()]) for moment in wanted})
    (options.out / SNAPSHOTS).mkdir(parents=True)
    for name in (CONFIG, LOG):
        shutil.copy(options.run / name, options.out / name)
    for moment in kept:
        sheet = open_image(runs.snapshot(options.run, moment), config.network["channels"])
        upper = sheet.crop((0, 0, sheet.width, min(options.height, sheet.height)))
        png = provenance.mark(encode_png(upper))
        runs.snapshot(options.out, moment).write_bytes(png)
    (options.out / SAMPLES).write_bytes(png)
    Run(options.out, RECIPES[config.training["recipe"]], "").timelapse()
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"{options.out}: {len(kept)} snapshots, {size / 1e3:.0f} kB")


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except InputError as error:
        fail(error)
