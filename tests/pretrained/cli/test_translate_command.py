"""python -m pretrained translate: what it writes, what it says about a mistake; other commands on a translator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.small import save_small
from PIL import Image

import pretrained
from pretrained import checkpoint, loading, networks
from pretrained.__main__ import main
from pretrained.hub import model_card
from pretrained.media.images import open_image
from pretrained.pipelines import image_grid

ROOT = Path(__file__).parents[3]
ROWS = {
    "sketch": (
        {"class": "unet.Generator", "size": 32, "inputs": 1, "channels": 3, "width": 4},
        {"source": {"kind": "sketch"}, "size": 32},
    ),
    "style": (
        {"class": "resnet.Generator", "size": 32, "width": 4, "blocks": 1, "strength": True},
        {"source": {"kind": "picture"}, "size": None, "strength": True},
    ),
    "fill": (
        {"class": "context.Generator", "size": 32, "width": 4, "bottleneck": 8},
        {"source": {"kind": "mask"}, "size": 32, "mask": True},
    ),
    "enlarge": (
        {"class": "srresnet.Generator", "width": 4, "blocks": 1},
        {"source": {"kind": "downsample"}, "scale": 4},
    ),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, str]:
    """For each of ROWS an untrained checkpoint, and a generator."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    for name, (spec, given) in ROWS.items():
        network = networks.build(spec).eval()
        checkpoint.save(folder / name, network, checkpoint.Config(name, "translate", spec, given))
    return {"seeds": str(save_small(folder / "seeds")), **{name: str(folder / name) for name in ROWS}}


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder to work in, with a photo, a mask, and a folder of pictures of which one is broken."""
    monkeypatch.chdir(tmp_path)
    levels = np.random.RandomState(0).randint(0, 256, (6, 9, 3), np.uint8)
    photo = Image.fromarray(levels).resize((60, 40), Image.Resampling.BICUBIC)
    photo.save("photo.jpg")
    Image.new("L", (60, 40), 255).save("mask.png")
    Path("album/more").mkdir(parents=True)
    photo.save("album/a.png")
    photo.rotate(180).save("album/a.jpg")
    photo.convert("L").save("album/more/b.webp")
    Path("album/notes.txt").write_text("no picture")
    Path("broken.png").write_text("no picture")
    Path("half.png").write_bytes(Path("album/a.png").read_bytes()[:400])
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def complaint(capsys, arguments: str) -> str:
    """The one line on stderr with which a command ends in exit status 2."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments.split())
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("name", "flags", "how"),
    [
        ("sketch", "", {}),
        ("sketch", "--degrade --fit tile", {"degrade": True, "fit": "tile"}),
        ("sketch", "--fit stretch", {"fit": "stretch"}),
        ("style", "--strength 0.25", {"strength": 0.25}),
        ("fill", "--mask mask.png", {"mask": Image.new("L", (60, 40), 255)}),
        ("fill", "--degrade --seed 9", {"degrade": True, "seed": 9}),
        ("enlarge", "", {}),
    ],
)
def test_a_file_becomes_what_the_pipeline_makes_of_it(models, place, capsys, name, flags, how):
    main(["translate", models[name], "--input", "photo.jpg", "--out", "out.png", "--device", "cpu", *flags.split()])
    assert capsys.readouterr().out == "out.png\n"
    with Image.open("out.png") as made:
        expected = pretrained.load(models[name], "cpu").translate(open_image("photo.jpg"), **how)
        assert (made.size, made.mode, made.tobytes()) == (expected.size, expected.mode, expected.tobytes())
        recipe = json.loads(made.text[image_grid.METADATA])
    known = {"strength": 1.0, "degrade": False, "seed": 0, "fit": "crop"}
    set_ = {key: value for key, value in how.items() if key != "mask"}
    assert ({"id": models[name], "revision": ""} | known | set_).items() <= recipe.items()
    assert "photo" not in json.dumps(recipe), "nothing of the picture's file"


