"""The command line of a recipe, generated from its fields; a mistake is one line and exit status 2."""

from __future__ import annotations

import contextlib
import difflib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro

from pretrained.system.errors import InputError, fail
from trainer.base import defaults, open_base, recipe_of
from trainer.loop.settings import Settings
from trainer.methods.recipes import RECIPES
from trainer.recipe import Recipe

DEFAULT = "dcgan-mnist"


@dataclass(frozen=True)
class Command:
    """A recipe, and how it is run."""

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    settings: Annotated[Settings, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class Push:
    """Publish a finished run on the Hugging Face Hub."""

    folder: Annotated[Path, tyro.conf.Positional]
    """Folder of the run."""
    repo_id: str | None = None
    """USER/NAME on the Hub; by default YOU/FOLDER."""
    private: bool = False
    """Make the repository private."""
    with_discriminator: bool = False
    """Publish D too, as discriminator.safetensors, so that others can fine-tune from it."""


@dataclass(frozen=True)
class Captions:
    """Write captions.jsonl beside the images of a folder, from the names of the files."""

    folder: Annotated[Path, tyro.conf.Positional]
    """Folder of images."""


Parsed = TypeVar("Parsed")


def parse(arguments: Sequence[str]) -> Command:
    """The recipe that is named first (or that of the base, or the default one) with the flags that follow."""
    arguments = list(arguments)
    id = _value_of("--from", arguments)
    base = open_base(id) if id else None
    if arguments and not arguments[0].startswith("-"):
        name = arguments.pop(0)
    else:
        name = recipe_of(base, RECIPES) if base else DEFAULT
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        fail(f"unknown recipe {name}: {', '.join(RECIPES)}{hint}")
    about = f"{RECIPES[name].summary}. All recipes: python -m trainer --list"
    size = _value_of("--size", arguments)
    recipe = defaults(RECIPES[name], base, int(size) if size.isdecimal() else None) if base else RECIPES[name]
    return _parse(Command, f"python -m trainer {name}", arguments, Command(recipe, Settings()), about)


def _value_of(flag: str, arguments: Sequence[str]) -> str:
    """What follows a flag, as `--flag value` or `--flag=value`; "" where it is not given."""
    words = [part for word in arguments for part in (word.split("=", 1) if word.startswith(f"{flag}=") else [word])]
    return next((after for word, after in zip(words, words[1:]) if word == flag), "")


def parse_as(kind: type[Parsed], name: str, arguments: Sequence[str]) -> Parsed:
    """The flags of `python -m trainer NAME`, which are the fields of `kind`."""
    return _parse(kind, f"python -m trainer {name}", arguments)


def parse_known(kind: type[Parsed], name: str, arguments: Sequence[str]) -> tuple[Parsed, list[str]]:
    """Those flags of `python -m trainer NAME` that are fields of `kind`, and what else was typed."""
    return _parse(kind, f"python -m trainer {name}", arguments, return_unknown_args=True)


def _parse(
    kind: type[Parsed],
    prog: str,
    arguments: Sequence[str],
    default: Parsed | None = None,
    about: str | None = None,
    return_unknown_args: bool = False,
) -> Any:
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            return tyro.cli(
                kind,
                prog=prog,
                description=about,
                args=arguments,
                default=tyro.MISSING_NONPROP if default is None else default,
                return_unknown_args=return_unknown_args,
            )
    except SystemExit as ended:
        if not ended.code:
            raise
        fail(InputError(_one_line(errors.getvalue())))


def _one_line(box: str) -> str:
    """tyro's error, drawn as a box with a title over several lines, as one sentence."""
    lines = [re.sub(r"\x1b\[[0-9;]*m|[─╭╮╰╯│]|-{5,}", " ", line).strip() for line in box.splitlines()]
    return " ".join(" ".join(lines[1:]).split())
