"""Several processes: the losses of one, weights alike in all, and nothing lost when one of them ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from pretrained.system.errors import InputError
from trainer import distributed
from trainer.__main__ import main

ROOT = Path(__file__).parents[3]
# Adam's first steps make 2e-4 of a loss out of float32's rounding, where a norm cancels a gradient. The last ones.
IN_DOUBLE = ("cyclegan-emoji", "dcgan-mnist", "vae-mnist", "progan-mnist", "stylegan-mnist", "srgan-x4")
# Dropout in D, an equilibrium, dropout in G; domains and a pool, batch normalisation, groups of images, a mean style.
ALIKE = ("gan-mnist", "began-64", "pix2pix-emoji", *IN_DOUBLE)
WORK = f"""
import os, sys; sys.path.insert(0, {str(ROOT / "tests")!r})
from pathlib import Path
import numpy, torch
from helpers.recipes import shrink, train
from pretrained.pipelines import generate
from trainer import distributed
from trainer.loop import train as loop

torch.set_num_threads(1)
kept = loop.Trainer.snapshot
def snapshot(self, run):
    kept(self, run)
    torch.save(self.method.state_dict(), run.folder.with_name(f"{{run.folder.name}}-{{distributed.rank()}}.pt"))
loop.Trainer.snapshot = snapshot
for word in sys.argv[2:]:
    name, os.environ["MASTER_PORT"] = word.split(":")
    if name in {IN_DOUBLE!r}:
        torch.set_default_dtype(torch.float64)
        torch.Tensor.float = torch.Tensor.double
        generate.np = type("np", (), vars(numpy) | {{"float32": numpy.float64}})  # of latents
    options = {{"perceptual": "none"}} if name == "srgan-x4" else {{}}
    train(shrink(name, **options), Path(sys.argv[1]) / name, precision="fp32")
"""


def environment():
    """Without what torchrun has set, and with few threads."""
    return {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        **{k: os.environ[k] for k in ("PATH", "HOME") if k in os.environ},
    }


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def torchrun(count, *words):
    how = [f"--nproc-per-node={count}", f"--master-port={free_port()}"]
    return [sys.executable, "-m", "torch.distributed.run", *how, *words]


def run(command, folder):
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stderr


def log(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in ("images/s", "seconds")} for line in lines]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same recipes in one process and in two."""
    folder = tmp_path_factory.mktemp("processes")
    (folder / "work.py").write_text(WORK)
    names = [f"{name}:{free_port()}" for name in ALIKE]
    for out, count in (("one", 1), ("two", 2)):
        places = [{"RANK": str(rank), "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1"} for rank in range(count)]
        command = [sys.executable, "work.py", out, *names]
        started = [subprocess.Popen(command, cwd=folder, env=environment() | place) for place in places]
        assert [process.wait(300) for process in started] == [0] * count
    return folder


@pytest.mark.parametrize("name", ALIKE)
def test_two_processes_have_the_losses_of_one(runs, name):
    one, two = (log(runs / count / name) for count in ("one", "two"))
    assert one
    assert len(one) == len(two)
    for ours, theirs in zip(one, two):
        assert ours == pytest.approx(theirs, rel=1e-4)  # the log has five digits


