"""The real huggingface_hub client against a real HTTP server: what is published, what is pulled, what goes wrong."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import HubClient
from hub_store import Hub

import pretrained
from pretrained import checkpoint, networks

SPEC = {"class": "dcgan.Generator", "size": 16, "channels": 1, "z_dim": 8, "width": 4}
PUBLISHED = {checkpoint.MODEL, checkpoint.CONFIG, checkpoint.CARD, checkpoint.SAMPLES}
ID = "alice/tiny"

# huggingface_hub reads its environment when it is imported, so the client is a process of its own; it answers one
# expression after another, and waits less than a user's would.
CLIENT = """
import json, os, sys
from pathlib import Path
import pretrained
from pretrained import InputError, hub, hub_errors
hub.READ_WAITS = hub_errors.READ_WAITS = (0.01, 0.01)
hub_errors.retry.__defaults__ = (hub.READ_WAITS, False)
hub.WRITE_WAITS = (0.01, 0.01, 1.5)
for line in sys.stdin:
    request = json.loads(line)
    os.environ["HF_TOKEN"] = request["token"]
    try:
        answer = {"value": eval(request["expression"])}
    except InputError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer, default=str), flush=True)
"""


@dataclass
class Client:
    """A process that uses `pretrained.hub` on the local Hub."""

    hub: Hub
    process: subprocess.Popen[str]
    log: Path
    home: Path

    def ask(self, expression: str, token: str = "hf_alice_writes") -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"expression": expression, "token": token}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        return json.loads(line)

    def value(self, expression: str, **options: str) -> Any:
        answer = self.ask(expression, **options)
        assert "value" in answer, answer
        return answer["value"]

    def error(self, expression: str, **options: str) -> str:
        answer = self.ask(expression, **options)
        assert "error" in answer, answer
        assert "\n" not in answer["error"]
        return answer["error"]

    def push(self, folder: Path, private: bool = False) -> str:
        return self.value(f"hub.push(Path({str(folder)!r}), {ID!r}, {private})")

    def pull(self, id: str = ID) -> tuple[Path, str]:
        name, _, revision = id.partition("@")
        folder, commit = self.value(f"hub.pull({name!r}, {revision or None!r})")
        return Path(folder), commit


@pytest.fixture(scope="session")
def _client(_hub_server: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    home = tmp_path_factory.mktemp("client")
    log = home / "stderr"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", CLIENT],
            env=HubClient(_hub_server, home).env | {"HF_HUB_DISABLE_XET": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    yield Client(_hub_server, process, log, home)
    process.communicate(timeout=20)
    assert "Traceback" not in log.read_text()
    assert "hf_alice_writes" not in log.read_text()


@pytest.fixture
def client(hub: HubClient, _client: Client) -> Client:
    """The process with an empty cache and an empty Hub."""
    shutil.rmtree(_client.home / "hub", ignore_errors=True)
    return _client


def make_checkpoint(folder: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    training = {"data": "mnist", "seed": seed, "licence": "mit"}
    config = checkpoint.Config("tiny", "generate", SPEC, {"noise": "normal"}, training=training)
    checkpoint.save(folder, networks.build(SPEC), config)
    (folder / checkpoint.SAMPLES).write_bytes(b"\x89PNG\r\n\x1a\n\0 not looked at")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder: a checkpoint, and files that are nobody's business."""
    folder = make_checkpoint(tmp_path / "run")
    (folder / "log.jsonl").write_text("private")
    (folder / "resume.pt").write_bytes(b"private")
    return folder


def history(hub: Hub, key: str = f"models/{ID}") -> list[str]:
    return [commit["message"] for commit in hub.repos[key]["commits"]]


