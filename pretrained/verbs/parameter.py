"""A parameter of a verb: its help, range and label are said once, for the command line, the API and the pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from PIL import Image

from pretrained.system.errors import InputError

MAX_TEXT = 1000  # characters of a text online


class Range(NamedTuple):
    """Legal numbers; "online" means: by an app that is open to strangers."""

    low: float
    high: float
    online: float | None = None

    def top(self, online: bool) -> float:
        """The highest number."""
        return self.online if online and self.online is not None else self.high


@dataclass(frozen=True)
class Parameter:
    """What is said of a parameter, in `Annotated[type, Parameter(...)]`.

    Attributes:
        help: what it does, without its range and its default.
        label: of a widget; by default the name.
        metavar: of its value on the command line, where the type says too little.
        flag: on the command line, by default the name; "" for a positional one. Of a bool that is true by default, the
            flag that makes it false.
        api: its names in the API, by default the name; several for a tuple, none for the command line alone.
        needs: what a checkpoint must have for the parameter to have a meaning, as for `shared.takes`.
        start: what a widget begins with, by default the default.
        none: what a widget calls no choice.
        max_seeds: of a list of seeds, how many of them online.
    """

    help: str
    range: Range | None = None
    label: str = ""
    metavar: str = ""
    flag: str | None = None
    api: tuple[str, ...] | None = None
    needs: str = ""
    start: Any = None
    none: str = ""
    max_seeds: int = 0


class Field(NamedTuple):
    """A parameter as one verb has it; `default` is MISSING where it must be given."""

    name: str
    kind: Any
    optional: bool
    default: Any
    about: Parameter

    @property
    def api(self) -> tuple[str, ...]:
        """Its names in the API."""
        return (self.name,) if self.about.api is None else self.about.api

    @property
    def flag(self) -> str:
        """Its flag on the command line without "--"; "" for a positional one."""
        return self.name.replace("_", "-") if self.about.flag is None else self.about.flag

    @property
    def label(self) -> str:
        """The label of its widget."""
        return self.about.label or self.name.capitalize().replace("_", " ")

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return self.default is MISSING

    def describe(self, online: bool = False) -> str:
        """Its help with its range: "Number of frames. (1 to 600)"."""
        span = self.about.range
        return self.about.help + (f" ({span.low:.15g} to {span.top(online):.15g})" if span else "")

    @property
    def api_default(self) -> Any:
        """Its default in the API, which may have one where a command line has none."""
        return self.about.start if self.default is None else self.default

    @property
    def start(self) -> Any:
        """What its widget begins with."""
        return self.default if self.about.start is None else self.about.start


def fields_of(verb: type) -> dict[str, Field]:
    """The parameters of a verb by name, in their order."""
    hints, found = get_type_hints(verb, include_extras=True), {}
    for field in fields(verb):
        kind, about = get_args(hints[field.name])
        optional = NoneType in get_args(kind)
        if optional:
            (kind,) = set(get_args(kind)) - {NoneType}
        default = field.default if field.default_factory is MISSING else field.default_factory()
        found[field.name] = Field(field.name, kind, optional, default, about)
    return found


def choices(kind: Any) -> tuple[str, ...]:
    """The values of a Literal, none for any other type."""
    return get_args(kind) if get_origin(kind) is Literal else ()


def legal(field: Field, online: bool = False) -> str:
    """What a parameter may be, after "must be"."""
    if field.about.range:
        return f"{field.about.range.low:.15g} to {field.about.range.top(online):.15g}"
    if listed := choices(field.kind):
        return f"one of {', '.join(listed)}"
    kinds = {bool: "true or false", float: "a number", str: f"a text of at most {MAX_TEXT} characters"}
    return kinds[field.kind]


def read(field: Field, given: Any, open_image: Callable[[Any], Image.Image], online: bool = False) -> Any:
    """What was typed on a command line (str), or sent to the API (JSON), as a value of the field's type.

    Raises:
        InputError: it is none, or out of range.
    """
    if given is None:
        if field.optional:
            return None
        raise InputError(f"`{field.name}` is missing")
    if Image.Image in (field.kind, *get_args(field.kind)):
        return open_image(given)
    value, span = _converted(field.kind, given), field.about.range
    fits = value is not None and (span is None or span.low <= value <= span.top(online))
    if not fits or (online and field.kind is str and len(value) > MAX_TEXT):
        raise InputError(f"`{field.name}` must be {legal(field, online)}, got {str(given)[:60]}")
    return value


def _converted(kind: Any, given: Any) -> Any:
    if kind in (int, float):
        try:
            value = kind(given)
        except (TypeError, ValueError, OverflowError):
            return None
        is_rounded = isinstance(given, float) and kind is int and value != given
        return None if is_rounded or isinstance(given, bool) else value
    if choices(kind):
        return given if given in choices(kind) else None
    if kind is Path:
        return Path(given)
    return given if isinstance(given, kind) else None
