"""--hf-job: the same training on the hardware of Hugging Face Jobs, by the hour, and its result back in --out."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from pretrained import hub
from pretrained.hub.errors import as_input_error, retry
from pretrained.hub.files import has_digest
from pretrained.run_files import LOCK
from pretrained.system.errors import InputError
from pretrained.system.files import locked
from pretrained.system.signals import Stopped
from trainer.cli import hf_inputs, hf_runner
from trainer.cli.hf_runner import INPUTS, ORDER, RESULT, SOURCE, WORK
from trainer.cli.parse import Command
from trainer.data.sets.named import NAMED
from trainer.loop.run_folder import Run
from trainer.loop.trainer import Trainer

if TYPE_CHECKING:
    from huggingface_hub import JobHardwareInfo, JobInfo

REPOSITORY = "ganvas-jobs"  # a private dataset repository in the user's account
LABEL = "ganvas"  # of a job: its folder in that repository
IMAGE = "ghcr.io/astral-sh/uv:python3.12-bookworm"  # the one that huggingface_hub runs uv scripts in
MOUNT = "/job"
SPARE_HOURS = 0.5  # to install before the training, and to send the result after it
HOURS = {"second": 1 / 3600, "minute": 1 / 60, "hour": 1.0}  # in a unit that the Hub charges by
SERVICE = "Hugging Face Jobs"


class Failed(Exception):
    """A job ended without a finished training."""


@dataclass(frozen=True)
class Follow:
    """Follow the log of a training that --hf-job has started, and fetch its result."""

    id: Annotated[str, tyro.conf.Positional]
    """The job, as --hf-job has printed it, or as `hf jobs ls` lists it."""
    out: Path | None = None
    """Folder of the run. By default, one in runs/ that is named as the job."""


def run(command: Command, arguments: Sequence[str], folder: Path) -> str:
    """Say what a job costs, ask, start it, follow it, and fetch its result into `folder` -> what to say at the end.

    Raises:
        InputError: no token, no such hardware, data that cannot be used, or nobody to ask; nothing was sent.
        Failed: the job did not train to the end.
        Stopped: by Ctrl-C; the job goes on.
    """
    settings = command.settings
    if not (settings.yes or settings.dry_run or sys.stdin.isatty()):
        raise InputError("`hf_job` costs money, and there is no terminal to ask: add `yes`")
    repo_id = hub.check_writable(REPOSITORY)
    Run(folder, command.recipe, "").check(settings.resume)
    machine = _machine(settings.hf_job)
    paths = hf_inputs.named(command)
    if command.recipe.data not in NAMED and not command.recipe.data.startswith("hub:"):
        Trainer(command.recipe, replace(settings, device="cpu")).show_data()
    inputs = {WORK / place: path for place, path in hf_inputs.files(paths).items()}
    inputs |= {RESULT / place: path for place, path in hf_inputs.kept(folder).items()}
    num_bytes = sum(path.stat().st_size for path in inputs.values())
    print(
        f"{settings.hf_job}: {_hardware(machine)}\n{_price(machine, settings.hf_job_hours)}\n"
        f"the code and {len(inputs)} files of {num_bytes / 1e6:,.1f} MB go to your private repository "
        f"datasets/{repo_id}, where the result is fetched from; your token is a secret of the job",
        file=sys.stderr,
    )
    if settings.dry_run:
        return "nothing was sent"
    if not settings.yes and not _agreed("Start it? [y/N] "):
        raise InputError("not started: nothing was sent")
    called = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name)
    name = f"{called}-{time.strftime('%Y%m%d-%H%M%S')}"
    requirements = hf_inputs.requirements(command)
    order = {
        "arguments": hf_inputs.words(arguments, paths),
        "hours": settings.hf_job_hours,
        "repo_id": repo_id,
        "folder": name,
    }
    with tempfile.TemporaryDirectory() as place:
        packed = Path(place) / INPUTS
        hf_inputs.pack(packed, inputs)
        sent = {SOURCE: hf_inputs.source(requirements), ORDER: json.dumps(order).encode(), INPUTS: packed}
        commit = _send(repo_id, name, sent)
    job = _start(repo_id, name, commit, settings.hf_job, settings.hf_job_hours, requirements)
    print(f"job {job.id}: {job.url}", file=sys.stderr)
    return follow(job.id, folder)


def follow(id: str, folder: Path | None = None) -> str:
    """Print the log of a job until it ends, and fetch its result into `folder` -> what to say at the end.

    Raises:
        InputError: there is no such job, or the Hub cannot be reached; with the command that goes on.
        Failed: the job did not train to the end; what it has saved is fetched.
        Stopped: by Ctrl-C; the job goes on.
    """
    repo_id, api = hub.check_writable(REPOSITORY), hub.api()
    with as_input_error(f"job {id}"):
        job = retry(lambda: api.inspect_job(job_id=id))
    name = (job.labels or {}).get(LABEL, "")
    if Path(name).name != name or not name:
        raise InputError(f"job {id} was not started by `hf_job`")
    folder = folder or Path("runs") / name
    again = shlex.join(["python", "-m", "trainer", "job", id, "--out", str(folder)])
    try:
        with as_input_error(f"job {id}", remedy=f"the job may go on; follow it with: {again}"):
            _print_log(id)
            job = api.wait_for_job(id, poll_interval=2)
            is_fetched = _fetch(repo_id, name, folder)
    except KeyboardInterrupt:
        raise Stopped(
            f"the job may go on: {job.url}; follow it with: {again}; end it with: hf jobs cancel {id}", signal.SIGINT
        ) from None
    stays = f"what was sent stays in datasets/{repo_id} until: hf repos delete {repo_id} --type dataset"
    if job.status.stage == "COMPLETED" and is_fetched:
        return f"finished: {folder}; samples: {folder / 'samples.png'}; {stays}"
    ended = f"the job ended as {' '.join(filter(None, (job.status.stage, job.status.message)))}"
    if not is_fetched:
        raise Failed(f"{ended} and left no result: the end of its log says why, {job.url}")
    raise Failed(f"{ended}; what it has saved is in {folder}: go on with the same command and --resume; {stays}")


def _machine(name: str) -> JobHardwareInfo:
    with as_input_error(SERVICE):
        listed = {machine.name: machine for machine in retry(hub.api().list_jobs_hardware)}
    if name not in listed:
        raise InputError(f"`hf_job` must be one of {', '.join(listed)}, got {name}")
    return listed[name]


def _hardware(machine: JobHardwareInfo) -> str:
    gpu = machine.accelerator
    parts = [machine.pretty_name, machine.cpu, machine.ram]
    if gpu:
        parts.append(f"{gpu.quantity} {gpu.model} with {gpu.vram}")
        parts += [] if str(gpu.quantity) == "1" else ["of which one is used"]
    return ", ".join(parts)


def _price(machine: JobHardwareInfo, hours: float) -> str:
    """What it costs at most, as far as the unit that the Hub charges by is known."""
    stops = f"the training is stopped, and its result saved, after {hours:g} h"
    if machine.unit_label not in HOURS:
        return f"${machine.unit_cost_usd:.4g} per {machine.unit_label}; {stops}"
    hourly = machine.unit_cost_usd / HOURS[machine.unit_label]
    most = hourly * (hours + SPARE_HOURS)
    return f"${hourly:,.2f} an hour, at most ${most:,.2f}: {stops}, and the job {60 * SPARE_HOURS:g} min later at most"


def _agreed(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        return False


def _send(repo_id: str, name: str, files: dict[str, bytes | Path]) -> str:
    """Put a job's files into its folder of the private repository -> the commit."""
    from huggingface_hub import CommitOperationAdd

    api, what = hub.api(), {"repo_id": repo_id, "repo_type": "dataset"}

    def publish() -> str:
        api.create_repo(**what, private=True, exist_ok=True)
        if not api.dataset_info(repo_id).private:
            raise InputError(f"datasets/{repo_id} is public: make it private in its settings")
        operations = [CommitOperationAdd(f"{name}/{path}", data) for path, data in files.items()]
        return api.create_commit(**what, operations=operations, commit_message=f"Send {name}").oid

    with as_input_error(repo_id):
        return retry(publish, "publish")


