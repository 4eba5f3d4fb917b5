"""The command line of a verb, by tyro from its description; a mistake is one line."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, field, make_dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from textwrap import indent
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin

import tyro
from PIL import Image

from pretrained.media.images import open_image
from pretrained.system.errors import InputError
from pretrained.verbs.parameter import Field, choices, fields_of, legal, read
from pretrained.verbs.shared import Verb

V = TypeVar("V", bound=Verb)
PROGRAM = "python -m pretrained"
METAVARS = {int: "INT", float: "FLOAT", Path: "PATH", str: "TEXT"}


def parse(verb: type[V], words: Sequence[str]) -> V:
    """A verb as `words`, what follows its name, set it.

    Raises:
        InputError: a flag is unknown or missing, or a value is not legal.
        SystemExit: help was asked for, and printed.
    """
    known, name = fields_of(verb), verb.__name__.lower()
    summary, _, more = inspect.getdoc(verb).partition("\n\n")
    # tyro would join lines that are not indented.
    examples = indent("\n".join(f"{PROGRAM} {line}" for line in verb.examples), "  ")
    about = "\n\n".join(filter(None, [summary, indent(more, "  "), f"examples:\n{examples}"]))
    typed = vars(run(_as_typed(known), f"{PROGRAM} {name}", words, about))
    return verb(**{name: _value(known[name], given) for name, given in typed.items() if given not in (None, False)})


def run(kind: Any, program: str, words: Sequence[str], about: str | None = None, **more: Any) -> Any:
    """What tyro reads from `words`; what it prints of a mistake becomes an InputError. `more` is for tyro.cli."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(kind, prog=program, args=words, description=about, **more)
    except SystemExit as ended:
        if not ended.code:
            raise
        raise InputError(f"{_sentence(said.getvalue())}: see {program} --help") from None


def _sentence(box: str) -> str:
    """What is wrong, from tyro's error: a box with a title, a message, and below a line the help of an argument."""
    lines = [re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯]", "", line) for line in box.splitlines()[1:]]
    message = list(takewhile(lambda line: "─" not in line, lines))
    missing = [line.strip() for line in message if re.match(r" {5}\S", line)]
    text = f"missing {', '.join(missing)}" if missing else " ".join(" ".join(message).split())
    return re.sub(r"^Error parsing \S+: ", "", text).rstrip(".")


def _as_typed(known: Mapping[str, Field]) -> type:
    """A dataclass for tyro to read: each field holds the words that were typed, or None."""
    entries = []
    for name, found in known.items():
        how = tyro.conf.arg(
            name=found.flag or None, metavar=_metavar(found), help=found.about.help, help_behavior_hint=_hint(found)
        )
        kind, empty = _words(found)
        kind = Annotated[kind, how] if found.flag else Annotated[kind, how, tyro.conf.Positional]
        default = {} if found.default is MISSING else {"default_factory": empty}
        entries.append((name, kind, field(kw_only=True, **default)))
    return make_dataclass("Typed", entries)


def _words(found: Field) -> tuple[Any, Callable[[], Any]]:
    """The type of the words of a field, and what makes the value for no words."""
    if found.kind is bool:
        return Annotated[bool, tyro.conf.FlagCreatePairsOff], bool
    if get_origin(found.kind) is Mapping:
        return Annotated[list[list[str]], tyro.conf.UseAppendAction], list
    parts = get_args(found.kind) if get_origin(found.kind) is tuple else ("one",)
    spec = tyro.constructors.PrimitiveConstructorSpec(
        nargs="*" if ... in parts else len(parts),
        metavar="",
        instance_from_str=list,
        is_instance=lambda _: True,
        str_from_instance=lambda _: [],
    )
    return Annotated[Any, spec], NoneType


def _metavar(found: Field) -> str:
    listed = "{" + ",".join(choices(found.kind)) + "}" if choices(found.kind) else METAVARS.get(found.kind, "")
    return found.about.metavar or listed


def _hint(found: Field) -> str:
    """Range and default, as help shows them."""
    shown = [legal(found)] if found.about.range else []
    if found.default is MISSING:
        shown.append("required")
    elif isinstance(found.default, (int, float, str)) and not isinstance(found.default, bool):
        shown.append(f"default {found.default}")
    return f"({'; '.join(shown)})" if shown else ""


def _value(found: Field, given: Any) -> Any:
    """What the words that were typed mean."""
    if found.kind is bool:
        return not found.default
    if get_origin(found.kind) is Mapping:
        return dict(_assigned(found, word) for words in given for word in words or [""])
    if get_origin(found.kind) is tuple:
        parts = get_args(found.kind)
        kinds = [parts[0]] * len(given) if ... in parts else parts
        return tuple(_value(found._replace(kind=kind), [word]) for kind, word in zip(kinds, given))
    if Path in get_args(found.kind):
        return Path(given[0])
    return read(found, given[0], partial(opened, argument=found.name))


def _assigned(found: Field, text: str) -> tuple[str, int | float]:
    name, _, number = text.rpartition("=")
    try:
        value = get_args(found.kind)[1](number)
    except ValueError:
        value = None
    if not name or value is None:
        raise InputError(f"`{found.name}` must be NAME=NUMBER, as in slant=2, got {text[:60]!r}")
    return name, value


def opened(path: str | Path, argument: str, **how: Any) -> Image.Image:
    """The image in a file, as `open_image` opens it; InputError names the argument that named it."""
    try:
        return open_image(path, **how)
    except InputError as error:
        raise InputError(f"`{argument}` {path}: {error}") from None
