"""python -m pretrained: look at a checkpoint, and make images and videos with it."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from pretrained.cli.draw import DRAWING
from pretrained.cli.output import check_out
from pretrained.cli.parse import PROGRAM, parse
from pretrained.system.errors import InputError, fail, print_anything
from pretrained.system.files import full_output
from pretrained.verbs.shared import Verb


def overview() -> str:
    """What `--help` prints: every command with its summary, and an example of each."""
    from pretrained.cli.commands import COMMANDS

    verbs = {name: verb for name, (verb, _) in COMMANDS.items()}
    summaries = [f"  {name:13}{inspect.getdoc(verb).partition(chr(10))[0]}" for name, verb in verbs.items()]
    examples = [f"  {PROGRAM} {verb.examples[0]}" for verb in verbs.values()]
    lines = [
        f"usage: {PROGRAM} [-h] COMMAND ...\n",
        "Look at a checkpoint, and make images and videos with it.\n",
        "An ID is a bundled name (see `list`), a folder or file that holds a checkpoint,",
        "or a Hugging Face Hub repository, user/name or user/name@revision.\n",
        *("commands:", *summaries),
        *("\nexamples:", *examples),
        f"\nOne seed is one image, on every machine. `{PROGRAM} COMMAND --help` shows the options of a command.",
    ]
    return "\n".join(lines)


def find(name: str) -> tuple[type[Verb], Callable[[Any], None]]:
    """What sets a command, and what carries it out; the modules of those that do not draw are imported when asked."""
    if name in DRAWING:
        return DRAWING[name]
    from pretrained.cli.commands import COMMANDS

    if name not in COMMANDS:
        raise InputError(f"COMMAND must be one of {', '.join(COMMANDS)}, got {name[:40]!r}: see {PROGRAM} --help")
    return COMMANDS[name]


def main(given: Sequence[str] | None = None) -> None:
    """Run one command; a user's mistake is one line on stderr and exit status 2."""
    name, *words = list(sys.argv[1:] if given is None else given) or [""]
    out = None
    print_anything()
    try:
        if name in ("-h", "--help"):
            print(overview(), flush=True)
            sys.exit(0)
        kind, command = find(name)
        verb = parse(kind, words)
        out = getattr(verb, "out", None)
        if out:
            check_out(verb)
        command(verb)
        if out:
            print(out)
        sys.stdout.flush()
    except InputError as error:
        fail(error)
    except BrokenPipeError:
        # The reader has what it wanted; without this, Python complains once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + 13)
    except OSError as error:
        fail(full_output(error))
    except KeyboardInterrupt:
        to_folder = bool(out) and out.is_dir()
        fail(f"stopped; {'what lies in --out is whole' if to_folder else 'nothing was written'}", 128 + 2)


if __name__ == "__main__":
    main()
