"""Looking for memorised images: copies are found, real images stand beside, and mistakes are one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import translating
from helpers.small import save_small
from PIL import Image

import pretrained
from pretrained.media.images import to_pil
from trainer.__main__ import main
from trainer.cli import nearest
from trainer.metrics import neighbours

NUM_IMAGES = 60


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The folder of a checkpoint."""
    return save_small(tmp_path_factory.mktemp("nearest") / "run", channels=1, size=16)


@pytest.fixture
def images(tmp_path) -> Path:
    """A folder of images that are not alike."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.RandomState(0)
    for i in range(NUM_IMAGES):
        Image.fromarray(random.randint(0, 256, (16, 16), np.uint8)).save(folder / f"{i:03}.png")
    return folder


def find(capsys, *arguments: object) -> dict:
    """What the command prints."""
    main(["nearest", *map(str, arguments), "--device", "cpu"])
    return json.loads(capsys.readouterr().out)


def test_a_memorised_image_is_found(run, images, capsys):
    sample = pretrained.load(str(run), "cpu").sample([3])[0]
    to_pil(sample).save(images / "017.png")
    report = find(capsys, run, "--data", images, "--seeds", "2-4")
    assert json.loads((run / "nearest.json").read_text()) == report
    copied = report["samples"][1]
    assert (copied["seed"], copied["indices"][0], copied["distances"][0], copied["share_nearer"]) == (3, 17, 0, 0)
    assert report["samples"][0]["distances"][0] > 1
    assert report["training"] == f"{NUM_IMAGES} images of pictures"
    # Real images are compared with all others: none is its own neighbour.
    assert report["held_out"]["what"] == f"{NUM_IMAGES} images of pictures, each beside all others"
    assert report["held_out"]["nearest 1%"] > 1
    with Image.open(run / "nearest.png") as image:
        sheet = np.asarray(image)
    cell, step, down = 96, 96 + 8, 96 + 22
    left = [8, 8 + step + 8]  # the sample, and the nearest image, of the second row
    cells = [sheet[8 + down :][:cell, place : place + cell, 0] for place in left]
    np.testing.assert_array_equal(cells[0], cells[1])
    np.testing.assert_array_equal(cells[0][::6, ::6], sample[..., 0])


def test_mirror_images_count_where_it_was_trained_on_them(tmp_path, images, capsys):
    folder = save_small(tmp_path / "mirrored", channels=1, size=16)
    config = pretrained.checkpoint.read_config(folder / "model.safetensors")
    to_pil(pretrained.load(str(folder), "cpu").sample([0])[0][:, ::-1]).save(images / "005.png")
    command = (folder, "--data", images, "--seeds", "0", "--out", tmp_path / "found.png")
    assert find(capsys, *command)["samples"][0]["distances"][0] > 1
    config.training["options"] = {"horizontal_flip": True}
    pretrained.checkpoint.save_again(folder / "model.safetensors", folder, config)
    report = find(capsys, *command)
    assert (report["samples"][0]["indices"][0], report["samples"][0]["distances"][0]) == (5, 0)
    assert report["training"].endswith("and their mirror images")
    assert report["held_out"]["nearest 1%"] > 1
    assert {path.name for path in tmp_path.iterdir()} >= {"found.png", "found.json"}
    assert not (folder / "nearest.png").exists()


def test_pixels_by_hand():
    a, b = torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.full((1, 3, 8, 8), 30, dtype=torch.uint8)
    vectors = nearest.pixels(torch.cat([a, b]), 4)
    assert vectors.shape == (2, 48)
    assert (vectors[0] - vectors[1]).norm().item() == pytest.approx(30)


def test_what_the_card_says_by_hand():
    flat = lambda *levels: torch.stack([torch.full((1, 8, 8), level, dtype=torch.uint8) for level in levels])
    said = neighbours.summary(flat(10, 50, 94), flat(0, 40, 100, 160), mirrored=False)
    assert said.startswith("10 from 3 samples, 40 from one training image to another")


def test_pieces_and_views_give_what_the_whole_gives():
    random = torch.Generator().manual_seed(0)
    training, mirrored = torch.rand(2, 23, 5, generator=random, dtype=torch.float64)
    queries = torch.cat([training[[4]], torch.rand(2, 5, generator=random, dtype=torch.float64)])
    own = torch.tensor([4, -1, -1])
    chunks = ([*views] for views in zip(training.split(7), mirrored.split(7)))
    distances, places = nearest.nearest(queries, chunks, own)
    whole = torch.stack([(queries[:, None] - view).norm(dim=2) for view in (training, mirrored)]).amin(0)
    whole[0, 4] = torch.inf
    expected, order = whole.topk(nearest.NEIGHBOURS, largest=False)
    torch.testing.assert_close(distances, expected)
    assert places.equal(order)


def test_a_named_set_is_held_against_its_test_part(run, tmp_path, capsys):
    random, root = np.random.RandomState(0), tmp_path / "mnist" / "raw"
    root.mkdir(parents=True)
    for prefix, count in {"train": 40, "t10k": 12}.items():
        for part, values in {
            "images-idx3": random.randint(0, 256, (count, 28, 28)),
            "labels-idx1": np.arange(count) % 10,
        }.items():
            head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
            (root / f"{prefix}-{part}-ubyte").write_bytes(head + values.astype(np.uint8).tobytes())
    out = tmp_path / "near.png"
    report = find(capsys, run, "--data", "mnist", "--data-root", tmp_path, "--seeds", "0-1", "--out", out)
    assert (report["training"], report["held_out"]["what"]) == ("40 images of mnist", "12 images of mnist test")


def test_features_see_a_copy_too(run, images, tmp_path, squeezenet, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    to_pil(pretrained.load(str(run), "cpu").sample([1])[0]).save(images / "002.png")
    for path in sorted(images.iterdir())[12:]:
        path.unlink()
    command = (run, "--data", images, "--seeds", "1", "--feature-weights", squeezenet, "--out", tmp_path / "f.png")
    report = find(capsys, *command)
    assert report["distance"].startswith("Euclidean, in SqueezeNet")
    assert (report["samples"][0]["indices"][0], report["samples"][0]["distances"][0]) == (2, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds", "0-99"], "at most 64"),
        (["--seeds", "seven"], "must be numbers and ranges"),
        (["--out", "near.jpg"], "must end in .png"),
        (["--data", "nowhere"], "--data nowhere does not exist"),
        (["--features", "squeezenet"], "needs --feature-weights"),
        (["--data", "few"], "must have > 5 images, got few with 5"),
    ],
)
def test_mistakes_are_one_line(run, images, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few").mkdir()
    for path in sorted(images.iterdir())[:5]:
        path.rename(tmp_path / "few" / path.name)
    complains(capsys, words, run, "--data", "fake", "--out", "near.png", *arguments)
    assert not (tmp_path / "near.png").exists()


def test_a_translator_has_no_samples_of_seeds(tmp_path, capsys):
    complains(
        capsys, "does not generate images from seeds", translating.save(tmp_path / "sketch", "sketch"), "--data", "fake"
    )


def complains(capsys, words: str, *arguments: object) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["nearest", *map(str, arguments), "--device", "cpu"])
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert not out
    assert words in err
    assert err.count("\n") == 1
