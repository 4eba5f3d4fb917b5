"""The commands that draw, apart from the others so that they start without what only those need."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pretrained
from pretrained.cli.parse import opened
from pretrained.media import video
from pretrained.media.files import list_images, output_names, shown
from pretrained.media.images import open_image
from pretrained.pipelines.registry import expect
from pretrained.system.errors import InputError, as_flag, one_line
from pretrained.system.files import write_atomic
from pretrained.verbs import drawing
from pretrained.verbs.shared import Drawing, Filming, Verb


def write_drawing(verb: Drawing) -> None:
    """Write what a verb draws."""
    from tqdm import tqdm

    pipeline = expect(pretrained.load(verb.id, verb.device), "translate" if verb.needs == "source" else "generate")
    made = verb.draw(pipeline)
    if isinstance(verb, Filming):
        # tqdm stays silent where stderr is no terminal.
        video.write(
            tqdm(made, total=verb.frames, unit="frame", disable=None), verb.out, verb.fps, verb.recipe(pipeline)
        )
    else:
        write_atomic(verb.out, made)


def write_translation(verb: drawing.Translate) -> None:
    """Translate a file, or each image in a folder; those that are broken are named and left out."""
    from tqdm import tqdm

    how = {"levels": verb.levels, "any_format": True}
    if not verb.input.is_dir():
        write_drawing(replace(verb, input=opened(verb.input, "input", **how)))
        return
    pipeline = expect(pretrained.load(verb.id, verb.device), "translate")
    listing = list_images(verb.input)
    left_out = listing.left_out()
    if not listing.images:
        raise InputError(f"`input` {shown(str(verb.input))} holds no images{f' ({left_out})' if left_out else ''}")
    if left_out:
        print(left_out, file=sys.stderr)
    names = [entry.name for entry in listing.images]
    broken = []
    for name, out in zip(tqdm(names, unit="image", disable=None), output_names(names)):
        try:
            made = replace(verb, input=open_image(verb.input / name, **how)).draw(pipeline)
        except InputError as error:
            broken.append(f"{shown(name)}: {error}")
        else:
            write_atomic(verb.out / out, made)
    if len(broken) == len(names):
        raise InputError(f"`input` {shown(str(verb.input))}: {broken[0]}")
    if broken:
        some = "; ".join(broken[:5]) + (f"; and {len(broken) - 5} more" if len(broken) > 5 else "")
        said = InputError(f"left out {len(broken)} of {len(names)} images: {some}")
        print(said.named(as_flag), file=sys.stderr)


def plain(value: Any) -> str:
    """One line; what a stranger's checkpoint says must not steer the terminal."""
    text = value if isinstance(value, str) else f"{value:,}" if type(value) is int else json.dumps(value)
    return one_line(text)


DRAWING: dict[str, tuple[type[Verb], Callable[[Any], None]]] = {
    **{name: (verb, write_drawing) for name, verb in drawing.DRAWINGS.items()},
    "translate": (drawing.Translate, write_translation),
}
