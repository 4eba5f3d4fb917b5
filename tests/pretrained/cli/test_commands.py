"""python -m pretrained: what it writes, what it prints, and what it says about a mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.small import save_small
from helpers.written import complaint, read_film, read_png
from PIL import Image

import pretrained
from pretrained import networks
from pretrained.__main__ import main
from pretrained.inputs.seeds import parse_seeds
from pretrained.media.images import enlarge, grid
from pretrained.pipelines import image_grid
from pretrained.system.errors import InputError

ROOT = Path(__file__).parents[3]


def run(*command: str, **options) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True, check=False, **options)


def test_sample_writes_the_images_of_the_pipeline_and_how_they_were_made(model, tmp_path, capsys):
    out = tmp_path / "grid.png"
    main(
        [
            "sample",
            model,
            "--seeds",
            "3,7-10",
            "--columns",
            "2",
            "--scale",
            "3",
            "--truncation",
            "0.5",
            "--out",
            str(out),
        ]
    )
    drawn, recipe = read_png(out)
    seeds = [3, 7, 8, 9, 10]
    expected = pretrained.load(model).sample(seeds, truncation=0.5)
    assert np.array_equal(drawn, enlarge(grid(expected, 2), 3))
    wanted = {"id": model, "revision": "", "seeds": seeds, "label": None, "truncation": 0.5, "text": None}
    assert wanted.items() <= recipe.items()
    assert capsys.readouterr().out == f"{out}\n"


def test_sample_takes_a_label(model, tmp_path):
    drawn = []
    for label in ("0", "1"):
        main(["sample", model, "--seeds", "5", "--label", label, "--out", str(tmp_path / "one.png")])
        drawn.append((tmp_path / "one.png").read_bytes())
    assert drawn[1] == image_grid.render(pretrained.load(model), model, [5], 1)
    assert drawn[0] != drawn[1]


def test_the_same_command_writes_the_same_file(model, tmp_path):
    out = tmp_path / "grid.png"
    for _ in range(2):
        main(["sample", model, "--seeds", "0-3", "--out", str(out)])
        written = out.read_bytes()
        assert written == image_grid.render(pretrained.load(model), model, range(4))


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".webp"])
def test_walk_writes_a_film(model, tmp_path, suffix):
    out = tmp_path / f"walk{suffix}"
    main(["walk", model, "--seeds", "0,1", "--frames", "10", "--fps", "10", "--open", "--out", str(out)])
    if suffix == ".mp4":
        shown = read_film(out)
        last = enlarge(pretrained.load(model).sample([1], label=0)[0], 8)
        assert len(shown) == 10
        # Random colours suffer from the halved colour resolution of H.264 at most along edges.
        assert np.abs(shown[-1].astype(int) - last).mean() < 6
    else:
        with Image.open(out) as image:
            assert (image.n_frames, image.size) == (10, (256, 256))


def test_info_prints_what_a_checkpoint_is(model, capsys):
    main(["info", model])
    text = capsys.readouterr().out
    assert "dcgan.Generator" in text
    assert "0 <b>coat</b>, 1 bag" in text
    main(["info", model, "--json"])
    facts = json.loads(capsys.readouterr().out)
    pipeline = pretrained.load(model)
    assert facts["parameters"] == sum(weight.numel() for weight in pipeline.network.parameters())
    assert facts["bytes"] == (Path(model) / "model.safetensors").stat().st_size
    facts["config"]["network"] = networks.complete(facts["config"]["network"])
    assert facts["config"] == json.loads(pipeline.config.to_json())


def test_info_lets_no_checkpoint_steer_the_terminal(tmp_path, capsys):
    folder = save_small(tmp_path / "evil", classes=["\x1b[2Jcoat", "bag"])
    main(["info", str(folder)])
    assert "\x1b" not in capsys.readouterr().out


def test_list_names_what_is_bundled(capsys):
    main(["list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == pretrained.available()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("sample {model} --seeds 5-3 --out a.png", ["--seeds", "0 to 4294967295"]),
        ("sample {model} --seeds 0-99999 --out a.png", ["--seeds", "65,536"]),
        ("sample {model} --truncation 3 --out a.png", ["--truncation", "0 to 2"]),
        ("sample {model} --truncation nan --out a.png", ["--truncation", "0 to 2"]),
        ("sample {model} --columns 0 --out a.png", ["--columns", "1 to 1000"]),
        ("sample {model} --label 2 --out a.png", ["--label", "0 to 1"]),
        ("sample {model} --device abacus --out a.png", ["--device", "cpu"]),
        ("sample {model} --seeds 0-9999 --scale 64 --out a.png", ["too many", "100,000,000"]),
        ("sample {model} --out a.jpg", ["--out", ".png"]),
        ("sample {model} --out none/a.png", ["--out", "none"]),
        ("sample {model} --out folder.png", ["--out", "folder"]),
        ("sample {model}", ["--out"]),
        ("sample --out a.png", ["ID"]),
        ("sample nothing --out a.png", ["'nothing'", "user/name"]),
        ("walk {model} --out a.avi", ["--out", ".mp4, .webm, .gif, .webp"]),
        ("walk {model} --fps 60 --out a.gif", ["60", "1 to 50"]),
        ("walk {model} --frames 0 --out a.mp4", ["--frames", "1 to 100000"]),
        ("info {model} --jsonn", ["--jsonn"]),
        ("paint", ["paint", "sample", "walk"]),
        ("", ["COMMAND"]),
    ],
)
def test_a_mistake_is_one_line_that_names_it(model, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    Path("folder.png").mkdir()
    line = complaint(capsys, *arguments.format(model=model).split())
    assert all(word in line for word in words), line
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.parametrize("command", ["", "sample", "walk", "mix", "reconstruct", "interpolate", "info", "list"])
def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command.split(), "--help"])
    assert stopped.value.code == 0
    assert f"python -m pretrained {command}" in capsys.readouterr().out.partition("example")[2]


@pytest.mark.parametrize(
    ("text", "seeds"), [("0-3", [0, 1, 2, 3]), ("1,2, 5-6", [1, 2, 5, 6]), ("7,7", [7, 7]), ("4294967295", [2**32 - 1])]
)
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", "a", "-1", "1-", "3-1", "4294967296", "1,,2", "1.5", "٣", "0-65536", "0-4294967295"]
)
def test_no_seeds(text):
    with pytest.raises(InputError, match="seeds"):
        parse_seeds(text)


def test_sample_imports_nothing_that_it_does_not_need(model, tmp_path):
    command = ["sample", model, "--out", str(tmp_path / "grid.png")]
    code = f"import sys; from pretrained.__main__ import main; main({command!r}); print(*sys.modules)"
    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    assert not {"av", "huggingface_hub", "torchvision", "rich", "streamlit", "sympy"} & set(done.stdout.split())


def test_a_reader_that_goes_away_hears_no_traceback(model):
    program = [sys.executable, "-m", "pretrained", "info", model]
    read, write = os.pipe()
    os.close(read)
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(program, stdout=closed, stderr=subprocess.PIPE, env=env, text=True, check=False)
    assert (done.returncode, done.stderr) == (128 + 13, "")


def test_ctrl_c_is_one_line_and_leaves_no_file(model, tmp_path):
    out = tmp_path / "walk.gif"
    command = ["walk", model, "--frames", "100000", "--out", str(out)]
    # The signal comes from within, when the first frames are there, so that no clock decides where it strikes.
    code = (
        "import os, signal; from pretrained import __main__, pipelines; draw = pipelines.Generate.render\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background would ignore it
        "def interrupted(*all, **more):\n"
        "    yield next(draw(*all, **more)); os.kill(os.getpid(), signal.SIGINT); yield from draw(*all, **more)\n"
        f"pipelines.Generate.render = interrupted; __main__.main({command!r})"
    )
    done = run("-c", code)
    assert (done.returncode, done.stderr) == (130, "ganvas: stopped; nothing was written\n")
    assert not list(tmp_path.iterdir())
