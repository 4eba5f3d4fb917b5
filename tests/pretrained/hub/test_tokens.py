"""A token goes to the Hub in a header and nowhere else: it is looked for in all that is printed, written or sent."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hub_client import ID, Client, HubClient, make_checkpoint
from helpers.hub_store import Hub
from PIL import Image, UnidentifiedImageError

from pretrained import checkpoint
from pretrained.hub import account
from pretrained.system.errors import InputError

CANARY = "hf_" + "CanaryThatSings" * 3
TRAIN = "--data fake --size 16 --width 4 --z-dim 8 --batch-size 8 --kimg 0.1 --device cpu --out run --push-to-hub"

# What a user does from training to a page, and pushes that the Hub refuses, with all logs on.
SESSION = """
import logging, sys, traceback
logging.basicConfig(level=logging.DEBUG)
from pathlib import Path
import pretrained.__main__, trainer.__main__
from pretrained import InputError, hub
from streamlit.testing.v1 import AppTest

def run(main, *words):
    try:
        main(list(words))
    except SystemExit as ended:
        print("ended with", ended.code)

run(trainer.__main__.main, *sys.argv[2:], "--repo-id", "alice/sung")
for verb in (["info", "--json"], ["sample", "--out", "grid.png"], ["walk", "--frames", "2", "--out", "film.gif"]):
    run(pretrained.__main__.main, verb[0], "alice/sung", *verb[1:])
run(pretrained.__main__.main, "deploy", "alice/sung", "--space", "docker", "--repo-id", "alice/page")
app = AppTest.from_file(f"{sys.argv[1]}/ui/main.py", default_timeout=120)
app.query_params["model"] = "alice/sung"
print(app.run())
for refused in ("alice/refused401", "alice/refused403", "alice/refused500"):
    run(trainer.__main__.main, "push", "run", "--repo-id", refused)
    try:
        hub.push(Path("run"), refused)
    except InputError:
        traceback.print_exc()
"""


def readable(hub: Hub, folder: Path) -> Iterator[tuple[str, bytes]]:
    """All that was written below a folder, and all that the Hub has been sent, by what it is."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()
            if path.suffix == ".png":
                with contextlib.suppress(UnidentifiedImageError), Image.open(path) as image:
                    yield f"text of {path}", repr(image.info).encode()
    yield "addresses", "\n".join(hub.requests).encode()
    yield from ((f"body {number}", body) for number, body in enumerate(hub.bodies))
    for name, repo in hub.repos.items():
        yield f"what was asked of {name}", repr(repo["asked"]).encode()
        for commit in repo["commits"]:
            yield f"message in {name}", commit["message"].encode()
            yield from ((f"{path} in {name}", hub.read(entry)) for path, entry in commit["files"].items())


def test_a_token_is_nowhere_but_in_the_header(hub: HubClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hub.hub.tokens = {CANARY: {"name": "alice", "role": "write"}}  # no other opens it
    for status in (401, 403, 500):
        hub.hub.fail(f"POST /api/models/alice/refused{status}/commit/", status, 99, Retry_After="3600")
    logs = {"HF_DEBUG": "1", "HF_HUB_VERBOSITY": "debug", "RUST_LOG": "debug", "HF_HUB_DISABLE_PROGRESS_BARS": ""}
    root = Path(__file__).parents[3]
    run = hub.run("-c", SESSION, root, *TRAIN.split(), xet=True, timeout=240, HF_TOKEN=CANARY, **logs)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("ended with 2") == 3, run.stdout + run.stderr[-3000:]
    assert run.stderr.count("repeat with") >= 6
    assert "<TOKEN>" in run.stderr, "the logs were to say all"
    assert hub.hub.content("alice/sung", checkpoint.MODEL) == (tmp_path / "run" / checkpoint.MODEL).read_bytes()
    assert "app.py" in hub.hub.head("spaces/alice/page")["files"]
    searched = dict(readable(hub.hub, tmp_path)) | {"stdout": run.stdout.encode(), "stderr": run.stderr.encode()}
    assert {"grid.png", "film.gif"} <= {Path(name).name for name in searched}
    assert [name for name, data in searched.items() if CANARY.encode() in data] == []


def test_a_stored_token_stays_where_it_is(client: Client, tmp_path: Path) -> None:
    folder, stored = make_checkpoint(tmp_path / "run"), client.home / "token"
    client.hub.tokens = {CANARY: {"name": "alice", "role": "write"}}
    stored.write_text(f"{CANARY}\n")
    try:
        push = f"hub.push(Path({str(folder)!r}), hub.check_push(None, 'tiny'))"
        answers = [client.ask(push, token=""), client.ask(f"hub.pull({ID!r})", token="")]
        for status in (401, 403, 500):
            make_checkpoint(folder, seed=status)
            client.hub.fail("POST .*/commit/", status, Retry_After="3600")
            answers.append(client.ask(push, token=""))
    finally:
        stored.unlink()
    assert [list(answer) for answer in answers] == [["value"]] * 2 + [["error"]] * 3
    searched = (
        dict(readable(client.hub, folder)) | dict(readable(client.hub, client.home)) | {"said": repr(answers).encode()}
    )
    assert [name for name, data in searched.items() if CANARY.encode() in data] == []


def test_what_holds_a_token_is_not_published(client: Client, tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "run")
    (folder / checkpoint.SAMPLES).write_bytes(b"\x89PNG\r\n\x1a\n\0" + CANARY.encode())  # another's token
    said = "nothing was published: samples.png contains a Hugging Face token; remove it first"
    assert client.error(f"hub.push(Path({str(folder)!r}), {ID!r})") == said
    assert not client.hub.repos


def test_a_space_takes_settings_along_and_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pretrained.deploy import spaces as deploy

    settings = tmp_path / ".streamlit"
    settings.mkdir()
    (settings / "config.toml").write_text("[server]\n")
    (settings / "secrets.toml").write_text(f'token = "{CANARY}"\n')
    for name in ("app.py", "ui", "pretrained", "requirements.txt"):
        source = deploy.ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    monkeypatch.setattr(deploy, "ROOT", tmp_path)
    files = deploy.project_files(deploy.APP)
    assert ".streamlit/config.toml" in files
    assert not any("secrets" in name for name in files)
    with pytest.raises(InputError, match="app.py contains a Hugging Face token"):
        account.check_secrets(files | {"app.py": CANARY.encode()})