def _start(repo_id: str, name: str, commit: str, flavor: str, hours: float, requirements: Sequence[str]) -> JobInfo:
    """Start the job; not tried twice, since an answer that was lost may have started one."""
    from huggingface_hub import Volume, get_token

    needed = " ".join(f"-r ganvas/{file}" for file in requirements)
    script = (
        f"python -m zipfile -e {MOUNT}/{SOURCE} ganvas && uv pip install --system --quiet {needed} && "
        f"PYTHONPATH=$PWD/ganvas exec python -m {hf_runner.__name__} {MOUNT}"
    )
    with as_input_error(SERVICE, remedy="see `hf jobs ls` before you repeat it"):
        return hub.api().run_job(
            image=IMAGE,
            command=["sh", "-c", script],
            flavor=flavor,
            secrets={"HF_TOKEN": get_token()},
            timeout=int((hours + SPARE_HOURS) * 3600),
            labels={LABEL: name},
            volumes=[Volume(type="dataset", source=repo_id, mount_path=MOUNT, revision=commit, path=name)],
        )


def _print_log(id: str) -> None:
    """Print each line of a job's log once, until the job ends."""
    num_lines = 0

    def stream() -> None:
        nonlocal num_lines
        for line in islice(hub.api().fetch_job_logs(job_id=id, follow=True), num_lines, None):
            num_lines += 1
            print("".join(letter for letter in line if letter.isprintable()), file=sys.stderr, flush=True)

    retry(stream, "publish")


def _fetch(repo_id: str, name: str, folder: Path) -> bool:
    """Download the result of a job, and move it to `folder` -> whether there is one."""
    api, prefix = hub.api(), f"{name}/{RESULT}/"
    info: Any = retry(lambda: api.dataset_info(repo_id, files_metadata=True))
    files = [file for file in info.siblings if file.rfilename.startswith(prefix)]
    if not files:
        return False
    busy = f"another process is training in {folder}: wait for it, or choose another `out`"
    with locked(folder / LOCK, busy), tempfile.TemporaryDirectory(dir=folder, prefix=".") as beside:
        how = {"repo_type": "dataset", "revision": info.sha, "local_dir": beside}
        for file in files:
            path = Path(retry(lambda name=file.rfilename: api.hf_hub_download(repo_id, name, **how), "fetch"))
            if not has_digest(path, file.lfs.sha256 if file.lfs else file.blob_id):
                raise OSError(f"{file.rfilename} of {repo_id} has another digest")
        for file in files:
            target = folder / file.rfilename.removeprefix(prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(beside) / file.rfilename, target)
    return True