@pytest.mark.parametrize("xet", [False, True], ids=["lfs", "xet"])
def test_push_then_pull_gives_the_same_bytes_at_one_commit(hub: HubClient, folder: Path, xet: bool) -> None:
    code = f"""
from pathlib import Path
from pretrained import hub
print(hub.push(Path({str(folder)!r}), hub.check_push(None, "tiny")))
print(*hub.pull({ID!r}), sep="\\n")
"""
    run = hub.run("-c", code, xet=xet)
    assert run.returncode == 0, run.stderr
    link, pulled, commit = run.stdout.split()
    assert link == f"{hub.url}/{ID}"
    assert history(hub.hub) == ["initial commit", "Publish a Ganvas checkpoint"]
    head = hub.hub.head(f"models/{ID}")
    assert head["oid"] == commit == Path(pulled).name
    assert head["files"].keys() == PUBLISHED | {".gitattributes"}
    for name in PUBLISHED - {checkpoint.CARD}:
        assert hub.hub.content(ID, name) == (folder / name).read_bytes(), name
    assert (Path(pulled) / checkpoint.MODEL).read_bytes() == (folder / checkpoint.MODEL).read_bytes()
    assert any("xet-write-token" in request for request in hub.hub.requests) == xet
    assert any("/lfs/upload/" in request for request in hub.hub.requests) != xet

    everything = run.stdout + run.stderr + "".join(map(str, hub.hub.requests))
    everything += "".join(hub.hub.content(ID, name).decode(errors="replace") for name in head["files"])
    assert hub.token not in everything

    # The other transport reads what this one wrote.
    other = hub.run("-c", f"from pretrained import hub; print(*hub.pull({ID!r}))", xet=not xet, HF_HOME=f"{hub.home}2")
    assert other.returncode == 0, other.stderr
    assert (Path(other.stdout.split()[0]) / checkpoint.MODEL).read_bytes() == (folder / checkpoint.MODEL).read_bytes()


def test_a_published_checkpoint_makes_the_same_pictures(client: Client, folder: Path) -> None:
    client.push(folder)
    commit = client.hub.head(f"models/{ID}")["oid"]
    expected = pretrained.load(str(folder), "cpu").sample([7]).tolist()
    assert client.value(f"pretrained.load('{ID}', 'cpu').sample([7]).tolist()") == expected
    assert client.value(f"pretrained.load('{ID}@{commit}', 'cpu').revision") == commit


def test_each_push_is_one_commit_and_none_when_nothing_changed(client: Client, folder: Path) -> None:
    client.push(folder)
    client.push(folder)
    assert len(history(client.hub)) == 2
    make_checkpoint(folder, seed=1)
    client.push(folder)
    assert len(history(client.hub)) == 3
    assert "| Seed | 1 |" in client.hub.content(ID, checkpoint.CARD).decode()
    assert client.hub.content(ID, checkpoint.MODEL) == (folder / checkpoint.MODEL).read_bytes()


@pytest.mark.parametrize("edit", [lambda card: card + b"\nMy words.", lambda card: b"Only my words."])
def test_a_card_edited_on_the_hub_is_kept(client: Client, folder: Path, edit: Callable[[bytes], bytes]) -> None:
    client.push(folder)
    words = edit(client.hub.content(ID, checkpoint.CARD))
    client.hub.edit(ID, checkpoint.CARD, words)
    make_checkpoint(folder, seed=1)
    client.push(folder)
    assert client.hub.content(ID, checkpoint.CARD) == words
    assert client.hub.content(ID, checkpoint.MODEL) == (folder / checkpoint.MODEL).read_bytes()
    assert "README.md of alice/tiny was edited on the Hub" in client.log.read_text()


def test_a_card_edited_while_it_is_being_published_is_kept(client: Client, folder: Path) -> None:
    client.push(folder)
    make_checkpoint(folder, seed=1)
    client.hub.before("POST .*/commit/main", lambda: client.hub.edit(ID, checkpoint.CARD, b"In that very second."))
    client.push(folder)
    assert client.hub.content(ID, checkpoint.CARD) == b"In that very second."
    assert client.hub.content(ID, checkpoint.MODEL) == (folder / checkpoint.MODEL).read_bytes()


def test_a_card_written_in_the_folder_is_published_as_it_is(client: Client, folder: Path) -> None:
    (folder / checkpoint.CARD).write_text("Mine.")
    client.push(folder)
    assert client.hub.content(ID, checkpoint.CARD) == b"Mine."


def test_what_was_committed_is_not_committed_again_when_the_answer_is_lost(client: Client, folder: Path) -> None:
    client.hub.fail("POST .*/commit/main", 0, after=True)
    assert client.push(folder) == f"{client.hub.url}/{ID}"
    assert len(history(client.hub)) == 2


