"""python -m pretrained with checkpoints that read, mix styles or look at pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.small import ABLE, save_able
from helpers.written import complaint, read_film, read_png
from PIL import Image

import pretrained
from pretrained.__main__ import main
from pretrained.media.images import enlarge, grid, open_image

ROOT = Path(__file__).parents[3]


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
    wanted = {"id": model, "revision": "", "rows": [0, 5], "columns": [10, 11, 12], "layers": layers, **how}
    assert wanted.items() <= recipe.items()
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


def test_reconstruct_writes_the_image_as_the_network_sees_it(able, photos, tmp_path):
    out = tmp_path / "out.png"
    for photo in photos:
        main(["reconstruct", able["encode"], "--input", str(photo), "--out", str(out)])
        drawn, recipe = read_png(out)
        pipeline = pretrained.load(able["encode"])
        assert np.array_equal(drawn, pipeline.reconstruct(open_image(photo)))
        assert recipe.keys() >= {"id", "revision", "z", "label"}
        assert np.array_equal(drawn, pipeline.decode([np.array(recipe["z"])])[0])
    with Image.open(photos[0]) as flat, Image.open(photos[0]) as turned:
        upright = turned.transpose(Image.Transpose.ROTATE_270)
        flat.getexif().clear()
        assert not np.array_equal(np.asarray(flat), np.asarray(upright.resize(flat.size)))


def test_reconstruct_makes_it_one_of_another_class(able, photos, tmp_path):
    model, out = able["encode labels"], tmp_path / "out.png"
    pipeline, image = pretrained.load(model), open_image(photos[0])
    drawn = {}
    for label in (0, 1, None):
        flags = [] if label is None else ["--label", str(label)]
        main(["reconstruct", model, "--input", str(photos[0]), *flags, "--scale", "2", "--out", str(out)])
        drawn[label], recipe = read_png(out)
        assert recipe["label"] == (pipeline.classify(image) if label is None else label)
    for label in (0, 1):
        assert np.array_equal(drawn[label], enlarge(pipeline.edit(image, label), 2))
    assert not np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(drawn[None], drawn[pipeline.classify(image)])


def test_interpolate_writes_a_film_from_one_to_the_other(able, photos, tmp_path):
    out = tmp_path / "film.mp4"
    pair = list(map(str, photos))
    main(["interpolate", able["encode"], "--input", *pair, "--frames", "8", "--fps", "10", "--out", str(out)])
    seen, pipeline = read_film(out), pretrained.load(able["encode"])
    assert len(seen) == 8
    first, last = (enlarge(pipeline.reconstruct(open_image(photo)), 8) for photo in photos)
    apart = np.abs(first.astype(int) - last).mean()
    assert np.abs(seen[0].astype(int) - first).mean() < apart / 4
    assert np.abs(seen[-1].astype(int) - last).mean() < apart / 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("mix {plain} --out a.png", ["small has no styles"]),
        ("mix {style} --layers 9 --out a.png", ["--layers must be 0 to 8, got 9"]),
        ("mix {style} --rows 3-1 --out a.png", ["--rows", "0-63"]),
        ("mix {style} --columns 0-9999 --rows 0-999 --out a.png", ["too many"]),
        ("mix {style} --label 1 --out a.png", ["has no classes", "leave --label out"]),
        ("mix {style} --out a.mp4", ["--out", ".png"]),
        ("sample {plain} --text cat --out a.png", ["takes no --text"]),
        ("walk {text} --text xyz --out a.mp4", ["'xyz'", "red, blue, cat"]),
        ("reconstruct {plain} --input {photo} --out a.png", ["small has no encoder"]),
        ("reconstruct {encode} --input nothing.png --out a.png", ["--input", "nothing.png"]),
        ("reconstruct {encode} --input folder.png --out a.png", ["--input", "folder.png"]),
        ("reconstruct {encode} --out a.png", ["--input"]),
        ("reconstruct {encode} --input {photo} --label 0 --out a.png", ["has no classes", "leave --label out"]),
        ("interpolate {plain} --input {photo} {photo} --out a.mp4", ["small has no encoder"]),
        ("interpolate {encode} --input {photo} --out a.mp4", ["--input", "2"]),
        ("interpolate {encode} --input {photo} {photo} --out a.png", ["--out", ".mp4, .webm, .gif, .webp"]),
        ("interpolate {encode} --input {photo} {photo} --fps 60 --out a.gif", ["60", "1 to 50"]),
    ],
)
def test_what_a_checkpoint_cannot_do_is_one_line(model, able, photos, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    Path("folder.png").mkdir()
    line = complaint(capsys, *(part.format(plain=model, photo=photos[0], **able) for part in arguments.split()))
    assert all(word in line for word in words), line
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]