def test_a_folder_becomes_a_folder_and_broken_images_are_named(models, place, capsys):
    Path("broken.png").rename("album/broken.png")
    before = files(place / "album")
    main(["translate", models["sketch"], "--input", "album", "--out", "made", "--degrade"])
    out, err = capsys.readouterr()
    assert out == "made\n"
    assert "left out 1 of 4 images: broken.png: not an image" in err
    assert files(place / "made") == {"a.png.png", "a.jpg.png", "more/b.png"}
    assert files(place / "album") == before
    alone = pretrained.load(models["sketch"]).translate(open_image("album/more/b.webp"), degrade=True)
    assert Image.open("made/more/b.png").tobytes() == alone.tobytes(), "as if it were alone"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("translate {seeds} --input photo.jpg --out a.png", ["seeds makes images of seeds", "sample"]),
        ("sample {sketch} --out a.png", ["sketch turns images into images", "translate"]),
        ("walk {sketch} --out a.gif", ["turns images into images"]),
        ("mix {sketch} --out a.png", ["turns images into images"]),
        ("reconstruct {sketch} --input photo.jpg --out a.png", ["turns images into images"]),
        ("interpolate {sketch} --input photo.jpg photo.jpg --out a.gif", ["turns images into images"]),
        ("translate {sketch} --out a.png", ["--input"]),
        ("translate {sketch} --input photo.jpg", ["--out"]),
        ("translate {sketch} --input nothing.png --out a.png", ["--input nothing.png", "No such file"]),
        ("translate {sketch} --input broken.png --out a.png", ["--input broken.png", "not an image"]),
        ("translate {sketch} --input half.png --out a.png", ["--input half.png", "not an image"]),
        ("translate {sketch} --input photo.jpg --out a.jpg", ["--out", ".png"]),
        ("translate {sketch} --input photo.jpg --out album", ["--out must end in .png", "album"]),
        ("translate {sketch} --input mask.png --out mask.png", ["is the image that is read"]),
        ("translate {sketch} --input album --out mask.png", ["--out mask.png is a file"]),
        ("translate {sketch} --input album --out album", ["lies in --input"]),
        ("translate {sketch} --input album --out album/made", ["lies in --input"]),
        ("translate {sketch} --input album --out no/made", ["create no first"]),
        ("translate {sketch} --input empty --out made", ["--input empty holds no images"]),
        ("translate {fill} --input album --out made", ["a.jpg: fill fills holes", "--mask"]),
        ("translate {fill} --input photo.jpg --mask nothing.png --out a.png", ["--mask", "nothing.png"]),
        ("translate {sketch} --input photo.jpg --mask mask.png --out a.png", ["fills no holes"]),
        ("translate {sketch} --input photo.jpg --second mask.png --out a.png", ["takes one image"]),
        ("translate {sketch} --input photo.jpg --strength 0.5 --out a.png", ["has no --strength"]),
        ("translate {style} --input photo.jpg --strength 2 --out a.png", ["--strength", "0 to 1"]),
        ("translate {style} --input photo.jpg --degrade --out a.png", ["leave --degrade out"]),
        ("translate {sketch} --input photo.jpg --fit squeeze --out a.png", ["--fit", "stretch"]),
        ("translate {sketch} --input photo.jpg --seed -1 --out a.png", ["--seed", "0 to 4294967295"]),
        ("translate {enlarge} --input wide.png --out a.png", ["too large", "384", "--fit tile"]),
    ],
)
def test_a_mistake_is_one_line_that_names_it(models, place, capsys, arguments, words):
    Path("empty").mkdir()
    Image.new("L", (600, 4)).save("wide.png")
    before = files(place)
    line = complaint(capsys, arguments.format(**models))
    assert all(word in line for word in words), line
    assert files(place) == before


def test_info_and_list_know_translators(models, monkeypatch, capsys):
    for name in ROWS:
        main(["info", models[name]])
        assert ROWS[name][0]["class"] in capsys.readouterr().out
        main(["info", models[name], "--json"])
        assert json.loads(capsys.readouterr().out)["config"]["pipeline"] == "translate"
    monkeypatch.setattr(loading, "BUNDLED", Path(models["sketch"]).parent)
    main(["list"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "32 px" in lines["sketch"]
    assert "any size" in lines["style"]
    assert "any size" in lines["enlarge"]


@pytest.mark.parametrize("name", ROWS)
def test_the_commands_on_the_card_run(models, place, capsys, name):
    text = model_card.model_card(checkpoint.read_config(Path(models[name]) / checkpoint.MODEL), models[name])
    Image.open("photo.jpg").save("in.png")
    Image.open("photo.jpg").save("photo.png")
    commands = [line.split()[3:] for line in text.splitlines() if line.startswith("python -m pretrained")]
    assert len(commands) == 2
    for command in commands:
        main(command)
        assert Path("out.png").exists()
        Path("out.png").unlink()
    code = text.partition("```python\n")[2].partition("```")[0]
    exec(code, {})
    assert Path("out.png").exists()


def test_translate_imports_nothing_that_it_does_not_need(models, place):
    command = ["translate", models["sketch"], "--input", "photo.jpg", "--degrade", "--out", "out.png"]
    code = f"import sys; from pretrained.__main__ import main; main({command!r}); print(*sys.modules)"
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    unwanted = {"av", "huggingface_hub", "torchvision", "scipy", "rich", "streamlit", "sympy"}
    assert not unwanted & set(done.stdout.split())
