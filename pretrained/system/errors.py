"""The one exception that means "the input is at fault", whose text is shown to the user as it is."""

import sys
from typing import NoReturn

MAX_CHARACTERS = 2000


def one_line(text: str) -> str:
    """The same text on one line, in letters that print: what a stranger's file says must not steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


class InputError(ValueError):
    """A mistake in what the user asked for, or a file that is refused: one sentence that says what to do.

    It may quote a stranger's file, so it is made one line of MAX_CHARACTERS at most.
    """

    def __init__(self, message: str):
        super().__init__(one_line(message[:MAX_CHARACTERS]))


def fail(message: str, status: int = 2) -> NoReturn:
    """End the program with one line on stderr."""
    print(f"ganvas: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(status)
