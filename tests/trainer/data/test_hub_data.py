"""Data sets on the Hub: each kind of shard gives what a folder gives, bit by bit, and what may go wrong on the way."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from helpers.hub_client import Client, HubClient
from helpers.hub_faults import altered, cut
from helpers.hub_store import Hub
from helpers.shard_files import (
    FIRST,
    KINDS,
    SECOND,
    Images,
    as_grey,
    caption,
    make_tar,
    png,
)

from pretrained.system.errors import InputError
from trainer import data
from trainer.data.hub import shards
from trainer.loop.run_folder import without_paths

SET = "datasets/alice/animals"
CARD = b"---\ntags:\n- license:mit\n---\n# Animals\n"
LOAD = """(lambda found: {
    "shape": list(found.images.shape),
    "sha256": __import__("hashlib").sha256(found.images.numpy().tobytes()).hexdigest(),
    "labels": None if found.labels is None else found.labels.tolist(),
    "classes": found.classes, "captions": found.captions, "licence": found.licence, "name": found.name,
})(os.environ.update(XDG_CACHE_HOME=%r) or __import__("trainer.data").data.load(%r, %r, Path(), %r, %r))"""


@pytest.fixture
def images() -> Images:
    names = ["cat/1.png", "cat/2.png", "dog/9.png", "dog/10.png", "dog-2/3.png"]
    return {name: png(number) for number, name in enumerate(names)}


def publish(hub: Hub, files: dict[str, bytes]) -> None:
    """As the Hub has it: pictures and archives are large files, known by their SHA-256."""
    hub.create(SET)
    entries = {path: hub.store(content, hashlib.sha256(content).hexdigest()) for path, content in files.items()}
    hub.commit(SET, entries | {"README.md": hub.store(CARD)}, "data")


def load(
    client: Client,
    cache: Path,
    name: str = "hub:alice/animals",
    split: str = "train",
    size: int = 8,
    channels: int | None = 3,
) -> dict[str, Any]:
    return client.ask(LOAD % (str(cache), name, size, channels, split))


def asked(client: Client, words: str) -> int:
    return sum(words in request for request in client.hub.requests)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_shard_gives_what_a_folder_gives(client, images, tmp_path, monkeypatch, kind):
    for name, content in images.items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(content)
    lines = [json.dumps({"file": name, "caption": caption(name)}) for name in images]
    (tmp_path / "folder" / "captions.jsonl").write_text("\n".join(lines))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "here"))
    local = data.load(str(tmp_path / "folder"), 8, tmp_path)

    publish(client.hub, KINDS[kind](images))
    found = load(client, tmp_path / "there")["value"]
    commit = client.hub.head(SET)["oid"]
    assert found == {
        "shape": [5, 3, 8, 8],
        "sha256": hashlib.sha256(local.images.numpy().tobytes()).hexdigest(),
        "labels": local.labels.tolist(),
        "classes": local.classes,
        "captions": local.captions,
        "licence": "mit",
        "name": f"hub:alice/animals@{commit}",
    }
    assert not asked(client, "thumbnail")
    # What is prepared is not asked for again, and nothing else was kept.
    downloads = asked(client, "/resolve/")
    assert load(client, tmp_path / "there")["value"] == found
    assert load(client, tmp_path / "there", f"hub:alice/animals@{commit}")["value"] == found
    assert asked(client, "/resolve/") == downloads
    kept = {path.suffix for path in (tmp_path / "there").rglob("*") if path.is_file()}
    assert kept <= {".npy", ".json", ".commit", ".lock"}
    test = load(client, tmp_path / "there", split="test")["value"]
    assert test["shape"] == [1, 3, 8, 8]
    assert test["sha256"] != found["sha256"]


def test_grey_sets_have_one_channel_as_folders_have(client, images, tmp_path):
    grey = {name: as_grey(content) for name, content in images.items()}
    publish(client.hub, KINDS["zip"](grey))
    assert load(client, tmp_path, channels=None)["value"]["shape"] == [5, 1, 8, 8]
    assert load(client, tmp_path, channels=3)["value"]["shape"] == [5, 3, 8, 8]
    mixed = grey | {"cat/2.png": images["cat/2.png"]}
    publish(client.hub, KINDS["zip"](mixed))
    assert load(client, tmp_path, channels=None)["value"]["shape"] == [5, 3, 8, 8]


def test_an_interrupted_preparation_goes_on_with_the_next_shard(client, images, tmp_path):
    publish(client.hub, KINDS["zip"](images))
    whole = load(client, tmp_path / "whole")["value"]
    client.hub.fail(f"GET .*{SECOND}", 403, 9)
    assert "has no permission for this on datasets/alice/animals" in load(client, tmp_path / "cache")["error"]
    # A process that is killed within a shard leaves the beginning of it behind.
    (array,) = (tmp_path / "cache").rglob("*.npy")
    with array.open("ab") as file, array.with_suffix(".jsonl").open("ab") as lines:
        file.write(b"\x07" * 300)
        lines.write(b'["cat", "a')
    client.hub.faults.clear()
    client.hub.requests.clear()
    assert load(client, tmp_path / "cache")["value"] == whole
    assert asked(client, SECOND)
    assert not asked(client, FIRST)


@pytest.mark.parametrize(
    ("suffix", "spoil"),
    [
        (".npy", lambda data: data[:200]),
        (".npy", lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        (".jsonl", lambda data: data.replace(b"cat", b"cow")),
        (".journal", lambda data: data[:9]),
    ],
)
def test_what_was_damaged_before_a_preparation_goes_on_begins_anew(client, images, tmp_path, suffix, spoil):
    publish(client.hub, KINDS["zip"](images))
    whole = load(client, tmp_path / "whole")["value"]
    client.hub.fail(f"GET .*{SECOND}", 403, 9)
    load(client, tmp_path / "cache")
    (file,) = (tmp_path / "cache").rglob(f"*{suffix}")
    file.write_bytes(spoil(file.read_bytes()))
    client.hub.faults.clear()
    assert load(client, tmp_path / "cache")["value"] == whole


def test_a_prepared_set_that_was_damaged_is_prepared_again(client, images, tmp_path):
    publish(client.hub, KINDS["zip"](images))
    whole = load(client, tmp_path)["value"]
    for suffix, old, new in ((".npy", b"", b""), (".json", b'"labels": [0', b'"labels": [1')):
        (file,) = tmp_path.rglob(f"*{suffix}")
        data = file.read_bytes().replace(old, new) if old else file.read_bytes()[:-1] + b"?"
        assert data != file.read_bytes()
        file.write_bytes(data)
        assert load(client, tmp_path)["value"] == whole


@pytest.mark.parametrize("send", [altered, cut])
def test_a_shard_that_does_not_arrive_whole(client, images, tmp_path, send):
    publish(client.hub, KINDS["tar"](images))
    whole = load(client, tmp_path / "whole")["value"]
    client.hub.fail(f"GET .*{FIRST}", send=send, times=1)
    assert load(client, tmp_path / "again")["value"] == whole
    client.hub.fail(f"GET .*{FIRST}", send=altered, times=99)
    assert "was incomplete: try again" in load(client, tmp_path / "never")["error"]


def test_what_is_broken_in_the_repository_is_named_and_left_out(client, images, tmp_path):
    files = KINDS["tar"](images)
    files[f"data/{SECOND}.tar"] = files[f"data/{SECOND}.tar"][:3700]  # within the second picture
    spoilt = {"cat/4.png": png(4)[:60], "cat/5.png": png(5), "../../up.png": png(6), "/root.png": png(7)}
    files["data/train-00002.tar"] = make_tar(spoilt)
    files["data/../../train-up.tar"] = make_tar({"a/8.png": png(8)})
    publish(client.hub, files)
    before = client.log.stat().st_size
    found = load(client, tmp_path / "deep" / "cache")["value"]
    said = client.log.read_text()[before:]
    assert found["shape"] == [3 + 1 + 3, 3, 8, 8]
    assert f"the rest of data/{SECOND}.tar: unexpected end of data" in said
    assert "cat/4.png: not an image that can be read" in said
    assert "left out 2 of 9" in said
    assert not [path for path in tmp_path.rglob("*") if path.name in ("up.png", "root.png", "train-up.tar")]
    assert not asked(client, "train-up")


@pytest.mark.parametrize(
    ("name", "files", "words"),
    [
        ("hub:alice/animals", {"notes.txt": b"none"}, "holds no images, and no .zip, .tar, .parquet"),
        ("hub:alice/animals", {"a.png": b"none"}, "holds no image that can be read: a.png: not an image"),
        ("hub:alice/animals", {"a.parquet": b"none"}, "holds no image that can be read: the rest of a.parquet"),
        ("hub:alice/none", {}, "no datasets/alice/none on the Hub, or it is private: check the spelling"),
        ("hub:alice/animals@v9", {}, "datasets/alice/animals has no revision 'v9'"),
        ("hub:alice/animals@../x", {}, "is no data set: hub:user/dataset, or hub:user/dataset@revision"),
        ("hub:animals", {}, "is no data set: hub:user/dataset"),
        ("hub:alice--x/y", {}, "is not a repository name"),
    ],
)
def test_mistakes_are_sentences(client, tmp_path, name, files, words):
    publish(client.hub, files)
    assert words in load(client, tmp_path, name)["error"]


def test_a_prepared_set_is_there_without_the_hub(client, hub: HubClient, images, tmp_path):
    publish(client.hub, KINDS["parquet"](images))
    assert load(client, tmp_path / "cache", size=16)["value"]
    asked = len(client.hub.requests)
    options = "--size 16 --kimg 0.032 --batch-size 16 --width 4 --z-dim 8 --snapshots 1 --threads 1 --device cpu"
    words = ["dcgan-mnist", *options.split(), "--out", str(tmp_path / "run"), "--data"]
    code = f"""if True:
        from trainer.__main__ import main
        try:
            main({words} + ["hub:alice/never"])
        except SystemExit as ended:
            assert ended.code == 2
        main({words} + ["hub:alice/animals"])
    """
    done = hub.run("-c", code, HF_HUB_OFFLINE="1", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert not done.returncode, done.stderr
    assert "HF_HUB_OFFLINE=1 is set and datasets/alice/never is not in the cache" in done.stderr.splitlines()[0]
    assert len(client.hub.requests) == asked
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["training"]["data"] == f"hub:alice/animals@{client.hub.head(SET)['oid']}"
    assert config["training"]["data_licence"] == "mit"
    assert config["condition"] == {"classes": ["cat", "dog", "dog-2"]}


PAIRS = """(lambda found: [list(found.images.shape), list(found.held_out.shape), found.channels])(
    os.environ.update(XDG_CACHE_HOME=%r) or __import__("trainer.data.pairs").data.pairs.load_pairs(
        %r, 8, Path(), 3, __import__("trainer.data.pairs").data.pairs.PairOptions(degradation="grey", jitter=0.5)))"""


def test_pairs_are_made_of_it(client, images, tmp_path):
    publish(client.hub, KINDS["zip"](images))
    found = client.ask(PAIRS % (str(tmp_path), "hub:alice/animals"))
    assert found["value"] == [[4, 3, 12, 12], [1, 3, 8, 8], 3]


def test_a_command_is_published_with_the_name_on_the_hub():
    command = "python -m trainer dcgan-64 --data hub:alice/animals@main --kimg 3"
    assert without_paths(command) == command
    assert without_paths("python -m trainer --data=/home/alice/set") == "python -m trainer --data set"


def test_without_pyarrow_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match=r"pip install -r requirements-data\.txt"):
        shards.import_pyarrow()
