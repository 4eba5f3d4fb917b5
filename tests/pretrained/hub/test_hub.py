"""What is published on the Hub, and what may go wrong: the real client against a real HTTP server."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from helpers import hub_server
from helpers.hub_client import ID, Client, HubClient, make_checkpoint
from helpers.hub_store import Hub

import pretrained
from pretrained import checkpoint, run_files

PUBLISHED = {checkpoint.MODEL, checkpoint.CONFIG, checkpoint.CARD, checkpoint.SAMPLES}


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


def test_a_published_checkpoint_makes_the_same_images(client: Client, folder: Path) -> None:
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
    client.hub.fail("POST .*/commit/main", 0, when="after")
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
    ("pattern", "status", "headers", "reason"),
    [
        ("POST .*/commit/", 503, {}, "HTTP 503"),
        ("POST .*/commit/", 0, {}, "cannot be reached"),
        ("POST .*/commit/", 429, {"Retry_After": "9999"}, "rate limit"),
        ("POST .*/commit/", 429, {"RateLimit": '"api";r=0;t=9999'}, "rate limit"),
        ("POST .*/commit/", 403, {}, "has no permission for this"),
        ("PUT /lfs/upload/", 403, {}, "has no permission for this"),
        ("POST /api/repos/create", 0, {}, "cannot be reached"),
        (
            "POST .*/commit/",
            401,
            {"X_Error_Message": "Invalid credentials in Authorization header"},
            "your token is invalid",
        ),
    ],
)
def test_a_push_that_fails_says_how_to_push_again(
    client: Client, folder: Path, pattern: str, status: int, headers: dict[str, str], reason: str
) -> None:
    client.hub.fail(pattern, status, 99, **headers)
    error = client.error(f"hub.push(Path({str(folder)!r}), {ID!r}, True)")
    assert reason in error
    assert error.endswith(f"python -m trainer push {folder} --repo-id {ID} --private")
    client.hub.faults.clear()
    client.push(folder, private=True)
    assert client.hub.repos[f"models/{ID}"]["private"]


def test_a_xet_store_that_refuses_is_one_sentence(hub: HubClient, folder: Path) -> None:
    hub.hub.fail("GET .*/xet-write-token/", 403, 99)
    code = f"""
from pathlib import Path
from pretrained import InputError, hub
try:
    hub.push(Path({str(folder)!r}), {ID!r})
except InputError as error:
    print(error)
"""
    run = hub.run("-c", code, xet=True)
    assert run.returncode == 0, run.stderr
    assert "Xet storage of the Hub cannot be reached" in run.stdout
    assert "python -m trainer push" in run.stdout
    assert hub.token not in run.stdout + run.stderr


def test_a_push_refuses_what_would_harm(client: Client, folder: Path) -> None:
    push = f"hub.push(Path({str(folder)!r}), {ID!r}"
    client.hub.create(f"models/{ID}")
    assert "public already" in client.error(f"{push}, True)")
    client.hub.edit(ID, checkpoint.MODEL, b"somebody's language model")
    client.hub.edit(ID, checkpoint.CONFIG, b'{"model_type": "bert"}')
    assert "holds another model" in client.error(f"{push})")
    (folder / checkpoint.CARD).write_text("my token is hf_alice_writes")
    error = client.error(f"{push})")
    assert "README.md contains a Hugging Face token" in error
    assert "hf_alice" not in error
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
        ({}, "bob/theirs", "no write access to bob"),
        ({}, "alice/no spaces", "not a repository name"),
        ({}, "alice/" + "x" * 100, "not a repository name"),
        ({}, "a/b/c", "not a repository name"),
        (None, None, "your token is invalid or has expired: run `hf auth login`"),
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


def test_list_models_offers_what_carries_the_tag(client: Client, folder: Path) -> None:
    client.push(folder)
    client.hub.create("models/alice/other")
    client.hub.create("models/bob/gan")
    client.hub.edit("bob/gan", checkpoint.CARD, b"---\ntags:\n- ganvas\n---\n")
    assert client.value("[model.id for model in hub.list_models()]") == [ID, "bob/gan"]
    assert client.value("[model.id for model in hub.list_models('bob')]") == ["bob/gan"]
    client.hub.fail("GET /api/models", 503, 9)
    start = time.monotonic()
    assert "error of the Hub" in client.error("hub.list_models()")
    assert time.monotonic() - start < 5


def test_the_local_hub_starts_as_a_program(hub: HubClient, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "helpers.hub_server", "--port", "0", "--root", tmp_path / "root"]
    tests = Path(hub_server.__file__).parents[1]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=tests) as server:
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
        environment = os.environ | {"HF_HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=300)


def test_a_discriminator_is_published_only_when_asked_for_and_pulled_only_by_name(client: Client, folder: Path) -> None:
    name = run_files.DISCRIMINATOR
    push = f"hub.push(Path({str(folder)!r}), {ID!r}, False, True)"
    assert f"holds no {name}" in client.error(push)
    (folder / name).write_bytes(safetensors.torch.save({"D.weight": torch.ones(3)}))
    client.push(folder)
    assert name not in client.hub.head(f"models/{ID}")["files"]
    commit = client.pull()[1]
    assert client.value(f"hub.pull_file({ID!r}, {commit!r}, {name!r})") is None
    client.value(push)
    assert client.hub.content(ID, name) == (folder / name).read_bytes()
    pulled, commit = client.pull()
    assert not (pulled / name).exists(), "nobody who draws needs it"
    kept = client.value(f"hub.pull_file({ID!r}, {commit!r}, {name!r})")
    assert Path(kept).read_bytes() == (folder / name).read_bytes()
    (folder / name).write_bytes(safetensors.torch.save({"D.weight": torch.full((3,), float("nan"))}))
    assert "not finite" in client.error(push)
