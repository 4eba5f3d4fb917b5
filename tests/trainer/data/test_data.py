"""Data sets: named ones from either layout, folders and archives of anything, and batches that resume."""

import gzip
import shutil
import struct
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from pretrained.system.errors import InputError
from trainer import data

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def idx(values):
    """LeCun's IDX format."""
    return (
        struct.pack(">BBBB", 0, 0, 8, values.ndim) + struct.pack(f">{values.ndim}i", *values.shape) + values.tobytes()
    )


def write_idx(folder, compress, count=6):
    random = np.random.RandomState(0)
    parts = {
        "images-idx3": random.randint(0, 256, (count, 28, 28), np.uint8),
        "labels-idx1": np.arange(count, dtype=np.uint8),
    }
    folder.mkdir(parents=True)
    for part, values in parts.items():
        if compress:
            (folder / f"train-{part}-ubyte.gz").write_bytes(gzip.compress(idx(values)))
        else:
            (folder / f"train-{part}-ubyte").write_bytes(idx(values))
    return parts["images-idx3"]


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize(
    ("name", "folder"), [(n, f) for n in ("mnist", "fashion-mnist") for f in data.NAMED[n].folders]
)
def test_named_sets_in_either_layout(tmp_path, name, folder, compress):
    images = write_idx(tmp_path / folder, compress)
    found = data.load(name, 28, tmp_path)
    np.testing.assert_array_equal(found.images[:, 0], images)
    assert found.labels.tolist() == list(range(6))
    assert len(found.classes) == 10
    assert data.load(name, 32, tmp_path).images.shape == (6, 1, 32, 32)
    assert data.load(name, 32, tmp_path, channels=3).images.shape == (6, 3, 32, 32)


def test_a_broken_named_set_is_one_sentence(tmp_path):
    write_idx(tmp_path / "mnist/raw", compress=True)
    path = tmp_path / "mnist/raw/train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match="broken file"):
        data.load("mnist", 32, tmp_path)


@pytest.fixture
def images(tmp_path):
    """Eight pictures of many modes and sizes, one of them broken."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, mode in enumerate(["RGB", "L", "RGBA", "P", "CMYK", "1", "LA"]):
        suffix = "jpg" if mode == "CMYK" else "png"
        Image.new(mode, (20 + i, 40 - i)).save(folder / f"{i}.{suffix}")
    (folder / "broken.png").write_bytes(b"\x89PNG not really")
    (folder / "notes.txt").write_text("not an image")
    return folder


def make_zip(folder):
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    return archive


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_images_of_any_mode_and_size(images, form):
    source = str(images if form == "folder" else make_zip(images))
    found = data.load(source, 16, images)
    assert found.images.shape == (7, 3, 16, 16)
    assert found.images.dtype == torch.uint8
    assert found.labels is None
    assert "left out 1 of 8" in found.found
    assert data.load(source, 16, images, channels=1).images.shape == (7, 1, 16, 16)


def test_the_centre_is_cut_out(tmp_path):
    image = Image.new("RGB", (30, 10), "blue")
    image.paste("red", (10, 0, 20, 10))
    image.save(tmp_path / "wide.png")
    loaded = data.load(str(tmp_path), 10, tmp_path).images[0]
    assert loaded[0].float().mean() > 250
    assert loaded[2].float().mean() < 5


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_sub_folders_are_classes(tmp_path, form):
    folder = tmp_path / "animals"
    for name, count in (("dog", 2), ("cat", 3)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (8, 8), "red" if name == "dog" else "blue").save(folder / name / f"{i}.png")
    found = data.load(str(folder if form == "folder" else make_zip(folder)), 16, tmp_path)
    assert found.classes == ["cat", "dog"]
    assert found.labels.tolist() == [0, 0, 0, 1, 1]
    assert (found.images[found.labels == 1][:, 0] == 255).all()


def test_a_second_run_reads_the_cache_and_sees_changes(images, cache):
    first = data.load(str(images), 16, images).images.clone()
    made = {path: path.stat().st_mtime_ns for path in cache.rglob("*.npy")}
    assert len(made) == 1
    assert data.load(str(images), 16, images).images.equal(first)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.npy")} == made
    Image.new("RGB", (9, 9), "green").save(images / "new.png")
    assert len(data.load(str(images), 16, images).images) == 8


def test_training_images_are_never_written_to(images):
    loaded = data.load(str(images), 16, images).images
    loaded.zero_()
    assert data.load(str(images), 16, images).images.any(), "the cache is mapped copy-on-write"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "holds no images"),
        (lambda path: path.write_text("hello"), "neither a folder nor a .zip"),
        (lambda path: (path.mkdir(), (path / "a.png").write_text("x")), "no image that can be read"),
    ],
)
def test_mistakes_are_sentences(tmp_path, make, words):
    make(tmp_path / "data")
    with pytest.raises(InputError, match=words):
        data.load(str(tmp_path / "data"), 16, tmp_path)


def test_a_full_disk_is_a_sentence(images, cache):
    shutil.rmtree(cache)
    cache.write_text("a file where the cache should be")
    with pytest.raises(InputError, match="XDG_CACHE_HOME"):
        data.load(str(images), 16, images)


@pytest.fixture(scope="module")
def blobs():
    return data.load("fake", 16, None)


def test_each_epoch_shows_each_image_once(blobs):
    batches = data.Batches(blobs, 96, seed=0, device=CPU)
    indices = []
    for _ in range(32):
        next(batches)
        indices.append(batches.indices)
    epochs = torch.cat(indices).view(3, 1024)
    for epoch in epochs:
        assert epoch.sort().values.equal(torch.arange(1024))
    assert not epochs[0].equal(epochs[1])


def test_a_batch_larger_than_the_data(blobs):
    x, y = next(data.Batches(blobs, 3000, seed=0, device=CPU))
    assert x.shape == (3000, 1, 16, 16)
    assert -1 <= x.min() < x.max() <= 1
    assert len(y) == 3000


@pytest.mark.parametrize("flip", [False, True])
def test_the_position_is_the_whole_state(blobs, flip):
    whole = data.Batches(blobs, 100, seed=3, device=CPU, horizontal_flip=flip)
    seen = [next(whole) for _ in range(15)]
    resumed = data.Batches(blobs, 100, seed=3, device=CPU, horizontal_flip=flip)
    resumed.images_seen = 700
    for x, y in seen[7:]:
        again_x, again_y = next(resumed)
        assert again_x.equal(x)
        assert again_y.equal(y)


def test_processes_share_a_batch(blobs, monkeypatch):
    whole = next(data.Batches(blobs, 12, seed=0, device=CPU, horizontal_flip=True))[0]
    parts = []
    monkeypatch.setenv("WORLD_SIZE", "3")
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        parts.append(next(data.Batches(blobs, 12, 0, CPU, True))[0])
    assert torch.cat(parts).equal(whole)


def test_flips_mirror_about_half(blobs):
    plain = next(data.Batches(blobs, 512, seed=0, device=CPU))[0]
    flipped = next(data.Batches(blobs, 512, seed=0, device=CPU, horizontal_flip=True))[0]
    same = (plain == flipped).flatten(1).all(1)
    assert plain[~same].flip(3).equal(flipped[~same])
    assert 0.4 < same.float().mean() < 0.6
