"""python -m pretrained: look at a checkpoint, and make pictures and films with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from pretrained.cli import arguments
from pretrained.cli.parser import parser
from pretrained.system.errors import InputError, fail
from pretrained.system.files import full_output


def main(given: Sequence[str] | None = None) -> None:
    """Run one command; a user's mistake is one line on stderr and exit status 2."""
    options = parser().parse_args(given)
    out = getattr(options, "out", None)
    try:
        if out:
            arguments.check_out(options)
        options.run(options)
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
