"""Where nobody expected to run: no entry in passwd, an ASCII locale, names that are no Unicode, numbers without end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pretrained.__main__ import main as play
from pretrained.system.errors import InputError
from pretrained.system.files import expanded
from trainer.__main__ import main as train

ROOT = Path(__file__).parents[2]
TINY = "vae-mnist --data fake --size 16 --width 4 --batch-size 16 --kimg 0.016 --snapshots 1 --device cpu --threads 1"
# Commands in one process, as somebody without a name there: for each its status and what it said.
PLACE = """
import contextlib, io, json, os, pwd, sys

def nobody(*_):
    raise KeyError("nobody")

if "HOME" not in os.environ:
    pwd.getpwuid = pwd.getpwnam = nobody
from pretrained.__main__ import main as play
from trainer.__main__ import main as train

found = []
for program, words in json.loads(sys.argv[1]):
    said = io.TextIOWrapper(io.BytesIO(), sys.stdout.encoding, sys.stdout.errors)
    status = 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()) as error:
        try:
            {"play": play, "train": train}[program](words)
        except SystemExit as end:
            status = end.code or 0
    said.flush()
    found.append([status, said.buffer.getvalue().decode("latin-1"), ascii(error.getvalue())])
print(json.dumps(found))
"""


def run_in(folder: Path, commands: list[tuple[str, list[str]]], **variables: str | None) -> list[tuple[int, str, str]]:
    given = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), **variables}
    environment = {name: value for name, value in given.items() if value is not None}
    command = [sys.executable, "-W", "ignore", "-c", PLACE, json.dumps(commands)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "variables",
    [
        {"HOME": None, "XDG_CACHE_HOME": None},
        {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["nobody", "ascii"],
)
def test_a_place_without_names_and_one_without_letters(tmp_path, variables):
    odd = os.fsdecode(b"caf\xff")  # no Unicode in one place, in the other the locale has no such letter
    drawn = ["sample", "dcgan-mnist", "--seeds", "0", "--out"]
    commands = [
        ("play", ["list"]),
        ("play", ["info", "dcgan-mnist"]),
        ("play", [*drawn, f"{odd}.png"]),
        ("play", ["verify", f"{odd}.png"]),
        ("play", ["info", "~/nothing"]),
        ("train", [*TINY.split(), "--out", odd]),
        ("play", ["info", odd]),
        ("play", ["info", f"{odd}-is-not-there"]),
    ]
    found = run_in(tmp_path, commands, **variables)
    assert [status for status, _, _ in found] == [0, 0, 0, 0, 2, 0, 0, 2], found
    assert (tmp_path / f"{odd}.png").exists()
    assert found[3][1].startswith("same")
    assert all("Traceback" not in error for _, _, error in found)


@pytest.mark.parametrize(
    ("program", "words", "sentence"),
    [
        (train, "--kimg inf", "--kimg"),
        (train, "--kimg nan", "--kimg"),
        (train, "--seed -1", "--seed"),
        (train, "--seed 99999999999999999999", "--seed"),
        (train, "--threads -1", "--threads"),
        (train, "--batch-size -1", "--batch-size"),
        (train, "--snapshots -1", "--snapshots"),
        (train, "--learning-rate nan", "--learning-rate"),
        (train, f"--out {'x' * 300}", "cannot write"),
        (train, "--out /dev/null/run", "cannot write"),
        (play, f"sample dcgan-mnist --seeds 0 --out {'x' * 300}.png", "cannot write --out"),
        (play, "sample dcgan-mnist --seeds -1 --out a.png", "seeds"),
    ],
)
def test_what_cannot_be_is_one_sentence(program, words, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        program([*TINY.split(), *words.split()] if program is train else words.split())
    said = capsys.readouterr().err.strip()
    assert end.value.code == 2
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_nobody_knows():
    with pytest.raises(InputError, match="write the path out"):
        expanded("~nobody-of-this-name/x")
