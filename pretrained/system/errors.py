"""InputError, the exception for mistakes of the user, and how its text is shown."""

import codecs
import re
import sys
from collections.abc import Callable
from typing import NoReturn

MAX_CHARACTERS = 2000
ARGUMENT = re.compile(r"`([a-z]\w*)`")


def one_line(text: str) -> str:
    """The text on one line of printable characters: untrusted text must not control a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


class InputError(ValueError):
    """A mistake of the user or an invalid file: WHAT is wrong, got X: do Y.

    The library names arguments in backticks, and knows neither flags nor widgets:

        raise InputError(f"`layers` must be 0 to {num_styles}, got {layers}")

    Each user interface replaces them with `named`: a command line by the flag `--layers`, a page by the label of its
    widget, an API by the name of its parameter. An error that quotes another, f"{path}: {error}", keeps the backticks.
    The text may quote an untrusted file, so it is limited to one line of MAX_CHARACTERS.
    """

    def __init__(self, message: str):
        super().__init__(one_line(message[:MAX_CHARACTERS]))

    def named(self, spell: Callable[[str], str]) -> str:
        """The text with `spell` of each argument's name in place of the name in backticks."""
        return spell_arguments(str(self), spell)


def spell_arguments(text: str, spell: Callable[[str], str]) -> str:
    """The text with `spell` of each argument's name in place of the name in backticks."""
    return ARGUMENT.sub(lambda match: spell(match[1]), text)


def as_flag(argument: str) -> str:
    """The flag that sets an argument on a command line: "batch_size" -> "--batch-size"."""
    return "--" + argument.replace("_", "-")


def print_anything() -> None:
    """Let stdout take any text: names of files that are no Unicode as their bytes, letters that it lacks escaped."""
    codecs.register_error("ganvas", _spell)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="ganvas")


def _spell(error: UnicodeError) -> tuple[str | bytes, int]:
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.backslashreplace_errors(error)


def fail(message: str | InputError, status: int = 2) -> NoReturn:
    """End the program with one line on stderr; the arguments that it names in backticks are spelled as flags."""
    print(f"ganvas: {' '.join(spell_arguments(str(message), as_flag).split())}", file=sys.stderr)
    sys.exit(status)
