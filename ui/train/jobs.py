"""Trainings as processes of their own, which outlive the page and the server and are found again; without a widget.

A job is a JSON file in runs/.jobs. `ui.train.runner` runs what is queued, one after another.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from pretrained.run_files import STATE
from pretrained.system.errors import InputError, one_line
from pretrained.system.files import write_atomic

JOBS = ".jobs"
ROOT = Path(__file__).parents[2]
MAX_MESSAGE = 64 * 1024  # bytes of the end of what a trainer has written
Status = Literal["queued", "running", "paused", "stopped", "finished", "failed"]


@dataclass(frozen=True)
class Job:
    """A training that the app was asked for.

    Attributes:
        name: of its folder in runs/.
        command: what follows `python -m trainer`; the same words with --resume go on with it.
        goal: what was chosen, in words.
        status: as last written down; `look` says what it is now.
        wish: what it becomes when it is ended before its time.
        pid, born: the trainer's process, and when the system started it, since process numbers are used again.
        created: seconds since 1970.
        hours: how long it may train in all; None is without end.
        spent: seconds that it has trained.
    """

    name: str
    command: list[str]
    goal: str
    status: Status = "queued"
    wish: Literal["paused", "stopped"] = "paused"
    pid: int = 0
    born: str = ""
    created: float = 0.0
    hours: float | None = None
    spent: float = 0.0

    @property
    def base(self) -> str | None:
        """The checkpoint that it began from, if any."""
        return next((after for word, after in zip(self.command, self.command[1:]) if word == "--from"), None)

    @property
    def is_over(self) -> bool:
        """Whether it has used up its hours."""
        return self.hours is not None and self.spent >= self.hours * 3600


def path_of(root: Path, name: str, suffix: str = ".json") -> Path:
    """Where a job is written down, or with .log what its trainer has written."""
    return root / JOBS / f"{name}{suffix}"


def save(root: Path, job: Job) -> Job:
    write_atomic(path_of(root, job.name), (json.dumps(asdict(job), indent=1) + "\n").encode())
    return job


def read(root: Path, name: str) -> Job | None:
    """A job as it was written down; None where there is none, or none that can be read."""
    try:
        return Job(**json.loads(path_of(root, name).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def born(pid: int) -> str:
    """When the system started a process, in its own units; "" where there is no such process, or it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    except OSError:
        pass
    if Path("/proc/self").exists():
        return ""
    done = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, start = done.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else start.strip()


def look(root: Path, name: str) -> Job | None:
    """A job as it is now: one whose process was killed, perhaps with the machine, is paused where a state was saved."""
    job = read(root, name)
    if job is None or job.status != "running" or (job.pid and born(job.pid) == job.born):
        return job
    time.sleep(0.2)  # the runner may be writing how it ended
    job = read(root, name) or job
    if job.status != "running" or born(job.pid) == job.born:
        return job
    return save(root, replace(job, status="paused" if (root / name / STATE).exists() else "failed"))


def is_taken(root: Path, name: str) -> bool:
    """Whether there is a run or a job of this name."""
    return (root / name).exists() or path_of(root, name).exists()


def free_name(root: Path, name: str) -> str:
    """The name, or with the first number behind it that is not taken."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(one for one in names if not is_taken(root, one))


def all_jobs(root: Path) -> list[Job]:
    """Every job, the oldest first."""
    found = (look(root, path.stem) for path in (root / JOBS).glob("*.json"))
    return sorted((job for job in found if job), key=lambda job: job.created)


def said(root: Path, name: str) -> list[str]:
    """The last lines that the trainer of a job has written and that are no progress bar."""
    path = path_of(root, name, ".log")
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - MAX_MESSAGE, 0))
        text = file.read().decode("utf-8", "replace")
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip() and not re.search(r"\d%\|", line)]
    return [one_line(line.removeprefix("ganvas: "))[:1000] for line in lines]


def message(root: Path, name: str) -> str:
    """The last of them."""
    return next(reversed(said(root, name)), "")


def start(root: Path, job: Job) -> None:
    """Put a job, new or ended before, at the end of the queue, and see that it is worked off.

    Raises:
        InputError: it runs or waits already, or another one waits: the queue has one place.
    """
    busy = {other.name: other.status for other in all_jobs(root) if other.status in ("running", "queued")}
    if job.name in busy:
        raise InputError(f"{job.name} is {busy[job.name]} already")
    if len(busy) > 1:
        raise InputError(f"{' and '.join(busy)} are running or waiting: start this one when one of them has ended")
    if job.is_over:
        raise InputError(f"{job.name} has trained for the {job.hours:g} hours that this server allows")
    save(root, replace(job, status="queued", wish="paused", pid=0, born="", created=job.created or time.time()))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    with path_of(root, "runner", ".log").open("ab") as log:
        runner = subprocess.Popen(
            [sys.executable, "-m", "ui.train.runner", str(root.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    threading.Thread(target=runner.wait, daemon=True, name="runner").start()  # or it would stay as a zombie


def end(root: Path, job: Job, wish: Literal["paused", "stopped"]) -> None:
    """Ask a trainer to save all and end, or take a job that waits out of the queue."""
    if job.status == "queued":
        save(root, replace(job, status=wish))
    elif job.status == "running" and born(job.pid) == job.born:
        save(root, replace(job, wish=wish))
        os.kill(job.pid, signal.SIGTERM)


def put_away(root: Path, job: Job) -> Path:
    """Move a run that has ended, with its job, out of sight -> its new folder, from which it can be moved back."""
    if job.status in ("running", "queued"):
        raise InputError(f"{job.name} is {job.status}: stop it first")
    away = root / ".removed" / f"{job.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    away.parent.mkdir(parents=True, exist_ok=True)
    if (root / job.name).exists():
        (root / job.name).rename(away)
    else:
        away.mkdir()
    for suffix in (".json", ".log"):
        if (file := path_of(root, job.name, suffix)).exists():
            file.rename(away / f"job{suffix}")
    return away


def put_back(root: Path, away: Path, name: str) -> None:
    """Undo `put_away`."""
    for suffix in (".json", ".log"):
        if (file := away / f"job{suffix}").exists():
            file.rename(path_of(root, name, suffix))
    away.rename(root / name)
