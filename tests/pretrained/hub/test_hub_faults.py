"""A Hub that fails in the middle: nothing is lost, nothing half is loaded, and it ends soon, in one sentence."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.hub_client import ID, Client, HubClient, make_checkpoint
from helpers.hub_faults import altered, cut, foreign, silent, slow
from helpers.hub_store import Hub

from pretrained import checkpoint

EVER = 99
HOUR = {"status": 429, "Retry_After": "3600"}
BUSY = {"status": 429, "Retry_After": "1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder."""
    folder = make_checkpoint(tmp_path / "run")
    (folder / "log.jsonl").write_text("nobody's business")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def is_whole(hub: Hub, folder: Path) -> bool:
    """Whether the repository has one commit with all files of the run, and none with some."""
    _, *commits = hub.repos[f"models/{ID}"]["commits"]
    ours = [commit for commit in commits if commit["message"].startswith("Publish")]
    files = ours[-1]["files"] if ours else {}
    return len(ours) == 1 and all(
        hub.read(files[name]) == (folder / name).read_bytes() for name in (checkpoint.MODEL, checkpoint.SAMPLES)
    )


@pytest.mark.parametrize(
    ("about", "fault"),
    [
        ("PUT /lfs/upload/", {"when": "upload"}),
        ("PUT /lfs/upload/", {"when": "upload", "status": 502}),
        ("PUT /lfs/upload/", BUSY),
        ("POST /lfs/verify/", {"status": 500, "times": 2}),
        ("POST .*/objects/batch", {"send": cut}),
        ("POST .*/commit/", {"when": "upload"}),
        ("POST .*/commit/", {"send": cut}),
        ("POST .*/commit/", {"send": slow}),
        ("POST .*/preupload/", {"status": 503, "Retry_After": "1"}),
        ("GET /api/models/", {"send": silent}),
    ],
)
def test_a_push_outlives_what_breaks_in_the_middle(
    client: Client, folder: Path, about: str, fault: dict[str, Any]
) -> None:
    before = contents(folder)
    client.hub.fail(about, **fault)
    client.push(folder)
    assert is_whole(client.hub, folder)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("about", "fault", "sentence"),
    [
        ("POST .*/preupload/", HOUR, "rate limit of the Hub (HTTP 429): try again in 3600 seconds"),
        ("POST .*/objects/batch", HOUR, "rate limit of the Hub (HTTP 429): try again in 3600 seconds"),
        ("PUT /lfs/upload/", HOUR, "rate limit of the Hub (HTTP 429): try again in 3600 seconds"),
        ("PUT /lfs/upload/", {"status": 503, "Retry_After": "3600"}, "error of the Hub (HTTP 503)"),
        ("PUT /lfs/upload/", {"status": 500}, "error of the Hub (HTTP 500)"),
        ("POST .*/commit/", {"send": foreign}, "is not a Hub: check the network"),
        ("GET /api/models/", {"send": foreign}, "is not a Hub: check the network"),
    ],
)
def test_a_push_that_cannot_be_ends_soon_and_can_be_done_again(
    client: Client, folder: Path, about: str, fault: dict[str, Any], sentence: str
) -> None:
    before, start = contents(folder), time.monotonic()
    client.hub.fail(about, times=EVER, **fault)
    error = client.error(f"hub.push(Path({str(folder)!r}), {ID!r})")
    assert time.monotonic() - start < 60  # the client by itself would sleep for the hour, or for 23 s each time
    assert sentence in error
    assert error.endswith(f"nothing was lost; repeat with: python -m trainer push {folder} --repo-id {ID}")
    assert contents(folder) == before
    client.hub.faults.clear()
    client.push(folder)
    assert is_whole(client.hub, folder)


def expire(hub: Hub) -> None:
    del hub.tokens["hf_alice_writes"]


def forbid_writing(hub: Hub) -> None:
    hub.tokens["hf_alice_writes"]["role"] = "read"


@pytest.mark.parametrize("about", ["POST .*/preupload/", "PUT /lfs/upload/|POST .*/objects/batch", "POST .*/commit/"])
@pytest.mark.parametrize(
    ("happens", "sentence"),
    [
        (expire, "your token is invalid or has expired: run `hf auth login`"),
        (forbid_writing, "has no permission for this"),
    ],
)
def test_a_token_that_ends_in_the_middle(
    client: Client, folder: Path, about: str, happens: Callable[[Hub], None], sentence: str
) -> None:
    client.hub.before(about, lambda: happens(client.hub))
    error = client.error(f"hub.push(Path({str(folder)!r}), {ID!r})")
    assert sentence in error
    assert len(client.hub.repos[f"models/{ID}"]["commits"]) == 1
    client.hub.tokens["hf_alice_writes"] = {"name": "alice", "role": "write"}
    client.push(folder)
    assert is_whole(client.hub, folder)


