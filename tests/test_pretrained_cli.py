"""python -m pretrained: what it writes, what it prints, and what it says about a mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from small import ABLE, CLASSES, save_able, save_small

import pretrained
from pretrained import sheet
from pretrained.__main__ import main
from pretrained.errors import InputError
from pretrained.images import enlarge, grid, open_picture
from pretrained.seeds import parse_seeds

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(save_small(tmp_path_factory.mktemp("models") / "small", classes=CLASSES))


@pytest.fixture(scope="module")
def able(tmp_path_factory) -> dict[str, str]:
    """For each ability, a checkpoint that has it."""
    folder = tmp_path_factory.mktemp("able")
    return {ability: str(save_able(folder / ability, ability)) for ability in ABLE}


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Path]:
    """Two pictures that are no squares: one lies on its side, as EXIF says; one is transparent."""
    folder = tmp_path_factory.mktemp("photos")
    levels = np.random.RandomState(0).randint(0, 256, (6, 9, 4), np.uint8)
    turned, clear = Image.fromarray(levels[..., :3]).resize((90, 60)), Image.fromarray(levels).resize((60, 90))
    turned.getexif()[0x0112] = 6
    turned.save(folder / "turned.jpg", exif=turned.getexif())
    clear.save(folder / "clear.png")
    return [folder / "turned.jpg", folder / "clear.png"]


def read_png(path: Path) -> tuple[np.ndarray, dict]:
    """The pixels of a PNG, and the recipe in its metadata."""
    with Image.open(path) as picture:
        return np.asarray(picture), json.loads(picture.text[sheet.METADATA])


def read_film(path: Path) -> list[np.ndarray]:
    with av.open(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def run(*command: str, **options) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True, check=False, **options)


def complaint(capsys, *arguments: str) -> str:
    """The one line on stderr with which a command ends in exit status 2."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    return err


def test_sample_writes_the_pictures_of_the_pipeline_and_how_they_were_made(model, tmp_path, capsys):
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
    assert recipe == {"id": model, "revision": "", "seeds": seeds, "label": None, "truncation": 0.5, "text": None}
    assert capsys.readouterr().out == f"{out}\n"


def test_sample_takes_a_label(model, tmp_path):
    drawn = []
    for label in ("0", "1"):
        main(["sample", model, "--seeds", "5", "--label", label, "--out", str(tmp_path / "one.png")])
        drawn.append((tmp_path / "one.png").read_bytes())
    assert drawn[1] == sheet.render(pretrained.load(model), model, [5], 1)
    assert drawn[0] != drawn[1]


def test_the_same_command_writes_the_same_file(model, tmp_path):
    out = tmp_path / "grid.png"
    for _ in range(2):
        main(["sample", model, "--seeds", "0-3", "--out", str(out)])
        written = out.read_bytes()
        assert written == sheet.render(pretrained.load(model), model, range(4))


def test_sample_and_walk_take_a_text(able, tmp_path):
    model, out, film = able["text"], tmp_path / "grid.png", tmp_path / "walk.mp4"
    pipeline = pretrained.load(model)
    for text in ("Blue cat!", None):
        flags = [] if text is None else ["--text", text]
        main(["sample", model, "--seeds", "0-3", *flags, "--out", str(out)])
        drawn, recipe = read_png(out)
        assert recipe["text"] == text
        assert np.array_equal(drawn, grid(pipeline.sample(range(4), text=text)))
        main(["walk", model, "--seeds", "1", "--frames", "1", *flags, "--out", str(film)])
        seen, expected = read_film(film)[0].astype(int), enlarge(pipeline.sample([1], text=text)[0], 8)
        assert (
            np.abs(seen - expected).mean() < np.abs(seen - enlarge(pipeline.sample([1], text="red")[0], 8)).mean() / 2
        )


@pytest.mark.parametrize("layers", [0, 3, 8])
def test_mix_writes_the_mixtures_between_their_seeds(able, tmp_path, layers):
    model, out = able["style"], tmp_path / "mix.png"
    command = ["mix", model, "--rows", "0,5", "--columns", "10-12", "--layers", str(layers), "--truncation", "0.7"]
    main([*command, "--scale", "2", "--out", str(out)])
    drawn, recipe = read_png(out)
    pipeline = pretrained.load(model)
    how = {"label": None, "truncation": 0.7}
    assert recipe == {"id": model, "revision": "", "rows": [0, 5], "columns": [10, 11, 12], "layers": layers, **how}
    assert drawn.shape == (2 * (3 * 32 + 4), 2 * (4 * 32 + 4), 3)
    assert np.array_equal(drawn, enlarge(drawn[::2, ::2], 2))
    starts = [0, 36, 68, 100]
    cells = np.array([[drawn[::2, ::2][top:, left:][:32, :32] for left in starts] for top in starts[:3]])
    assert np.array_equal(cells[0, 1:], pipeline.sample([10, 11, 12], **how))
    assert np.array_equal(cells[1:, 0], pipeline.sample([0, 5], **how))
    assert np.array_equal(cells[1:, 1:].reshape(6, 32, 32, 3), pipeline.mix([0, 5], [10, 11, 12], layers, **how))
    assert (cells[0, 0] == 255).all()
    assert (drawn[64:72] == 255).all()
    # All styles coarse: the row's own picture; none: the column's.
    if layers != 3:
        assert np.array_equal(
            cells[1:, 1:], np.broadcast_to(cells[1:, :1] if layers else cells[:1, 1:], (2, 3, 32, 32, 3))
        )


