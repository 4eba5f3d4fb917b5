"""What is printed on a disk that is full ends in one line, like what is written there; a reader may end before."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize(("module", "command"), [("pretrained", "list"), ("trainer", "--list")])
def test_no_room_for_what_is_printed_is_a_sentence(module, command):
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", module, command],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ended.returncode == 2
    assert ended.stderr == "ganvas: cannot write to standard output: No space left on device; free some space\n"


def test_a_reader_that_ends_before_is_no_error():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "trainer", "--list"]
    ended = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (141, "")
