"""Captured rounds: those of plain steps to the bit, each phase by itself, resumed, and without a word to the host.

CUDA graphs are replaced by tapes (`helpers.tape`), which like them run no Python again.
"""

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.recipes import TRANSLATORS, extractor, shrink, train
from helpers.tape import NoScalars, StaysOnDevice, Tapes

from pretrained.system.errors import InputError
from trainer.loop import capture
from trainer.loop.capture import CapturedRounds, CudaGraphs
from trainer.loop.settings import Settings
from trainer.loop.trainer import Trainer
from trainer.methods.recipes import RECIPES

CPU = torch.device("cpu")
NUM_STEPS = 16
READS = [torch.Tensor.item, torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.cpu, bool, int]
# Phases that these recipes go through within so few batches of 8 images, by their number of rounds.
OPTIONS = {
    "dcgan-mnist": {"penalty_every": 2},
    "stylegan-mnist": {"penalty_every": 2},
    "stylegan-64": {"penalty_every": 2},
    "progan-mnist": {"stable_kimg": 0.04, "fade_kimg": 0.04},
    "progan-64": {"stable_kimg": 0.04, "fade_kimg": 0.04},
    "srgan-x4": {"mse_kimg": 0.064},
    "pose-figures": {"l1_kimg": 0.064},
    "stackgan-emoji": {"stage_one_kimg": 0.064},
}
PHASES = {
    "dcgan-mnist": {(False,): 8, (True,): 8},
    "stylegan-mnist": {False: 8, True: 8},
    "progan-mnist": {(0, False): 6, (1, True): 4, (1, False): 6},
    "srgan-x4": {True: 8, False: 8},
    "pose-figures": {True: 8, False: 8},
    "stackgan-emoji": {1: 8, 2: 8},
}
# Options of the other losses that change what a round is made of.
MORE = {
    "wgan-gp": ("dcgan-plain", {"loss": "wgan-gp"}),
    "wgan-gp, lazy": ("dcgan-plain", {"loss": "wgan-gp", "penalty_every": 2}),
    "dragan": ("dcgan-plain", {"loss": "dragan"}),
    "r3gan": ("dcgan-plain", {"loss": "r3gan"}),
    "reuse fakes": ("dcgan-plain", {"reuse_fakes": True}),
    "labels": ("stylegan-mnist", {"conditional": True, "penalty_every": 2}),
}
CASES = {**{name: (name, OPTIONS.get(name, {})) for name in RECIPES}, **MORE}


@pytest.fixture
def recipe(request, tmp_path, conditional_16):
    name, options = CASES[request.param]
    if hasattr(RECIPES[name].options, "generator"):
        options = options | {"generator": conditional_16}
    if name in TRANSLATORS:
        options = options | extractor(tmp_path, RECIPES[name])
    small = shrink(name, **options)
    kimg = NUM_STEPS * small.batch_size * make(small).method.num_batches / 1000
    return replace(small, kimg=kimg, decay=0.5)


@pytest.fixture(scope="module")
def conditional_16(tmp_path_factory):
    """The folder of a generator that encoders are learnt on."""
    folder = tmp_path_factory.mktemp("generator")
    train(shrink("dcgan-mnist", kimg=0.008), folder, snapshots=1)
    return str(folder)


def make(recipe):
    return Trainer(recipe, Settings(device="cpu", threads=1, precision="fp32"))


def make_captured(recipe):
    trainer = make(recipe)
    trainer.captured = CapturedRounds(trainer.method, trainer.batches, trainer.round, Tapes())
    return trainer


def leaves(state, name=""):
    if isinstance(state, torch.Tensor):
        yield name, state
    elif isinstance(state, dict):
        for key, value in state.items():
            yield from leaves(value, f"{name}.{key}")
    elif isinstance(state, list):
        for place, value in enumerate(state):
            yield from leaves(value, f"{name}.{place}")


