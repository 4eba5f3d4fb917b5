"""Build the wheel and the source archive twice, in other folders and at other times: the same bytes, and all of it.

    pip install build
    python -m stress.package

What is committed is built, never what lies beside it. The date of all files is that of the commit. A wheel holds the
two packages and the bundled weights, and nothing else: no test, no data, no app.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("pretrained/", "trainer/")


def git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True).stdout


def normal(archive: bytes, epoch: int) -> bytes:
    """A .tar.gz with its files in order, of nobody, and of one date: setuptools writes those of the day."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as source, tarfile.open(fileobj=buffer, mode="w") as target:
        for member in sorted(source.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
            member.mode, member.pax_headers = 0o755 if member.isdir() or member.mode & 0o100 else 0o644, {}
            target.addfile(member, source.extractfile(member) if member.isfile() else None)
    return gzip.compress(buffer.getvalue(), 9, mtime=epoch)


def build(folder: Path, commit: str, epoch: int) -> dict[str, bytes]:
    """The wheel and the source archive of a commit, by their names."""
    with tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", commit))) as tree:
        tree.extractall(folder / "tree", filter="data")
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "random"}
    command = [sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(folder / "tree")]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    made = {path.name: path.read_bytes() for path in (folder / "dist").iterdir()}
    return {name: normal(data, epoch) if name.endswith(".tar.gz") else data for name, data in made.items()}


def check_wheel(data: bytes, commit: str) -> list[str]:
    """What is missing in it, and what does not belong there."""
    committed = set(git("ls-tree", "-r", "--name-only", commit, *ROOMS).decode().splitlines())
    with zipfile.ZipFile(io.BytesIO(data)) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    wrong = [f"{name} is missing" for name in sorted(committed - names)]
    return wrong + [f"{name} does not belong there" for name in sorted(names - committed)]


def check_licences(data: bytes) -> list[str]:
    """Licences of bundled weights, as their cards say, that the wheel's licence does not name."""
    with zipfile.ZipFile(io.BytesIO(data)) as wheel:
        files = {
            name: wheel.read(name).decode() for name in wheel.namelist() if name.endswith(("METADATA", "/README.md"))
        }
    about = next(text for name, text in files.items() if name.endswith(".dist-info/METADATA"))
    named = re.search("^License-Expression: (.*)$", about, re.M)[1].lower()
    wrong = []
    for name, text in files.items():
        card = re.search("^license_name: (.*)$", text, re.M) or re.search("^license: (.*)$", text, re.M)
        if "/weights/" in name and (card is None or card[1].lower() not in named):
            wrong.append(f"{name} says {card and card[1]}, the wheel {named}")
    return wrong


def main() -> None:
    commit = git("rev-parse", "HEAD").decode().strip()
    epoch = int(git("log", "-1", "--format=%ct", commit))
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory(suffix="elsewhere") as second:
        ours, theirs = (build(Path(folder), commit, epoch) for folder in (first, second))
    wheel = next(data for name, data in ours.items() if name.endswith(".whl"))
    wrong = check_wheel(wheel, commit) + check_licences(wheel)
    wrong += [f"{name} differs from build to build" for name in ours if ours[name] != theirs.get(name)]
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in ours.items()}
    print(json.dumps({"sha256": sums, "findings": wrong}, indent=2))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
