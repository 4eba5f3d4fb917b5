"""Whether PyPI's other package called `trainer` lies in the same folder, and has replaced files of this one."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from pretrained.system.errors import InputError

HERE = Path(__file__).resolve().parents[2]
OTHER = "trainer"  # the distribution of Coqui's; this package comes in the distribution "ganvas"


def check_alone() -> None:
    """Raise InputError, with the way out, where the other one is installed beside this one."""
    try:
        there = Path(str(metadata.distribution(OTHER).locate_file(""))).resolve()
    except metadata.PackageNotFoundError:
        return
    if there == HERE:
        raise InputError(
            "another package called `trainer` is installed in the same environment, and one overwrites files of the "
            "other: give Ganvas an environment of its own (python -m venv ganvas), or pip uninstall trainer and then "
            "pip install --force-reinstall --no-deps ganvas"
        )