def test_reconstruct_writes_the_picture_as_the_network_sees_it(able, photos, tmp_path):
    out = tmp_path / "out.png"
    for photo in photos:
        main(["reconstruct", able["encode"], "--input", str(photo), "--out", str(out)])
        drawn, recipe = read_png(out)
        pipeline = pretrained.load(able["encode"])
        assert np.array_equal(drawn, pipeline.reconstruct(open_picture(photo)))
        assert recipe.keys() == {"id", "revision", "z", "label"}
        assert np.array_equal(drawn, pipeline.decode([np.array(recipe["z"])])[0])
    with Image.open(photos[0]) as flat, Image.open(photos[0]) as turned:
        upright = turned.transpose(Image.Transpose.ROTATE_270)
        flat.getexif().clear()
        assert not np.array_equal(np.asarray(flat), np.asarray(upright.resize(flat.size)))


def test_reconstruct_makes_it_one_of_another_class(able, photos, tmp_path):
    model, out = able["encode labels"], tmp_path / "out.png"
    pipeline, picture = pretrained.load(model), open_picture(photos[0])
    drawn = {}
    for label in (0, 1, None):
        flags = [] if label is None else ["--label", str(label)]
        main(["reconstruct", model, "--input", str(photos[0]), *flags, "--scale", "2", "--out", str(out)])
        drawn[label], recipe = read_png(out)
        assert recipe["label"] == (pipeline.classify(picture) if label is None else label)
    for label in (0, 1):
        assert np.array_equal(drawn[label], enlarge(pipeline.edit(picture, label), 2))
    assert not np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(drawn[None], drawn[pipeline.classify(picture)])


def test_interpolate_writes_a_film_from_one_to_the_other(able, photos, tmp_path):
    out = tmp_path / "film.mp4"
    pair = list(map(str, photos))
    main(["interpolate", able["encode"], "--input", *pair, "--frames", "8", "--fps", "10", "--out", str(out)])
    seen, pipeline = read_film(out), pretrained.load(able["encode"])
    assert len(seen) == 8
    first, last = (enlarge(pipeline.reconstruct(open_picture(photo)), 8) for photo in photos)
    apart = np.abs(first.astype(int) - last).mean()
    assert np.abs(seen[0].astype(int) - first).mean() < apart / 4
    assert np.abs(seen[-1].astype(int) - last).mean() < apart / 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("mix {plain} --out a.png", ["small has no styles"]),
        ("mix {style} --layers 9 --out a.png", ["--layers 9", "0 to 8"]),
        ("mix {style} --rows 3-1 --out a.png", ["--rows", "0-63"]),
        ("mix {style} --columns 0-9999 --rows 0-999 --out a.png", ["too many"]),
        ("mix {style} --label 1 --out a.png", ["--label 1", "takes none"]),
        ("mix {style} --out a.mp4", ["--out", ".png"]),
        ("sample {plain} --text cat --out a.png", ["takes no --text"]),
        ("walk {text} --text xyz --out a.mp4", ["'xyz'", "red, blue, cat"]),
        ("reconstruct {plain} --input {photo} --out a.png", ["small has no encoder"]),
        ("reconstruct {encode} --input nothing.png --out a.png", ["--input", "nothing.png"]),
        ("reconstruct {encode} --input folder.png --out a.png", ["--input", "folder.png"]),
        ("reconstruct {encode} --out a.png", ["--input"]),
        ("reconstruct {encode} --input {photo} --label 0 --out a.png", ["--label 0", "takes none"]),
        ("interpolate {plain} --input {photo} {photo} --out a.mp4", ["small has no encoder"]),
        ("interpolate {encode} --input {photo} --out a.mp4", ["--input", "2"]),
        ("interpolate {encode} --input {photo} {photo} --out a.png", ["--out", ".mp4, .gif, .webp"]),
        ("interpolate {encode} --input {photo} {photo} --fps 60 --out a.gif", ["60", "1 to 50"]),
    ],
)
def test_what_a_checkpoint_cannot_do_is_one_line(model, able, photos, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    Path("folder.png").mkdir()
    line = complaint(capsys, *(part.format(plain=model, photo=photos[0], **able) for part in arguments.split()))
    assert all(word in line for word in words), line
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


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
        with Image.open(out) as picture:
            assert (picture.n_frames, picture.size) == (10, (256, 256))


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
        ("walk {model} --out a.avi", ["--out", ".mp4, .gif, .webp"]),
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
    assert not {"av", "huggingface_hub", "torchvision", "tyro", "streamlit", "sympy"} & set(done.stdout.split())


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
        "import os, signal, threading; from pretrained import __main__, pipelines; draw = pipelines.Generate._render\n"
        "def interrupted(*all, **more):\n"
        "    yield next(draw(*all, **more)); os.kill(os.getpid(), signal.SIGINT); yield from draw(*all, **more)\n"
        f"pipelines.Generate._render = interrupted; __main__.main({command!r})"
    )
    done = run("-c", code)
    assert (done.returncode, done.stderr) == (130, "ganvas: stopped; nothing was written\n")
    assert not list(tmp_path.iterdir())