@pytest.mark.parametrize(
    ("about", "fault"),
    [
        ("GET .*/resolve/.*/model", {"send": cut}),
        ("GET .*/resolve/.*/model", {"send": cut, "times": 3}),
        ("GET .*/resolve/.*/model", {"send": altered}),
        ("GET .*/resolve/.*/config", {"send": altered}),
        ("GET .*/resolve/.*/model", {"send": slow}),
        ("GET .*/resolve/.*/model", {"send": silent}),
        ("GET .*/resolve/", {}),
        ("GET .*/resolve/", {"status": 502, "times": 2}),
        ("GET .*/resolve/", BUSY),
        ("HEAD .*/resolve/", {}),
        ("HEAD .*/resolve/", {"status": 500}),
    ],
)
def test_a_pull_outlives_what_breaks_in_the_middle(
    client: Client, folder: Path, about: str, fault: dict[str, Any]
) -> None:
    client.push(folder)
    client.hub.fail(about, **fault)
    path, _ = client.pull()
    for name in (checkpoint.MODEL, checkpoint.CONFIG):
        assert (path / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize(
    ("about", "fault", "sentence"),
    [
        ("GET .*/resolve/.*/model", {"send": altered}, "the download of alice/tiny was incomplete: try again"),
        ("GET .*/resolve/.*/model", HOUR, "rate limit of the Hub (HTTP 429): try again in 3600 seconds"),
        ("HEAD .*/resolve/", HOUR, "rate limit of the Hub (HTTP 429): try again in 3600 seconds"),
        ("GET .*/resolve/", {"status": 502}, "error of the Hub (HTTP 502)"),
        ("GET /api/models/", {"send": foreign}, "is not a Hub: check the network"),
    ],
)
def test_what_does_not_arrive_is_never_loaded(
    client: Client, folder: Path, about: str, fault: dict[str, Any], sentence: str
) -> None:
    client.push(folder)
    client.hub.fail(about, times=EVER, **fault)
    start = time.monotonic()
    assert sentence in client.error(f"pretrained.load({ID!r}, 'cpu')")
    assert time.monotonic() - start < 60
    assert not list((client.home / "hub").glob("models--*/snapshots/*/model.safetensors"))
    client.hub.faults.clear()
    assert (client.pull()[0] / checkpoint.MODEL).read_bytes() == (folder / checkpoint.MODEL).read_bytes()


def test_a_newer_version_that_cannot_be_had_leaves_the_older_one(client: Client, folder: Path) -> None:
    client.push(folder)
    path, commit = client.pull()
    make_checkpoint(folder, seed=1)
    client.push(folder)
    client.hub.fail("GET .*/resolve/.*/model", times=EVER, send=altered)
    assert client.pull() == (path, commit)
    assert f"using the cached copy of {ID} at {commit[:7]}" in client.log.read_text()


def test_a_repository_that_turns_private_in_the_middle(client: Client, folder: Path) -> None:
    client.push(folder)
    client.hub.before("HEAD .*/resolve/", lambda: client.hub.repos[f"models/{ID}"].update(private=True))
    assert f"no {ID} on the Hub, or it is private" in client.error(f"hub.pull({ID!r})", token="hf_bob_writes")
    assert client.pull()[1] == client.hub.head(f"models/{ID}")["oid"]


def damage(client: Client, how: Callable[[bytes], bytes]) -> None:
    """Spoil the weights in the cache, as a killed program or a bad disk might."""
    (blob,) = (path for path in (client.home / "hub").glob("models--*/blobs/*") if len(path.name) == 64)
    blob.write_bytes(how(blob.read_bytes()))


@pytest.mark.parametrize("how", [lambda data: b"".join(altered(data)), lambda data: data[: len(data) // 2]])
@pytest.mark.parametrize("pinned", [False, True], ids=["branch", "commit"])
def test_what_is_damaged_in_the_cache_is_fetched_again(
    client: Client, folder: Path, pinned: bool, how: Callable[[bytes], bytes]
) -> None:
    client.push(folder)
    path, commit = client.pull()
    damage(client, how)
    client.hub.fail("GET /api/models/", 500, EVER)
    assert "error of the Hub" in client.error(f"hub.pull({ID!r}, {commit if pinned else None!r})")
    client.hub.faults.clear()
    assert client.pull(f"{ID}@{commit}" if pinned else ID) == (path, commit)
    assert (path / checkpoint.MODEL).read_bytes() == (folder / checkpoint.MODEL).read_bytes()


def test_ctrl_c_says_how_to_push_again(hub: HubClient, folder: Path) -> None:
    reached = threading.Event()

    def hold() -> None:
        reached.set()
        time.sleep(2)

    hub.hub.before("POST .*/commit/", hold)
    environment = hub.env | {"HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "trainer", "push", str(folder), "--repo-id", ID]
    restored = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, **restored) as process:
        assert reached.wait(60)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    again = f"nothing was lost; repeat with: python -m trainer push {folder} --repo-id {ID}"
    assert said == f"ganvas: stopped; {again}\n"
