"""Several processes: with the same noise the path of one, agreed from start to end, and nothing lost when one stops."""

import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers import in_processes
from helpers.noise import Given
from helpers.recipes import TRANSLATORS, extractor, make, shrink

from pretrained import checkpoint
from pretrained.config import Config
from pretrained.system.errors import InputError
from trainer import distributed
from trainer.__main__ import main
from trainer.methods.recipes import RECIPES

ROOT = Path(__file__).parents[3]
# Options of other losses that depend on the whole batch.
MORE = {"dragan": ("dcgan-plain", {"loss": "dragan"}), "wgan-gp": ("dcgan-plain", {"loss": "wgan-gp"})}
# At test size their rounds are those of another recipe.
OTHERS = "dcgan-fashion dcgan-signs dcgan-64 progan-64 fastgan-64 r3gan-64 labels-facades cyclegan-256 cut-256"
OTHERS += " style-starry-night style-wave style-composition dncnn-photos"
# So that another phase begins after the first round.
PHASES = {
    "srgan-x4": {"mse_kimg": 0.008},
    "pose-figures": {"l1_kimg": 0.008},
    "stackgan-emoji": {"stage_one_kimg": 0.008},
    "progan-mnist": {"stable_kimg": 0.008, "fade_kimg": 0.016},
    "stylegan-mnist": {"penalty_every": 2},
}
CASES = {name: (name, PHASES.get(name, {})) for name in RECIPES if name not in OTHERS.split()} | MORE
pytestmark = pytest.mark.timeout(900)  # of a busy machine
RUNNING: list[subprocess.Popen[str]] = []
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


def environment(**more):
    """Without what torchrun has set, and with few threads."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1", **kept, **more}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(autouse=True)
def leaves_nothing():
    """Ends what a test that fails leaves running."""
    yield
    while RUNNING:
        if (process := RUNNING.pop()).poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()


def start(*words, folders, count=2):
    """Python in `count` processes as torchrun would start them, on a machine each, in these folders."""
    port, started = str(free_port()), []
    for rank, folder in zip(range(count), folders, strict=True):
        values = str(rank), str(count), "0", "127.0.0.1", port
        process = subprocess.Popen(
            [sys.executable, *map(str, words)],
            cwd=folder,
            env=environment(**dict(zip(VARIABLES, values))),
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        RUNNING.append(process)
    return started


def finish(processes):
    """What each has said on stderr."""
    said = [process.communicate(timeout=600)[1] for process in processes]
    return [process.returncode for process in processes], said


def wait_for(path, *processes):
    deadline = time.monotonic() + 400
    while not path.exists():
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process in processes)
        time.sleep(0.05)


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """All cases at test size."""
    folder = tmp_path_factory.mktemp("plan")
    method, _ = make("dcgan-mnist")  # for an encoder
    checkpoint.save(folder, method.G, Config(name="generator", training={}, **method.checkpoint()), torch.float32)
    made = {}
    for case, (name, options) in CASES.items():
        given = extractor(folder, RECIPES[name]) if name in TRANSLATORS else {}
        given |= {"generator": str(folder)} if hasattr(RECIPES[name].options, "generator") else {}
        made[case] = shrink(name, **options, **given)
    return made


@pytest.fixture(scope="module")
def seen(plan, tmp_path_factory):
    """What two processes have seen: noise, losses and weights of each."""
    folder = tmp_path_factory.mktemp("processes")
    (folder / in_processes.PLAN).write_bytes(pickle.dumps(plan))
    statuses, said = finish(start("-m", "helpers.in_processes", folder, folders=[folder] * 2))
    assert statuses == [0, 0], said
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("case", CASES)
def test_with_the_same_noise_two_processes_are_one(plan, seen, case, monkeypatch):
    first, second = (of_process[case] for of_process in seen)
    assert all(value.equal(second["weights"][name]) for name, value in first["weights"].items())
    assert first["resumes"]
    assert second["resumes"]
    assert not first["noise"] or not all(a.equal(b) for a, b in zip(first["noise"], second["noise"], strict=True))
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    try:
        trainer = in_processes.make(plan[case])
        with Given(first["noise"], second["noise"]) as given:
            losses = in_processes.steps(trainer)
    finally:
        torch.set_default_dtype(torch.float32)
    assert not given.drawn
    for ours, *theirs in zip(losses, first["losses"], second["losses"], strict=True):
        assert ours == pytest.approx({name: sum(part[name] for part in theirs) / 2 for name in ours}, rel=1e-6)
    for name, weight in trainer.method.state_dict().items():
        torch.testing.assert_close(weight, first["weights"][name], rtol=1e-6, atol=1e-7)


EXCHANGES = """
import datetime, sys, time
from pathlib import Path
import torch, torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from trainer import distributed
from trainer.distributed import gradients

