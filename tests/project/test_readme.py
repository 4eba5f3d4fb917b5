"""README.md and the reference: their tables are those of the code, and their examples work."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from pretrained.__main__ import find, main
from pretrained.cli.parse import parse as parse_verb
from trainer.cli import compare, evaluate, hf_job, nearest
from trainer.cli.parse import Push, parse, parse_as, parse_known
from trainer.losses import LOSSES, PENALTIES

ROOT = Path(__file__).parents[2]
KINDS = {"push": Push, "evaluate": evaluate.Command, "nearest": nearest.Command, "job": hf_job.Follow}
PAGES = ("README.md", "docs/reference/commands.md", "docs/reference/api.md")
README = "\n".join((ROOT / page).read_text() for page in PAGES)
GUIDES = "\n".join(page.read_text() for page in [*sorted((ROOT / "docs/guides").glob("*.md")), ROOT / "Spaces.md"])


def commands(module: str, text: str = README) -> list[str]:
    """The arguments in all lines that run `python -m module`."""
    return re.findall(rf"^python -m {module} (.*?)(?:\s+#.*)?$", text, re.M)


@pytest.mark.parametrize(("flag", "rows"), [("--loss", LOSSES), ("--penalty", PENALTIES)])
def test_table(flag, rows):
    lines = [
        f"| `{flag}` | what it is |",
        "|---|---|",
        *(f"| `{name}` | {row.summary} |" for name, row in rows.items()),
    ]
    assert "\n".join(lines) + "\n\n" in README


def test_there_are_examples():
    assert len(commands("pretrained")) >= 5
    assert len(commands("trainer")) >= 5


def test_examples_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in commands("pretrained"):
        arguments = shlex.split(line)
        main(arguments)
        if "--out" in arguments:
            assert Path(arguments[arguments.index("--out") + 1]).stat().st_size > 300, line


@pytest.mark.parametrize("line", [line for line in commands("trainer", README + GUIDES) if "--list" not in line])
def test_training_example_is_understood(line):
    name, *arguments = shlex.split(line)
    if name == "compare":
        options, rest = parse_known(compare.Command, name, arguments)
        assert options.names
        parse(rest)
    elif name in KINDS:
        parse_as(KINDS[name], name, arguments)
    else:
        parse([name, *arguments])


@pytest.mark.parametrize("line", commands("pretrained", GUIDES))
def test_example_of_a_guide_is_understood(line):
    name, *words = shlex.split(line)
    assert parse_verb(find(name)[0], words)


def test_python_example_runs():
    code, _ = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)  # tests/gradio_ui runs the second
    names = {}
    exec(code, names)
    assert names["images"].shape == (3, 32, 32, 1)
    assert len(names["frames"]) == 60
    assert np.array_equal(names["frames"][0], names["images"][0])
