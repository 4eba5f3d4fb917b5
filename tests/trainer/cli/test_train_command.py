"""python -m trainer as a user types it; each mistake is one line that names the flag, exit status 2."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pretrained import checkpoint
from trainer.__main__ import COMMANDS, main
from trainer.cli.parse import parse
from trainer.methods.recipes import RECIPES

TINY = "--data fake --size 16 --width 4 --z-dim 8 --batch-size 8 --kimg 0.064 --device cpu --threads 1".split()
PLAIN = ["dcgan-plain", *TINY]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def error(capsys, *arguments):
    """The one line that a mistake is answered with."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("dcgan-mnits", ["dcgan-mnits", "did you mean dcgan-mnist", "--help"]),
        ("--los hinge", ["--los", "--loss"]),
        ("--loss hing", ["--loss", "hinge", "wgan-gp"]),
        ("--kimg many", ["--kimg", "many"]),
        ("--kimg 0", ["--kimg must be > 0, got 0.0"]),
        ("--kimg inf", ["--kimg", "got inf"]),
        ("--kimg nan", ["--kimg", "got nan"]),
        ("--seed -1", ["--seed", "got -1"]),
        ("--threads -1", ["--threads", "got -1"]),
        (f"--out {'x' * 300}", ["cannot write", "too long"]),
        ("--batch-size 0", ["--batch-size", "1 to"]),
        ("--learning-rate 3", ["--learning-rate"]),
        ("--size 50", ["50", "multiple of 8"]),
        ("--data nowhere", ["--data", "nowhere", "mnist", "folder"]),
        ("--loss hinge --real-label 0.9", ["--real-label", "non-saturating"]),
        ("--device tpu", ["--device", "cpu"]),
        ("--out taken.txt", ["--out", "folder"]),
        ("--out full", ["--out", "other files"]),
        ("progan-64 --size 96x64", ["--size must be one number", "square"]),
        ("push nothing", ["nothing"]),
        ("push", ["Folder of the run"]),
    ],
)
def test_mistakes(capsys, elsewhere, typed, words):
    (elsewhere / "taken.txt").write_text("mine")
    (elsewhere / "full").mkdir()
    (elsewhere / "full" / "mine.txt").write_text("mine")
    data = [] if "--data" in typed or typed.startswith("push") else ["--data", "fake"]
    line = error(capsys, *shlex.split(typed), *data)
    assert any(word in line for word in words[-1:]), line
    assert all(word in line for word in words[:-1]), line
    assert not (elsewhere / "runs").exists()


def test_an_empty_folder_of_images(capsys, elsewhere):
    (elsewhere / "empty").mkdir()
    assert "holds no images" in error(capsys, "--data", "empty")


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["dcgan-mnist", "--help"])
    assert not ended.value.code
    text = capsys.readouterr().out
    assert "None" not in text
    for flag in ("--loss", "--kimg", "--width", "--real-label", "--resume", "--push-to-hub", "--data-root"):
        assert flag in text


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_commands_and_recipes(capsys, flag):
    main([flag])
    text = capsys.readouterr().out
    names = [line.split()[0] for line in text.splitlines() if line.startswith("  ")]
    assert names[1 : 1 + len(COMMANDS) + len(RECIPES)] == [*COMMANDS, *RECIPES]
    assert "RECIPE --help" in text


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("", None),
        ("--diffaugment", True),
        ("--diffaugment --kimg 1", True),
        ("--no-diffaugment", False),
        ("--diffaugment True", True),
        ("--diffaugment False", False),
    ],
)
def test_a_switch_that_may_be_unset(typed, value):
    assert parse(["dcgan-mnist", *typed.split()]).recipe.options.diffaugment is value


def test_a_switch_takes_nothing_else(capsys):
    assert "--diffaugment" in error(capsys, "--diffaugment", "maybe")


def test_list(capsys):
    main(["--list"])
    lines = capsys.readouterr().out.splitlines()
    blocks = [lines[place : place + 3] for place in range(0, len(lines), 3)]
    assert [first.split()[0] for first, *_ in blocks] == list(RECIPES)
    for (first, second, third), recipe in zip(blocks, RECIPES.values()):
        assert recipe.summary in first
        assert (recipe.result or "nobody has trained it") in second
        assert f"data: {recipe.data}, " in third
    said = {recipe.name: third for (*_, third), recipe in zip(blocks, RECIPES.values())}
    assert "downloaded" in said["dcgan-mnist"]
    assert "npm package @nouns/assets" in said["nouns"]
    assert "no set is called pictures" in said["srgan-x4"]