class D(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks, self.score, self.unused = nn.Linear(4, 4), nn.Linear(4, 1), nn.Linear(2, 2)
    def match(self, x):
        return self.score(self.blocks(x).tanh())

def penalty(D, x):
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(D.match(x).sum(), x, create_graph=True)
    return gradient.square().sum() + D.match(x).mean()

def flat(D):
    return torch.cat([weight.grad.flatten() for weight in D.parameters() if weight.grad is not None])

def means_are_right(bucket_bytes, num_buckets):
    torch.manual_seed(0)
    ours, theirs = D(), DistributedDataParallel(D())
    theirs.module.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, 4)
    gradients.BUCKET_BYTES = bucket_bytes
    mean = distributed.GradientMean(ours.parameters())
    learnt = [*ours.blocks.parameters(), *ours.score.parameters()]
    for _ in range(2):
        ours.zero_grad(set_to_none=True)
        alone = torch.autograd.grad(sum(penalty(ours, part) for part in x) / 2, learnt)
        with mean:
            penalty(ours, x[distributed.rank()]).backward(inputs=learnt)
        torch.testing.assert_close(flat(ours), torch.cat([gradient.flatten() for gradient in alone]))
    penalty(theirs.module, x[distributed.rank()]).backward()
    both = distributed.gather(flat(theirs)[None])
    assert not torch.allclose(both[0], both[1]), "DistributedDataParallel has been armed without its forward"
    assert len(mean.buckets) == num_buckets, len(mean.buckets)

def prepare():
    if not distributed.rank():
        time.sleep(1.5)
        made.touch()
    return made.exists()

join, made = dist.init_process_group, Path(sys.argv[1])
dist.init_process_group = lambda *args, **more: join(*args, **more, timeout=datetime.timedelta(seconds=1))
with distributed.group(2):
    means_are_right(25 << 20, 1)
    means_are_right(20, 5)
    whole = torch.arange(8).view(4, 2)
    part = distributed.local_slice(4)
    assert distributed.roll(whole[part]).equal(whole.roll(1, 0)[part])
    assert distributed.rank_zero_first(prepare), "it did not wait as long as the first takes"
    distributed.check_same("this", 1)
    try:
        distributed.check_same("`size`", distributed.rank())
    except distributed.Agreed as error:
        assert "`size` of process 1 differs from that of process 0" in str(error)
    else:
        raise AssertionError
