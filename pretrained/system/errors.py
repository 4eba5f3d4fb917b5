"""The one exception that means "the input is at fault", whose text is shown to the user."""

import re
import sys
from collections.abc import Callable
from typing import NoReturn

MAX_CHARACTERS = 2000
ARGUMENT = re.compile(r"`([a-z]\w*)`")


def one_line(text: str) -> str:
    """The same text on one line, in letters that print: what a stranger's file says must not steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


class InputError(ValueError):
    """A mistake in what the user asked for, or a file that is refused: WHAT is wrong, got X: do Y.

    The library names its arguments, each in backticks, and knows neither flags nor widgets:

        raise InputError(f"`layers` must be 0 to {num_styles}, got {layers}")

    Whoever shows the error spells them as its reader knows them, with `named`: a command line `--layers`, a page the
    label of its widget, an API the name of its parameter. An error that quotes another, f"{path}: {error}", keeps this.
    The text may quote a stranger's file, so it is made one line of MAX_CHARACTERS at most.
    """

    def __init__(self, message: str):
        super().__init__(one_line(message[:MAX_CHARACTERS]))

    def named(self, spell: Callable[[str], str]) -> str:
        """The text with `spell` of each argument's name in place of the name in backticks."""
        return ARGUMENT.sub(lambda match: spell(match[1]), str(self))


def as_flag(argument: str) -> str:
    """The flag that sets an argument on a command line: "batch_size" -> "--batch-size"."""
    return "--" + argument.replace("_", "-")


def fail(message: str | InputError, status: int = 2) -> NoReturn:
    """End the program with one line on stderr; the arguments that an InputError names are spelled as flags."""
    text = message.named(as_flag) if isinstance(message, InputError) else message
    print(f"ganvas: {' '.join(text.split())}", file=sys.stderr)
    sys.exit(status)