@pytest.mark.parametrize(
    ("pattern", "status", "headers"),
    [
        ("POST /api/repos/create", 502, {}),
        ("POST /api/repos/create", 0, {}),
        ("GET /api/models/", 500, {}),
        ("POST .*/preupload/", 503, {}),
        ("PUT /lfs/upload/", 500, {}),
        ("POST .*/commit/", 500, {}),
        ("POST .*/commit/", 429, {"Retry_After": "1"}),
        ("POST .*/commit/", 0, {}),
    ],
)
def test_a_push_outlives_a_fault_that_passes(
    client: Client, folder: Path, pattern: str, status: int, headers: dict[str, str]
) -> None:
    client.hub.fail(pattern, status, **headers)
    start = time.monotonic()
    client.push(folder)
    assert time.monotonic() - start >= int(headers.get("Retry_After", 0))
    assert len(history(client.hub)) == 2
    assert client.hub.content(ID, checkpoint.MODEL) == (folder / checkpoint.MODEL).read_bytes()


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (503, {}, "HTTP 503"),
        (0, {}, "cannot be reached"),
        (429, {"Retry_After": "9999"}, "slow down"),
        (429, {"RateLimit": '"api";r=0;t=9999'}, "slow down"),
        (403, {}, "does not permit"),
        (401, {"X_Error_Message": "Invalid credentials in Authorization header"}, "does not know your token"),
    ],
)
def test_a_push_that_fails_says_how_to_push_again(
    client: Client, folder: Path, status: int, headers: dict[str, str], reason: str
) -> None:
    client.hub.fail("POST .*/commit/", status, 99, **headers)
    error = client.error(f"hub.push(Path({str(folder)!r}), {ID!r}, True)")
    assert reason in error
    assert error.endswith(f"python -m trainer push {folder} --repo-id {ID} --private")
    client.hub.faults.clear()
    client.push(folder, private=True)
    assert client.hub.repos[f"models/{ID}"]["private"]


def test_a_push_refuses_what_would_harm(client: Client, folder: Path) -> None:
    push = f"hub.push(Path({str(folder)!r}), {ID!r}"
    client.hub.create(f"models/{ID}")
    assert "public already" in client.error(f"{push}, True)")
    client.hub.edit(ID, checkpoint.MODEL, b"somebody's language model")
    client.hub.edit(ID, checkpoint.CONFIG, b'{"model_type": "bert"}')
    assert "holds another model" in client.error(f"{push})")
    (folder / checkpoint.CARD).write_text("my token is hf_alice_writes")
    error = client.error(f"{push})")
    assert "your token stands in" in error and "hf_alice" not in error
    (folder / checkpoint.MODEL).write_bytes(b"half of a file")
    assert "not a whole safetensors file" in client.error(f"{push})")
    assert history(client.hub) == ["initial commit", f"Update {checkpoint.MODEL}", f"Update {checkpoint.CONFIG}"]


SCOPES = {"scoped": [{"entity": {"type": "user", "name": "alice"}, "permissions": ["repo.content.read", "repo.write"]}]}


@pytest.mark.parametrize(
    ("account", "repo_id", "expected"),
    [
        ({}, None, "alice/dcgan-mnist"),
        ({}, "mine", "alice/mine"),
        ({"orgs": ["lab"]}, "lab/ours", "lab/ours"),
        ({"role": "fineGrained", "fineGrained": SCOPES}, None, "alice/dcgan-mnist"),
        ({"role": "fineGrained", "fineGrained": {"scoped": []}}, None, "cannot write to alice/dcgan-mnist"),
        ({"role": "read"}, None, "cannot write to alice/dcgan-mnist"),
        ({}, "bob/theirs", "cannot publish as bob"),
        ({}, "alice/no spaces", "not a repository name"),
        ({}, "alice/" + "x" * 100, "not a repository name"),
        ({}, "a/b/c", "not a repository name"),
        (None, None, "does not know your token: run `hf auth login`"),
    ],
)
def test_check_push_tells_before_training(
    client: Client, account: dict[str, Any] | None, repo_id: str | None, expected: str
) -> None:
    if account is not None:
        client.hub.tokens["hf_mine"] = {"name": "alice", "role": "write"} | account
    answer = client.ask(f"hub.check_push({repo_id!r}, 'dcgan-mnist')", token="hf_mine")
    assert expected in answer.get("value", answer.get("error"))
    assert ("value" in answer) == (expected.count(" ") == 0)
    assert "hf_mine" not in str(answer)


