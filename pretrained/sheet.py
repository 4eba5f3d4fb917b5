"""A sheet of samples as a PNG file that says how to make it again: what the command line writes and the page offers."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pretrained import images
from pretrained.errors import InputError
from pretrained.pipelines import Generate

METADATA = "ganvas"


def render(
    pipeline: Generate,
    id: str,
    seeds: Sequence[int],
    label: int | None = None,
    truncation: float = 1.0,
    columns: int | None = None,
    scale: int = 1,
) -> bytes:
    """The pictures of `seeds` in rows, each pixel repeated `scale` times both ways -> PNG.

    Its metadata holds, as JSON under METADATA, the checkpoint and what `Generate.sample` was given.

    Args:
        id: what was loaded, as the user named it.
        columns: pictures per row; None is the nearest to a square.

    Raises:
        InputError: the sheet would be too large, or the pipeline refuses what it is asked for.
    """
    size = pipeline.config.network.get("size", 1) * scale
    if len(seeds) * size**2 > images.MAX_PIXELS:
        raise InputError(f"{len(seeds):,} pictures of {size} px are too many: at most {images.MAX_PIXELS:,} pixels")
    recipe = {
        "id": id,
        "revision": pipeline.revision,
        "seeds": list(seeds),
        "label": label,
        "truncation": truncation,
    }
    pictures = pipeline.sample(seeds, label, truncation)
    grid = images.grid(pictures, min(columns, len(seeds)) if columns else None)
    return images.encode_png(images.enlarge(grid, scale), {METADATA: json.dumps(recipe)})
