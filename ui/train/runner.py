"""Works off the queue of trainings, one at a time, in a process of its own: python -m ui.train.runner RUNS."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from pretrained.run_files import STATE
from pretrained.system.errors import InputError
from pretrained.system.files import locked
from ui.train.jobs import JOBS, Job, all_jobs, born, path_of, read, save

# Exit statuses of a trainer that was asked to end: by its own word, or by the signal, before it listens to that.
INTERRUPTED = (128 + signal.SIGTERM, 128 + signal.SIGINT, -signal.SIGTERM)


def run(root: Path, job: Job) -> None:
    """Train, and write down how it ended."""
    words = [sys.executable, "-m", "trainer", *job.command, "--out", str(root / job.name)]
    if (root / job.name / STATE).exists():
        words.append("--resume")
    with path_of(root, job.name, ".log").open("ab") as log:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=root.parent)
    save(root, replace(job, status="running", pid=process.pid, born=born(process.pid)))
    began = time.monotonic()
    try:
        status = process.wait(None if job.hours is None else max(job.hours * 3600 - job.spent, 0))
    except subprocess.TimeoutExpired:
        save(root, replace(read(root, job.name) or job, wish="stopped"))
        process.terminate()
        status = process.wait()
    ended = replace(read(root, job.name) or job, spent=job.spent + time.monotonic() - began)
    outcome = "finished" if status == 0 else ended.wish if status in INTERRUPTED else "failed"
    save(root, replace(ended, status=outcome))


def main(root: Path) -> None:
    """Run what is queued, until nothing is."""
    try:
        # Another runner that is about to end may have looked at the queue before the last job was put there.
        with locked(root / JOBS / ".lock", "another runner works off the queue", timeout=3):
            while waiting := [job for job in all_jobs(root) if job.status == "queued"]:
                run(root, waiting[0])
    except InputError as busy:
        print(busy, file=sys.stderr)


if __name__ == "__main__":
    # What is typed in the server's terminal is not meant for a training that outlives the server.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main(Path(sys.argv[1]))