@pytest.mark.parametrize("recipe", CASES, indirect=True)
def test_captured_rounds_are_plain_ones_to_the_bit_also_resumed(recipe, monkeypatch, request):
    monkeypatch.setattr(capture, "WARM_UP", 1)
    plain = make(recipe)
    expected = []
    for step in range(1, NUM_STEPS + 1):
        expected.append(plain.step())
        assert plain.batches.images_seen == step * plain.method.num_batches * recipe.batch_size
    seen, found = Counter(), []
    state = None
    for _ in range(2):
        captured = make_captured(recipe)
        if state:
            captured.load_state_dict(state)
        for _ in range(NUM_STEPS // 2):
            seen[captured.method.phase(captured.batches)] += 1
            found.append(captured.step())
        state = captured.state_dict()
        tapes = captured.captured.recorder
        assert tapes.num_played > 0
    assert tapes.num_recorded == len(captured.captured.captured)
    for step, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        assert ours.keys() == theirs.keys()
        assert all(ours[name].equal(theirs[name].float()) for name in ours), f"losses of step {step}"
    for (name, ours), (_, theirs) in zip(leaves(state), leaves(plain.state_dict()), strict=True):
        assert ours.equal(theirs), name
    if (phases := PHASES.get(request.node.callspec.id)) is not None:
        assert seen == phases


@pytest.mark.parametrize("recipe", CASES, indirect=True)
def test_a_round_says_nothing_to_the_host(recipe):
    trainer = make(recipe)
    rounds = CapturedRounds(trainer.method, trainer.batches, trainer.round, Tapes())
    seen = set()
    for step in range(12):
        phase = trainer.method.phase(trainer.batches)
        trainer.schedule()
        rounds.batches.load()
        if step and phase in seen:  # the first of a phase may make what stays: an optimiser's state, constants
            drawn = random.getstate(), np.random.get_state()[1].tolist()
            with StaysOnDevice(), NoScalars():
                trainer.round(rounds.batches)
            assert drawn == (random.getstate(), np.random.get_state()[1].tolist()), "the host has drawn"
        else:
            trainer.round(rounds.batches)
        seen.add(phase)


def test_what_python_decides_is_frozen_on_a_tape():
    """The stand-in would show a step that looks at values, or at what changes from step to step."""
    x, factor = torch.ones(3), [2.0]
    play, result = Tapes().record(lambda: (x * factor[0]).add_(torch.full((), factor[0])))
    play()
    assert result.tolist() == [4.0] * 3
    x.fill_(5.0)
    factor[0] = 7.0
    play()
    assert result.tolist() == [12.0] * 3


@pytest.mark.parametrize("read", READS)
def test_reading_a_value_back_is_noticed(read):
    with pytest.raises(AssertionError, match="waits for the device"), StaysOnDevice(), NoScalars():
        read(torch.ones((), device="cpu"))


def test_a_phase_that_cuda_refuses_goes_on_uncaptured(capsys):
    class Refuses(Tapes):
        def record(self, work):
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

    recipe = shrink("dcgan-mnist")
    plain = make(recipe)
    for _ in range(6):
        plain.step()
    captured = make(recipe)
    captured.captured = CapturedRounds(captured.method, captured.batches, captured.round, Refuses(), falls_back=True)
    for _ in range(6):
        captured.step()
    for (name, ours), (_, theirs) in zip(leaves(captured.state_dict()), leaves(plain.state_dict()), strict=True):
        assert ours.equal(theirs), name
    said = capsys.readouterr().err
    assert said.count("no longer captured") == 1
    assert "operation not permitted when stream is capturing" in said
    strict = make(recipe)
    strict.captured = CapturedRounds(strict.method, strict.batches, strict.round, Refuses())
    with pytest.raises(RuntimeError, match="not permitted"):
        [strict.step() for _ in range(6)]


def test_on_without_cuda_is_a_sentence_and_auto_is_silent(monkeypatch):
    with pytest.raises(InputError, match="`cuda_graphs` on is not possible, since the device is no CUDA GPU"):
        Trainer(shrink("dcgan-mnist"), Settings(device="cpu", threads=1, cuda_graphs="on"))
    notes = []
    assert not capture.is_wanted("auto", CPU, notes)
    assert notes == []
    assert capture.is_wanted("auto", torch.device("cuda"), notes)
    assert not capture.is_wanted("off", torch.device("cuda"), notes)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not capture.is_wanted("auto", torch.device("cuda"), notes)
    assert "between several processes" in notes[0]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("recipe", CASES, indirect=True)
def test_graphs_have_the_losses_of_plain_steps(recipe):
    """What draws is alike, so the losses are but for the order in which some kernels add."""
    runs = []
    for cuda_graphs in ("off", "on"):
        trainer = Trainer(recipe, Settings(device="cuda", precision="fp32", cuda_graphs=cuda_graphs))
        assert (trainer.captured is not None) == (cuda_graphs == "on")
        if trainer.captured:
            assert isinstance(trainer.captured.recorder, CudaGraphs)
        steps = [trainer.step() for _ in range(NUM_STEPS)]
        runs.append([{name: value.item() for name, value in terms.items()} for terms in steps])
    for plain, captured in zip(*runs):
        assert captured == pytest.approx(plain, rel=1e-2, abs=1e-3)
