"""What a job of Hugging Face Jobs does: unpack, train within its hours, and send the folder of the run back."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from typing import IO

from pretrained import hub
from pretrained.hub.errors import retry
from pretrained.run_files import PREVIOUS

SOURCE, INPUTS, ORDER = "source.zip", "inputs.zip", "order.json"  # in the folder of a job
WORK, RESULT = Path("work"), Path("run")  # in the inputs: where the training runs, and its folder
EVERY = 30.0  # seconds between two states of a progress bar in the log


def relay(stream: IO[bytes], every: float = EVERY) -> None:
    """Print what a training writes: its lines, and of its progress bar a line now and then."""
    shown = -every
    for line in io.TextIOWrapper(stream, errors="replace", newline=""):
        is_bar = line.endswith("\r")
        if not line.strip() or (is_bar and time.monotonic() - shown < every):
            continue
        shown = time.monotonic() if is_bar else shown
        print(re.sub(r"[\r\n]", "", line), flush=True)


def main(job: Path) -> int:
    """Run the training that the folder of a job orders -> the exit status of the trainer."""
    order = json.loads((job / ORDER).read_text())
    place = Path(tempfile.mkdtemp())
    with zipfile.ZipFile(job / INPUTS) as archive:
        archive.extractall(place)
    work, result = place / WORK, place / RESULT
    work.mkdir(exist_ok=True)
    words = [sys.executable, "-m", "trainer", *order["arguments"], "--out", str(result)]
    words += ["--resume"] if result.exists() else []
    ours, theirs = pty.openpty()  # a trainer has a progress bar on a terminal only
    process = subprocess.Popen(words, cwd=work, stdout=theirs, stderr=theirs)
    os.close(theirs)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())  # the job was cancelled: save what there is
    limit = threading.Timer(order["hours"] * 3600, process.terminate)
    limit.start()
    with open(ours, "rb") as stream, contextlib.suppress(OSError):  # EIO at its end
        relay(stream)
    status = process.wait()
    limit.cancel()
    if result.is_dir():
        retry(lambda: send(result, order["repo_id"], f"{order['folder']}/{RESULT}"), "publish")
    return status


def send(folder: Path, repo_id: str, path: str) -> None:
    """Send the folder of a run, without what only this machine needs."""
    hub.api().upload_folder(
        repo_id=repo_id,
        repo_type="dataset",
        folder_path=folder,
        path_in_repo=path,
        commit_message=f"Result of {path}",
        ignore_patterns=[".*", PREVIOUS],
    )


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    sys.exit(main(Path(sys.argv[1])))
