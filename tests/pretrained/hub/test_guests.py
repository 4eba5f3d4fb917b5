"""Visitors have no authority of the host, and what they name is looked at before it is fetched."""

import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
from helpers.hub_client import ID, Client, make_checkpoint
from huggingface_hub import constants

from pretrained import checkpoint
from pretrained.hub import errors, files, guest_cache
from pretrained.system import server
from pretrained.system.errors import InputError

PULL = f"hub.pull({ID!r}, None, None, True)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder with a checkpoint."""
    return make_checkpoint(tmp_path / "run")


def test_a_private_repository_is_the_hosts_alone(client: Client, folder: Path) -> None:
    shutil.rmtree(client.home / "ganvas-visitors", ignore_errors=True)
    client.push(folder)
    client.hub.repos[f"models/{ID}"]["private"] = True
    assert client.pull()  # the host has it, and it lies in the host's cache
    assert "or it is private" in client.error(PULL)
    assert "or it is private" in client.error(f"hub.peek({ID!r}, as_guest=True)")
    client.hub.fail("GET /api/models", 500, 99)
    assert "error of the Hub" in client.error(PULL)


def test_a_visitor_gets_a_public_one_and_into_another_cache(client: Client, folder: Path) -> None:
    client.push(folder)
    mine, commit = client.pull()
    theirs, same = client.value(PULL)
    assert commit == same
    assert "ganvas-visitors" in Path(theirs).parts
    assert "ganvas-visitors" not in mine.parts
    assert (Path(theirs) / checkpoint.MODEL).read_bytes() == (mine / checkpoint.MODEL).read_bytes()


def test_another_model_is_refused_by_its_header(client: Client, tmp_path: Path) -> None:
    client.hub.create(f"models/{ID}")
    client.hub.edit(ID, checkpoint.MODEL, safetensors.torch.save({"weight": torch.zeros(2**20)}))
    assert "no Ganvas config" in client.error(f"hub.pull({ID!r})")
    assert not [request for request in client.hub.requests if request.startswith("HEAD")]  # the client's own download
    assert sum(file.stat().st_size for file in client.home.rglob("*") if file.is_file()) < 2**20


@pytest.mark.parametrize(("answered", "asked"), [("b" * 40, "a" * 40), ("../../main", "main"), (None, "main")])
def test_the_commit_that_is_answered_is_the_one_asked_for(monkeypatch, answered: str | None, asked: str) -> None:
    info = SimpleNamespace(sha=answered)
    monkeypatch.setattr(files, "api", lambda: SimpleNamespace(model_info=lambda *_, **__: info))
    with pytest.raises(InputError, match="answers with commit"):
        files.ask(ID, asked)


@pytest.mark.parametrize(
    ("allow", "id", "expected"),
    [
        ("", "alice/tiny", False),
        ("*", "alice/tiny", True),
        ("alice", "alice/tiny@v1", True),
        ("bob, alice/tiny", "alice/tiny", True),
        ("bob,alice/other", "alice/tiny", False),
        ("ali", "alice/tiny", False),
    ],
)
def test_what_a_server_offers_beyond_its_list(monkeypatch, allow: str, id: str, expected: bool) -> None:
    monkeypatch.setenv(server.ALLOW, allow)
    assert server.allows(id) is expected
    assert not server.allows_folder("runs")


@pytest.mark.parametrize(
    ("address", "space", "strangers"),
    [
        ("localhost", "", False),
        ("127.0.0.1", "", False),
        ("::1", "", False),
        (None, "", True),
        ("0.0.0.0", "", True),
        ("192.168.0.7", "", True),
        ("localhost", "alice/space", True),
    ],
)
def test_who_can_come(monkeypatch, address: str | None, space: str, strangers: bool) -> None:
    monkeypatch.delenv(server.ALLOW, raising=False)
    monkeypatch.setenv("SPACE_ID", space)
    monkeypatch.setattr(server, "_address", address)
    assert server.has_strangers() is strangers
    assert server.allows("alice/tiny") is not strangers
    assert server.allows_folder("runs") is not strangers


def test_the_cache_forgets_the_least_used(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    monkeypatch.setenv(server.CACHE, "2500")
    for age, name in enumerate(("new", "older", "oldest")):
        place = guest_cache.folder() / f"models--alice--{name}"
        place.mkdir(parents=True)
        (place / "blob").write_bytes(bytes(1000))
        os.utime(place, (time.time() - 3600 * age,) * 2)
    guest_cache.use("alice/oldest")
    guest_cache.make_room("alice/next", 500)
    assert sorted(place.name for place in guest_cache.folder().iterdir()) == [
        "models--alice--new",
        "models--alice--oldest",
    ]
    with pytest.raises(InputError, match="finds no room"):
        guest_cache.make_room("alice/large", 2000)
    with pytest.raises(InputError, match="of 2,500 that visitors"):
        guest_cache.make_room("alice/huge", 3000)


def test_a_peer_that_drips_is_left() -> None:
    class Response:
        def __init__(self):
            self.headers = {}

        def iter_raw(self, chunk_size=None):
            yield from [b"x"] * 5

    response, clock = Response(), iter(range(0, 1000, 40))
    errors.raise_if_slow(response)
    original, errors.time.monotonic = errors.time.monotonic, lambda: next(clock)
    try:
        with pytest.raises(OSError, match="slower"):
            list(response.iter_raw())
    finally:
        errors.time.monotonic = original