def test_check_push_without_a_token_and_over_another_model(client: Client, folder: Path) -> None:
    assert "needs a Hugging Face token: run `hf auth login`" in client.error("hub.check_push(None, 'a')", token="")
    client.push(folder)
    assert client.value(f"hub.check_push({ID!r}, '')") == ID
    client.hub.edit(ID, checkpoint.CONFIG, b"{}")
    assert "holds another model" in client.error(f"hub.check_push({ID!r}, '')")
    client.hub.fail("GET /api/whoami-v2", 500, 2)
    assert client.value("hub.check_push(None, 'b')") == "alice/b"


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
        (None, ID, "hf_wrong", "does not know your token: run `hf auth login`, or set HF_TOKEN"),
        (None, ID, "hf_é", "a character that no token has"),
        (lambda hub: hub.create("models/alice/empty"), "alice/empty", "", "alice/empty holds no model.safetensors"),
        (make_huge, ID, "", "9,663,676,416 bytes: at most 8,589,934,592"),
        (lambda hub: hub.fail("GET /api/models", 500, 99), ID, "", "the Hub has trouble (HTTP 500)"),
        (lambda hub: hub.fail("GET /api/models", 429, 99, Retry_After="300"), ID, "", "slow down (HTTP 429)"),
        (lambda hub: hub.fail("GET /api/models", 418), ID, "", "the Hub refused alice/tiny (HTTP 418): a fault"),
        (lambda hub: hub.fail("GET /api/models", 0, 99), ID, "", "cannot be reached: check the network"),
        (lambda hub: hub.fail("HEAD .*/resolve/", 404, X_Error_Code="EntryNotFound"), ID, "", "has lost a file"),
        (lambda hub: hub.fail("GET .*/resolve/", 403, 9), ID, "", "does not permit this on alice/tiny"),
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
    assert commit == old and (path / checkpoint.MODEL).read_bytes() == bytes_then
    asked = len(client.hub.requests)
    assert client.pull(f"{ID}@{old}") == (path, old)
    assert len(client.hub.requests) == asked
    path, commit = client.pull()
    assert commit != old and (path / checkpoint.MODEL).read_bytes() == (folder / checkpoint.MODEL).read_bytes()


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
    assert f"The Hub cannot be reached: using {ID} at {commit[:7]}" in client.log.read_text()


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
            "HF_HUB_OFFLINE=1 is set and alice/never was not pulled before": {"HF_HUB_OFFLINE": "1"},
            "the Hub at http://127.0.0.1:9 cannot be reached": {"HF_ENDPOINT": "http://127.0.0.1:9"},
            f"the Hub at {silent} cannot be reached": {"HF_ENDPOINT": silent},
        }
        for expected, env in runs.items():
            run = hub.run("-c", code, HF_HOME=str(client.home), **env)
            assert run.returncode == 0, run.stderr
            cached, never = run.stdout.splitlines()
            assert cached == f"{commit} | True"
            assert never.startswith(expected) and never.endswith(" | True")


def test_list_models_offers_what_carries_the_tag(client: Client, folder: Path) -> None:
    client.push(folder)
    client.hub.create("models/alice/other")
    client.hub.create("models/bob/gan")
    client.hub.edit("bob/gan", checkpoint.CARD, b"---\ntags:\n- ganvas\n---\n")
    assert client.value("[model.id for model in hub.list_models()]") == [ID, "bob/gan"]
    assert client.value("[model.id for model in hub.list_models('bob')]") == ["bob/gan"]
    client.hub.fail("GET /api/models", 503, 9)
    start = time.monotonic()
    assert "the Hub has trouble" in client.error("hub.list_models()")
    assert time.monotonic() - start < 5


def test_the_local_hub_starts_as_a_program(hub: HubClient, tmp_path: Path) -> None:
    program = [sys.executable, Path(__file__).with_name("hub_server.py"), "--port", "0", "--root", tmp_path / "root"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        url = server.stdout.readline().split()[0]
        run = hub.run("-c", "import huggingface_hub as h; print(h.whoami()['name'])", HF_ENDPOINT=url)
        server.terminate()
    assert run.stdout.strip() == "alice", run.stderr


if os.environ.get("GANVAS_LIVE_HUB") == "1" and os.environ.get("HF_TOKEN"):

    def test_the_real_hub(folder: Path, tmp_path: Path) -> None:
        code = f"""
from pathlib import Path
import huggingface_hub
from pretrained import hub
id = hub.check_push(None, "ganvas-test-{secrets.token_hex(4)}")
try:
    print(hub.push(Path({str(folder)!r}), id, private=True))
    pulled, commit = hub.pull(id)
    assert (pulled / "model.safetensors").read_bytes() == (Path({str(folder)!r}) / "model.safetensors").read_bytes()
    assert len(huggingface_hub.list_repo_commits(id)) == 2
finally:
    huggingface_hub.delete_repo(id, missing_ok=True)
"""
        environment = os.environ | {"HF_HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[1])}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=300)