"""


def test_gradients_are_means_and_processes_wait_and_compare(tmp_path):
    """Means also of penalties and of networks that are entered by their parts, which DistributedDataParallel leaves."""
    (tmp_path / "exchanges.py").write_text(EXCHANGES)
    statuses, said = finish(start(tmp_path / "exchanges.py", tmp_path / "made", folders=[tmp_path] * 2))
    assert statuses == [0, 0], said


TINY = ["--data", "fake", "--size", "16", "--batch-size", "8", "--width", "4", "--device", "cpu", "--threads", "1"]
WORDS = ["-m", "trainer", "vae-mnist", *TINY, "--decay", "0", "--out", "run"]


def kimg(folder):
    return [json.loads(line)["kimg"] for line in (folder / "run" / "log.jsonl").read_text().splitlines()]


@pytest.mark.skipif(sys.platform != "linux", reason="stops processes as Linux does")
def test_two_machines_agree_when_one_stops_when_they_resume_and_when_they_end(tmp_path, monkeypatch):
    """Each has a folder of its own, and only the first writes."""
    a, b = tmp_path / "a", tmp_path / "b"
    for folder in (a, b):
        folder.mkdir()
    long = [*WORDS, "--kimg", "100", "--snapshots", "200"]
    stopped, other = start(*long, "--dist-timeout", "8", folders=[b, a])
    wait_for(b / "run" / "snapshots", stopped, other)
    stopped.send_signal(signal.SIGSTOP)
    (status,), (said,) = finish([other])
    assert status == 1
    assert said.splitlines()[-1] == (
        "ganvas: process 0 has not answered for 8 s (--dist-timeout); everything is saved up to the last snapshot: "
        "continue with --resume"
    )
    stopped.kill()
    stopped.communicate()
    assert not (a / "run").exists()

    first, second = start(*long, "--resume", folders=[a, b])  # the second has what was saved
    wait_for(a / "run" / "log.jsonl", first, second)
    second.send_signal(signal.SIGTERM)  # one of them
    sent = time.monotonic()
    statuses, said = finish([first, second])
    assert time.monotonic() - sent < 30
    assert statuses == [128 + signal.SIGTERM] * 2
    assert all("process 0 has no state of this run: going on from that of process 1" in text for text in said)
    for text in said:
        assert re.fullmatch(
            r"ganvas: stopped at [\d.]+ kimg, everything is saved; resume with: torchrun --nproc-per-node 2 -m trainer "
            r"vae-mnist .* --resume",
            text.splitlines()[-1],
        )
    training = checkpoint.read_config(a / "run" / checkpoint.MODEL).training
    assert training["processes"] == {"count": 2, "machines": 1, "backend": "gloo"}
    assert training["command"].startswith("torchrun --nproc-per-node 2 -m trainer vae-mnist")
    assert "| Processes | count 2, machines 1, backend gloo |" in (a / "run" / "README.md").read_text()
    reached = training["kimg"]

    monkeypatch.chdir(a)  # and on in one process
    monkeypatch.setattr(signal, "set_wakeup_fd", lambda _: pytest.fail("nothing is watched in one process"))
    main([*WORDS[2:], "--kimg", str(reached + 0.08), "--resume"])
    assert kimg(a)[-1] == pytest.approx(reached + 0.08)
    assert "processes" not in checkpoint.read_config(a / "run" / checkpoint.MODEL).training


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_torchrun_on_two_machines_goes_on_by_itself_after_a_kill(tmp_path):
    meet = ["--nnodes", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--rdzv-id", "1"]
    words = ["--max-restarts", "2", *WORDS, "--kimg", "1.6", "--snapshots", "8"]
    command = [sys.executable, "-m", "torch.distributed.run", *meet, *words]
    logs = [tmp_path / "first.log", tmp_path / "second.log"]
    agents = []
    for log in logs:
        with log.open("w") as stderr:
            agents.append(subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=stderr))
    RUNNING.extend(agents)
    wait_for(tmp_path / "run" / "log.jsonl", *agents)
    (child,) = Path(f"/proc/{agents[1].pid}/task/{agents[1].pid}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    before = kimg(tmp_path)[-1]
    statuses = [agent.wait(600) for agent in agents]
    said = "".join(log.read_text() for log in logs)
    assert statuses == [0, 0], said
    assert before < 1.6
    assert kimg(tmp_path) == sorted(kimg(tmp_path))
    assert kimg(tmp_path)[-1] == 1.6
    training = checkpoint.read_config(tmp_path / "run" / checkpoint.MODEL).training
    assert training["processes"]["machines"] == 2
    expected = (
        "torchrun --nnodes 2 --rdzv-backend c10d --rdzv-endpoint HOST:PORT --nproc-per-node 1 --max-restarts 2 -m"
    )
    assert training["command"].startswith(expected)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"RANK": "0"}, "sets RANK without WORLD_SIZE and MASTER_ADDR and MASTER_PORT: start several"),
        ({"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "a"}, "without MASTER_PORT"),
        (dict.fromkeys(VARIABLES, "2"), "RANK must be a number below WORLD_SIZE, got 2 and 2"),
    ],
)
def test_a_part_of_torchruns_variables_is_a_sentence(monkeypatch, capsys, given, words):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main(["dcgan-mnist", "--data", "fake", "--dry-run"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_a_batch_that_cannot_be_shared_is_a_sentence(monkeypatch):
    for name, value in zip(VARIABLES, ("0", "3", "0", "127.0.0.1", "1")):
        monkeypatch.setenv(name, value)
    words = "`batch_size` must be a multiple of the 3 processes, got 8"
    with pytest.raises(InputError, match=words), distributed.group(8):
        pass


def test_a_comparison_is_made_in_one_process(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit) as ended:
        main(["compare", "dcgan-mnist", "--losses", "hinge"])
    assert ended.value.code == 2
    assert "run it without torchrun" in capsys.readouterr().err
