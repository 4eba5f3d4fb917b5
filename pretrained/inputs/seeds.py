"""Seeds as people write them: "0-63", or "1,2,5-9"."""

from __future__ import annotations

import re

from pretrained.inputs.latents import MAX_SEED
from pretrained.system.errors import InputError

MAX_COUNT = 65_536
LEGAL = f"numbers and ranges from 0 to {MAX_SEED}, as in 0-63 or 1,2,5-9"


def parse_seeds(text: str, argument: str = "seeds") -> list[int]:
    """The seeds that `text` names, in its order; one that stands there twice comes twice.

    Raises:
        InputError: it is no such list, or names more than MAX_COUNT seeds; calls it `argument`.
    """
    seeds: list[int] = []
    for part in text.replace(" ", "").split(","):
        match = re.fullmatch(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= MAX_SEED:
            raise InputError(f"`{argument}` must be {LEGAL}, got {text[:60]!r}")
        if len(seeds) + last - first >= MAX_COUNT:
            raise InputError(f"`{argument}` must name at most {MAX_COUNT:,} seeds, got {text[:60]!r}")
        seeds.extend(range(first, last + 1))
    return seeds


def few_seeds(text: str, most: int, argument: str = "seeds") -> list[int]:
    """The seeds that a stranger has typed; InputError also when they are more than `most`."""
    seeds = parse_seeds(text, argument)
    if len(seeds) > most:
        raise InputError(f"`{argument}` must name at most {most:,} seeds here, got {len(seeds):,}")
    return seeds
