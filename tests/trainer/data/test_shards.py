"""Shards by themselves: archives and tables within bounds, and which of a repository's files are taken."""

from __future__ import annotations

import tarfile
import zipfile

import pytest
from helpers.shard_files import make_parquet, make_tar

from trainer.data.hub import shards, splits


def test_an_archive_is_read_within_bounds(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(shards.MAX_IMAGE + 1))
        archive.writestr("b.png", b"b")
    first, second = shards.from_zip(tmp_path / "bomb.zip")
    assert "67,108,865 bytes are too many" in first.data
    assert second.data == b"b"

    vast = tarfile.TarInfo("a.png")
    vast.size = 2**50
    (tmp_path / "vast.tar").write_bytes(make_tar({"b.png": b"b"})[:1024] + vast.tobuf() + bytes(1024))
    found = []
    with pytest.raises(shards.BROKEN):
        found.extend(shards.from_tar(tmp_path / "vast.tar"))
    head = tarfile.TarInfo("head")
    head.type, head.size = tarfile.XHDTYPE, 2**33 - 1
    (tmp_path / "head.tar").write_bytes(head.tobuf() + bytes(1024))
    with pytest.raises(ValueError, match="are said of one file"):
        list(shards.from_tar(tmp_path / "head.tar"))


def test_one_stem_for_all_is_not_gathered(tmp_path):
    """Files of one stem wait for each other, but not without end."""
    (tmp_path / "a.tar").write_bytes(make_tar({f"a.{number}.png": bytes([number]) for number in range(100)}))
    found = list(shards.from_tar(tmp_path / "a.tar"))
    assert [item.data for item in found] == [bytes([number]) for number in range(100)]


def test_a_row_group_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(make_parquet({"cat/1.png": bytes(10**5)}))
    monkeypatch.setattr(shards, "MAX_COLUMN", 10**5)
    with pytest.raises(ValueError, match="row group 0 unpacks to"):
        list(shards.from_parquet(tmp_path / "a.parquet"))
    monkeypatch.setattr(shards, "MAX_IMAGE", 10**4)
    monkeypatch.setattr(shards, "MAX_COLUMN", 10**6)
    (item,) = shards.from_parquet(tmp_path / "a.parquet")
    assert "100,000 bytes are too many" in item.data


@pytest.mark.parametrize(
    ("paths", "split", "taken"),
    [
        ("a.zip b.zip", "train", "a.zip b.zip"),
        ("train.zip test.zip", "test", "test.zip"),
        ("train.zip val.zip", "test", "val.zip"),
        ("train.zip other.zip", "train", "train.zip other.zip"),
        ("all.zip test.zip", "train", "all.zip"),
        ("training/a.tar validation/a.tar", "train", "training/a.tar"),
        ("constraints.zip testimony.zip", "train", "constraints.zip testimony.zip"),
        ("train/1.png bus/2.png", "train", "train/1.png bus/2.png"),
        ("a/test_1.png a/train_2.png", "train", "a/test_1.png a/train_2.png"),
        ("../a.zip a.zip c:d.zip a//b.zip", "train", "a.zip"),
    ],
)
def test_the_files_of_a_part(paths, split, taken):
    from huggingface_hub.hf_api import RepoFile

    files = [RepoFile(path=path, size=1, oid="") for path in paths.split()]
    chosen = splits.choose("hub:alice/set", files, split)
    assert {file.path for shard in chosen.shards for file in shard} == set(taken.split())
