"""What is pulled from the Hub, whole and at one commit, and what may go wrong: the real client over real HTTP."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.hub_client import ID, Client, HubClient, make_checkpoint
from helpers.hub_store import Hub

from pretrained import checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder with a checkpoint."""
    return make_checkpoint(tmp_path / "run")


def damage(hub: Hub) -> None:
    (hub.root / "blobs" / hub.head(f"models/{ID}")["files"][checkpoint.MODEL]["sha256"]).write_bytes(b"short")


def make_huge(hub: Hub) -> None:
    hub.head(f"models/{ID}")["files"][checkpoint.MODEL]["size"] = 9 * 2**30


@pytest.mark.parametrize(
    ("prepare", "id", "token", "expected"),
    [
        (None, "alice/none", "hf_alice_writes", "no alice/none on the Hub, or it is private: check the spelling"),
        (None, "alice/none", "", "no alice/none on the Hub, or it is private: check the spelling"),
        (lambda hub: hub.repos[f"models/{ID}"].update(private=True), ID, "hf_bob_writes", "or it is private"),
        (lambda hub: hub.repos[f"models/{ID}"].update(gated=True), ID, "hf_bob_writes", "is gated: accept its terms"),
        (None, f"{ID}@v9", "hf_alice_writes", "alice/tiny has no revision 'v9'"),
        (None, f"{ID}@../../x", "hf_alice_writes", "'../../x' is not a revision"),
        (None, f"{ID}@/etc", "hf_alice_writes", "'/etc' is not a revision"),
        (None, "alice--x/y", "hf_alice_writes", "not a repository name"),
        (None, ID, "hf_wrong", "your token is invalid or has expired: run `hf auth login`, or set HF_TOKEN"),
        (None, ID, "hf_é", "token contains an invalid character"),
        (lambda hub: hub.create("models/alice/empty"), "alice/empty", "", "alice/empty holds no model.safetensors"),
        (damage, ID, "", "the download of alice/tiny was incomplete: try again"),
        (make_huge, ID, "", "9,663,676,416 bytes: at most 8,589,934,592"),
        (lambda hub: hub.fail("GET /api/models", 500, 99), ID, "", "error of the Hub (HTTP 500)"),
        (
            lambda hub: hub.fail("GET /api/models", 429, 99, Retry_After="300"),
            ID,
            "",
            "rate limit of the Hub (HTTP 429)",
        ),
        (lambda hub: hub.fail("GET /api/models", 418), ID, "", "the Hub rejected alice/tiny (HTTP 418): a fault"),
        (lambda hub: hub.fail("GET /api/models", 0, 99), ID, "", "cannot be reached: check the network"),
        (
            lambda hub: hub.fail("HEAD .*/resolve/", 404, X_Error_Code="EntryNotFound"),
            ID,
            "",
            "alice/tiny is missing",
        ),
        (lambda hub: hub.fail("GET .*/resolve/", 403, 9), ID, "", "has no permission for this on alice/tiny"),
    ],
)
def test_a_pull_that_fails_is_one_sentence(
    client: Client, folder: Path, prepare: Callable[[Hub], Any] | None, id: str, token: str, expected: str
) -> None:
    client.push(folder)
    if prepare:
        prepare(client.hub)
    name, _, revision = id.partition("@")
    before = len(client.hub.requests)
    start = time.monotonic()
    error = client.error(f"hub.pull({name!r}, {revision or None!r})", token=token)
    assert expected in error
    assert not token or token not in error
    assert time.monotonic() - start < 5
    if prepare is make_huge:
        assert not any("/resolve/" in request for request in client.hub.requests[before:])


def test_a_pull_outlives_a_fault_that_passes(client: Client, folder: Path) -> None:
    client.push(folder)
    client.hub.fail("GET /api/models", 502, 2)
    assert client.pull()[1] == client.hub.head(f"models/{ID}")["oid"]


def test_a_pinned_commit_is_that_commit_and_is_not_asked_for_twice(client: Client, folder: Path) -> None:
    client.push(folder)
    old, bytes_then = client.hub.head(f"models/{ID}")["oid"], (folder / checkpoint.MODEL).read_bytes()
    make_checkpoint(folder, seed=1)
    client.push(folder)
    path, commit = client.pull(f"{ID}@{old}")
    assert commit == old
    assert (path / checkpoint.MODEL).read_bytes() == bytes_then
    asked = len(client.hub.requests)
    assert client.pull(f"{ID}@{old}") == (path, old)
    assert len(client.hub.requests) == asked
    path, commit = client.pull()
    assert commit != old
    assert (path / checkpoint.MODEL).read_bytes() == (folder / checkpoint.MODEL).read_bytes()


def test_a_push_during_a_pull_does_not_mix_two_versions(client: Client, folder: Path) -> None:
    client.push(folder)
    old = client.hub.head(f"models/{ID}")["oid"]
    expected = {name: client.hub.content(ID, name) for name in (checkpoint.MODEL, checkpoint.CONFIG)}

    def push_another() -> None:
        for name in expected:
            client.hub.edit(ID, name, b"newer")

    client.hub.before("HEAD .*/resolve/", push_another)
    path, commit = client.pull()
    assert commit == old
    assert {name: (path / name).read_bytes() for name in expected} == expected


def test_what_was_pulled_works_without_the_hub(client: Client, folder: Path) -> None:
    client.push(folder)
    path, commit = client.pull()
    # A newer version that never arrives whole does not take the place of the one that did.
    make_checkpoint(folder, seed=1)
    client.push(folder)
    client.hub.fail("GET .*/resolve/", 403, 9)
    client.error(f"hub.pull({ID!r})")
    client.hub.faults.clear()
    for status in (0, 500):
        client.hub.fail("GET /api/models", status, 1)
        assert client.pull() == (path, commit)
    assert f"Hub unavailable; using the cached copy of {ID} at {commit[:7]}" in client.log.read_text()


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_offline_and_out_of_reach(hub: HubClient, client: Client, folder: Path) -> None:
    client.push(folder)
    commit = client.pull()[1]
    code = """
import time
from huggingface_hub import HfApi, hf_hub_download
from pretrained import InputError, hub
for id in ("alice/tiny", "alice/never"):
    start = time.monotonic()
    try:
        print(hub.pull(id)[1], end=" | ")
    except InputError as error:
        print(error, end=" | ")
    print(time.monotonic() - start < 5)
"""
    with silent_server() as silent:
        runs = {
            "HF_HUB_OFFLINE=1 is set and alice/never is not in the cache": {"HF_HUB_OFFLINE": "1"},
            "the Hub at http://127.0.0.1:9 cannot be reached": {"HF_ENDPOINT": "http://127.0.0.1:9"},
            f"the Hub at {silent} cannot be reached": {"HF_ENDPOINT": silent},
        }
        for expected, env in runs.items():
            run = hub.run("-c", code, HF_HOME=str(client.home), **env)
            assert run.returncode == 0, run.stderr
            cached, never = run.stdout.splitlines()
            assert cached == f"{commit} | True"
            assert never.startswith(expected)
            assert never.endswith(" | True")
