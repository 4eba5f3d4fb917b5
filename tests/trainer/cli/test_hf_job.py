"""--hf-job: asked for, sent, run and fetched; on the local Hub, which runs the job's command on this machine."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from helpers.hub_client import Client, HubClient
from helpers.hub_jobs import HARDWARE
from huggingface_hub import JobHardwareInfo
from PIL import Image

from pretrained import checkpoint
from pretrained.system.errors import InputError
from trainer.__main__ import main
from trainer.cli import hf_inputs, hf_job, hf_runner
from trainer.cli.parse import parse

TINY = "dcgan-plain --size 16 --width 4 --z-dim 8 --batch-size 8 --device cpu --threads 1".split()


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "my photos"
    folder.mkdir()
    for number in range(12):
        levels = np.random.RandomState(number).randint(0, 255, (20, 20, 3), np.uint8)
        Image.fromarray(levels).save(folder / f"{number}.png")
    (folder / "notes.odt").write_text("mine")
    return folder


def test_a_run_goes_on_there_and_comes_back(hub: HubClient, photos: Path):
    run = photos.parent / "run"
    main([*TINY, "--data", str(photos), "--kimg", "0.016", "--out", str(run)])
    hub.hub.fail("GET .*/logs", 503)
    command = ["-m", "trainer", *TINY, f"--data={photos}", "--kimg", "0.032", "--out", run, "--resume"]
    flags = "--hf-job cpu-basic --yes --push-to-hub --repo-id alice/remote --private".split()
    done = hub.run(*command, *flags, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "$0.01 an hour, at most $0.07: the training is stopped, and its result saved, after 6 h" in done.stderr
    assert "12 pictures" in done.stderr or "12 images" in done.stderr
    assert done.stderr.count("alice/remote") == 1  # each line of the log once, although it broke
    assert f"finished: {run}" in done.stderr
    config = checkpoint.read_config(run / "model.safetensors")
    assert config.training["kimg"] == 0.032
    assert "--data 'my photos'" in config.training["command"]
    assert "hf-job" not in config.training["command"]
    assert [json.loads(line)["kimg"] for line in (run / "log.jsonl").read_text().splitlines()] == [0.016, 0.032]
    assert hub.hub.content("alice/remote", "model.safetensors") == (run / "model.safetensors").read_bytes()
    assert hub.hub.repos["models/alice/remote"]["private"]
    assert hub.hub.repos["datasets/alice/ganvas-jobs"]["private"]
    (job,) = hub.hub.jobs.values()
    assert job.spec["secrets"] == {"HF_TOKEN": hub.token}
    assert job.spec["timeoutSeconds"] == 6.5 * 3600
    sent = [*hub.hub.head("datasets/alice/ganvas-jobs")["files"]]
    written = [hub.hub.content("alice/ganvas-jobs", name, "datasets") for name in sent]
    written += [path.read_bytes() for path in run.rglob("*") if path.is_file()]
    assert not any(hub.token.encode() in data for data in written)
    assert hub.token not in done.stderr + done.stdout + json.dumps(job.info()) + "".join(job.lines)


def run(arguments: list[str], out: Path) -> str:
    """An expression for the client."""
    job, parsing = (f"__import__('trainer.cli.{name}', fromlist=['x'])" for name in ("hf_job", "parse"))
    return f"{job}.run({parsing}.parse({arguments}), {arguments}, Path({str(out)!r}))"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("--hf-job cpu-basic", "`hf_job` costs money, and there is no terminal to ask: add `yes`"),
        ("--hf-job t5 --yes", "`hf_job` must be one of cpu-basic, l4x4, got t5"),
        ("--hf-job l4x4 --yes --data nowhere", "nowhere"),
        ("--hf-job l4x4 --yes --out taken", "`out` must be an empty folder"),
    ],
)
def test_nothing_is_sent_before_all_is_known(client: Client, photos: Path, typed: str, words: str):
    taken = photos.parent / "taken"
    taken.mkdir()
    (taken / "mine.txt").touch()
    arguments = [*TINY, *typed.replace("taken", str(taken)).split()]
    out = taken if "--out" in typed else photos.parent / "run"
    assert words in client.error(run(arguments, out))
    assert not client.hub.repos
    assert not client.hub.jobs


def test_a_trial_sends_nothing(client: Client, photos: Path):
    arguments = [*TINY, "--data", str(photos), "--hf-job", "l4x4", "--dry-run"]
    assert client.value(run(arguments, photos.parent / "run")) == "nothing was sent"
    assert not client.hub.repos


@pytest.mark.parametrize(
    ("machine", "words", "price"),
    [
        (0, "CPU Basic, 2 vCPU, 16 GB", "$0.01 an hour, at most $0.02: the training is stopped"),
        (1, "4 L4 with 96 GB, of which one is used", "$3.80 an hour, at most $5.70: the training is stopped"),
    ],
)
def test_what_is_said_of_a_machine(machine: int, words: str, price: str):
    info = JobHardwareInfo(**HARDWARE[machine])
    assert words in hf_job._hardware(info)
    assert price in hf_job._price(info, 1)
    info.unit_label = "moon"
    assert "per moon; the training is stopped, and its result saved, after 1 h" in hf_job._price(info, 1)


def test_the_command_line_on_the_job(photos: Path):
    Path("starry.png").write_bytes((photos / "0.png").read_bytes())
    letters = Path("sets/letters/A")
    letters.mkdir(parents=True)
    (letters / "x.png").write_bytes((photos / "0.png").read_bytes())
    for typed, words, files in (
        (
            "style-transfer --data=my\\ photos/ --style starry.png --yes",
            "style-transfer --data 'my photos' --style starry.png",
            13,
        ),
        ("letters --data-root sets --out runs/x --seed 3", "letters --seed 3", 1),
        ("dcgan-mnist --hf-job t4-small --preview x.png", "dcgan-mnist", 0),
        (f"dcgan-64 --data {shlex.quote(str(photos))}", "dcgan-64 --data 'my photos'", 12),
    ):
        arguments = shlex.split(typed)
        paths = hf_inputs.named(parse(arguments))
        assert shlex.join(hf_inputs.words(arguments, paths)) == words
        assert len(hf_inputs.files(paths)) == files
    paths = hf_inputs.named(parse(["letters", "--data-root", "sets"]))
    assert [*hf_inputs.files(paths)] == [Path("data/letters/A/x.png")]


def test_two_inputs_of_one_name(tmp_path: Path):
    with pytest.raises(InputError, match="two files or folders are called x"):
        hf_inputs.places({"/a/x": Path("/a/x"), "/b/x": Path("/b/x")})


def test_a_bar_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]):
    written = b"begins\n\r 0%|\r 1%|\r 2%|\r   \rwarning\n\r100%|\nends\n"
    hf_runner.relay(io.BytesIO(written))
    assert capsys.readouterr().out.splitlines() == ["begins", " 0%|", "warning", "100%|", "ends"]