def test_a_result_names_its_time():
    assert not [recipe.name for recipe in RECIPES.values() if recipe.result and " min on " not in recipe.result]


def test_dry_run_prints_everything_and_writes_nothing(capsys, elsewhere):
    main([*PLAIN, "--dry-run", "--loss", "wgan-gp"])
    plan = json.loads(capsys.readouterr().out)
    assert plan["recipe"]["loss"] == "wgan-gp"
    assert plan["recipe"]["size"] == 16
    assert plan["parameters"]["G"] == 8 * 16 * 8 + 16 + (8 * 4 * 16 + 8) + (4 * 16 + 1)
    assert plan["out"] == "runs/dcgan-plain"
    assert plan["data"]["pictures"] == 1024
    assert not (elsewhere / "runs").exists()


@pytest.mark.parametrize(
    ("recipe", "how"),
    [("letters", "get or make it"), ("dcgan-mnist", "when training begins"), ("style-transfer", "images of your own")],
)
def test_a_dry_run_needs_no_data(capsys, elsewhere, recipe, how):
    main([recipe, "--dry-run", "--kimg", "7"])
    plan = json.loads(capsys.readouterr().out)
    assert plan["recipe"]["kimg"] == 7
    assert how in plan["data"]["absent"]
    assert not any(elsewhere.iterdir())


def test_what_a_short_training_says(capsys, elsewhere, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)  # or there is no bar
    main([*PLAIN, "--kimg", "0.01"])
    said = capsys.readouterr().err
    assert "shapes after about 30 thousand images: this training ends before that, since --kimg is 0.01" in said
    assert "of what real images do: they are grey, noise or all alike" in said
    assert max(map(int, re.findall(r"(\d+)%\|", said))) == 100  # the last batch goes beyond the end
    card = (elsewhere / "runs/dcgan-plain/README.md").read_text()
    (command,) = re.findall(r"^python -m (pretrained sample .*)$", card, re.M)
    assert shlex.split(command)[2] == "runs/dcgan-plain"
    assert checkpoint.read_config(Path(shlex.split(command)[2]) / "model.safetensors").training["kimg"] == 0.016


def test_train_then_refuse_then_resume(capsys, elsewhere):
    main(PLAIN)
    folder = elsewhere / "runs" / "dcgan-plain"
    config = checkpoint.read_config(folder / "model.safetensors")
    assert config.training["kimg"] == 0.064
    assert config.training["command"] == shlex.join(["python", "-m", "trainer", *PLAIN])
    capsys.readouterr()
    assert "--resume" in error(capsys, *PLAIN)
    longer = [*PLAIN, "--kimg", "0.128", "--resume"]
    main(longer)
    config = checkpoint.read_config(folder / "model.safetensors")
    assert config.training["kimg"] == 0.128
    assert "--resume" not in config.training["command"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(elsewhere, number):
    command = [sys.executable, "-m", "trainer", *TINY, "--kimg", "1000"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    log = elsewhere / "runs/dcgan-mnist/log.jsonl"
    deadline = time.monotonic() + 120
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + number, errors
    assert "resume with: python -m trainer" in errors
    assert "--resume" in errors
    assert "Traceback" not in errors
    stopped_at = checkpoint.read_config(elsewhere / "runs/dcgan-mnist/model.safetensors").training["kimg"]
    assert stopped_at > 0.3


def test_pushing_without_a_token_is_refused_before_training(capsys, elsewhere, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(elsewhere / "hf"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert "token" in error(capsys, *TINY, "--push-to-hub").lower()
    assert not (elsewhere / "runs").exists()


def test_licences_reach_the_model_card(elsewhere):
    main([*TINY, "--data-licence", "my own photographs", "--licence", "cc-by-4.0"])
    card = (elsewhere / "runs" / "dcgan-mnist" / "README.md").read_text()
    assert "license: cc-by-4.0" in card
    assert "| Licence of the data | my own photographs |" in card