@pytest.mark.parametrize("name", ALIKE)
def test_all_processes_have_the_same_weights(runs, name):
    first, second = (torch.load(runs / "two" / f"{name}-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first.keys() == second.keys()
    assert all(first[key].equal(second[key]) for key in first)


def test_a_run_goes_on_with_another_number_of_processes(tmp_path):
    flags = ["--data", "fake", "--size", "16", "--batch-size", "8", "--width", "4", "--device", "cpu", "--threads", "1"]
    words = ["-m", "trainer", "stylegan-mnist", *flags, "--snapshots", "1"]
    run([sys.executable, *words, "--kimg", "0.16", "--out", "whole"], tmp_path)
    run(torchrun(2, *words, "--kimg", "0.08", "--out", "parts"), tmp_path)
    run([sys.executable, *words, "--kimg", "0.16", "--out", "parts", "--resume"], tmp_path)
    whole, parts = (log(tmp_path / name)[-1] for name in ("whole", "parts"))
    assert whole["kimg"] == parts["kimg"]
    assert re.search("python -m trainer stylegan", (tmp_path / "parts" / "README.md").read_text())


def children(process):
    """The training processes that torchrun has started."""
    listed = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(child) for child in listed]


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("rank", [0, 1])
def test_when_one_process_is_killed_the_other_ends_and_the_run_goes_on(tmp_path, rank):
    flags = ["--data", "fake", "--size", "16", "--batch-size", "8", "--width", "4", "--device", "cpu", "--threads", "1"]
    words = ["-m", "trainer", "vae-mnist", *flags, "--kimg", "2", "--snapshots", "50", "--out", "run"]
    started = subprocess.Popen(torchrun(2, *words), cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "log.jsonl").exists():
        assert time.monotonic() < deadline
        assert started.poll() is None
        time.sleep(0.05)
    os.kill(sorted(children(started.pid))[rank], signal.SIGKILL)
    errors = started.communicate(timeout=120)[1]
    assert started.returncode != 0
    assert "ganvas: another process has ended" in errors
    run(torchrun(2, *words, "--resume"), tmp_path)
    assert log(tmp_path / "run")[-1]["kimg"] == 2


PREPARE = """
import datetime, sys, time
from pathlib import Path
import torch.distributed as dist
from trainer import distributed

join, made = dist.init_process_group, Path(sys.argv[1])
dist.init_process_group = lambda backend: join(backend, timeout=datetime.timedelta(seconds=1))

def prepare():
    if not distributed.rank():
        time.sleep(2.5)
        made.touch()
    return made.exists()

with distributed.group(2):
    assert distributed.rank_zero_first(prepare)
"""


def test_all_wait_for_what_the_first_prepares_as_long_as_it_takes(tmp_path):
    (tmp_path / "prepare.py").write_text(PREPARE)
    words = torchrun(2, tmp_path / "prepare.py", tmp_path / "made")
    done = subprocess.run(words, env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert not done.returncode, done.stderr


def test_a_batch_that_cannot_be_shared_is_a_sentence(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    words = "`batch_size` must be a multiple of the 3 processes, got 8"
    with pytest.raises(InputError, match=words), distributed.group(8):
        pass


def test_a_comparison_is_made_in_one_process(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit) as ended:
        main(["compare", "dcgan-mnist", "--losses", "hinge"])
    assert ended.value.code == 2
    assert "run it without torchrun" in capsys.readouterr().err


DRAWS = {
    "randn": lambda count: torch.randn(count, 3),
    "two latents": lambda count: torch.randn(2, count, 3),
    "rand": lambda count: torch.rand(count),
    "randint": lambda count: torch.randint(-3, 4, (2, count, 1)),
    "like": lambda count: torch.randn_like(torch.zeros(count, 2)),
    "dropout": lambda count: torch.nn.functional.dropout(torch.ones(count, 4), 0.5),
}


@pytest.mark.parametrize("name", DRAWS)
def test_noise_is_that_of_the_whole_batch(monkeypatch, name):
    torch.manual_seed(0)
    whole = DRAWS[name](12)
    parts = []
    monkeypatch.setenv("WORLD_SIZE", "3")
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        torch.manual_seed(0)
        with distributed.shared_noise(12):
            parts.append(DRAWS[name](4))
            after = torch.rand(())
    assert torch.cat(parts, dim=1 if whole.shape[0] == 2 else 0).equal(whole)
    torch.manual_seed(0)
    DRAWS[name](12)
    assert after.equal(torch.rand(())), "all processes stay at the same place in the stream"


GRADIENTS = """
import sys
import torch, torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from trainer import distributed

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

def gradients(D):
    return torch.cat([weight.grad.flatten() for weight in D.parameters() if weight.grad is not None])

with distributed.group(2):
    torch.manual_seed(0)
    ours, theirs = D(), DistributedDataParallel(D())
    theirs.module.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, 4)
    distributed.BUCKET_BYTES = int(sys.argv[1])
    mean = distributed.GradientMean(ours.parameters())
    learnt = [*ours.blocks.parameters(), *ours.score.parameters()]
    for _ in range(2):
        ours.zero_grad(set_to_none=True)
        alone = torch.autograd.grad(sum(penalty(ours, part) for part in x) / 2, learnt)
        with mean:
            penalty(ours, x[distributed.rank()]).backward(inputs=learnt)
        torch.testing.assert_close(gradients(ours), torch.cat([gradient.flatten() for gradient in alone]))
    penalty(theirs.module, x[distributed.rank()]).backward()
    both = distributed.gather(gradients(theirs)[None])
    assert not torch.allclose(both[0], both[1]), "DistributedDataParallel has been armed without its forward"
    assert len(mean.buckets) == int(sys.argv[2]), len(mean.buckets)
"""


@pytest.mark.parametrize(("bucket_bytes", "num_buckets"), [(25 << 20, 1), (20, 5)])
def test_gradients_are_means_also_of_penalties_and_of_parts(tmp_path, bucket_bytes, num_buckets):
    """DistributedDataParallel leaves them as they are, since networks are entered by their parts."""
    (tmp_path / "gradients.py").write_text(GRADIENTS)
    run(torchrun(2, tmp_path / "gradients.py", str(bucket_bytes), str(num_buckets)), tmp_path)
