"""Without the Hub: what is bundled and what was pulled before works in every face, and publishing says no at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.hub_client import ID, Client, HubClient
from helpers.small import save_small

import pretrained
from pretrained import checkpoint
from pretrained.hub.model_card import model_card
from pretrained.media.images import encode_png, grid

# One process with HF_HUB_OFFLINE=1 goes through all faces: the calls of Python, the two command lines, the pages of the
# app, the models of the Gradio app. What it tells is JSON, by the name of what it tried.
FACES = """
import contextlib, io, json, os, sys
from pathlib import Path
import pretrained, pretrained.__main__, trainer.__main__
from pretrained import InputError, hub
from streamlit.testing.v1 import AppTest

ID, COMMIT, ROOT = sys.argv[1:]
said = {}

def tell(name, what):
    try:
        said[name] = what()
    except InputError as error:
        said[name] = str(error)

def run(main, *words):
    stream = io.StringIO()
    with contextlib.redirect_stderr(stream), contextlib.redirect_stdout(stream):
        try:
            main(list(words))
            return 0, stream.getvalue()
        except SystemExit as ended:
            return ended.code, stream.getvalue()

def page(name, **link):
    app = AppTest.from_file(f"{ROOT}/ui/main.py", default_timeout=120)
    app.query_params.update(link)
    app.run()
    if name:
        app.switch_page(f"views/{name}.py").run()
    words = [*app.error, *app.info, *app.markdown, *app.exception, *app.html]
    return [getattr(element, "value", None) or element.proto.body for element in words]

for id in ("dcgan-mnist", ID, f"{ID}@{COMMIT}", f"{ID}@v1", "alice/never"):
    tell(f"load {id}", lambda: pretrained.load(id, "cpu").sample([7]).tolist())
tell("author", lambda: [model.id for model in hub.list_models("alice")])
tell("tag", lambda: [model.id for model in hub.list_models(None, "dcgan")])
tell("nobody", lambda: [model.id for model in hub.list_models("bob")])
tell("peek", lambda: [hub.peek(ID)[0].name, hub.peek(ID)[1].name])
for verb, *words in (
    ["info"], ["sample", "--seeds", "7", "--out", "one.png"], ["walk", "--frames", "2", "--out", "two.gif"],
    ["directions", "--method", "sefa", "--out", "sheet.png"], ["deploy", "--space", "docker", "--dry-run", "space"],
    ["deploy"],
):
    tell(verb + " " + " ".join(words[2:4]), lambda: run(pretrained.__main__.main, verb, ID, *words))
tell("train", lambda: run(trainer.__main__.main, "--data", "fake", "--kimg", "0.1", "--out", "new", "--push-to-hub"))
said["trained"] = Path("new").exists()
tell("push", lambda: run(trainer.__main__.main, "push", "run"))
tell("app", lambda: page("", model=ID))
tell("app never", lambda: page("", model="alice/never"))
tell("gallery", lambda: page("gallery", model="dcgan-mnist", hub="alice"))
tell("gallery bob", lambda: page("gallery", model="dcgan-mnist", hub="bob"))
os.environ["GANVAS_MODELS"] = f"dcgan-mnist,{ID}"
from gradio_ui import models
tell("gradio", lambda: [pipeline.sample([7]).tolist() for pipeline in models.offered().values()])
blob = (hub.pull(ID)[0] / "model.safetensors").resolve()
blob.write_bytes(blob.read_bytes()[:-1])
tell("damaged", lambda: pretrained.load(ID))
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_small(tmp_path_factory.mktemp("offline") / "run", size=16)
    pipeline = pretrained.load(str(folder), "cpu")
    (folder / checkpoint.SAMPLES).write_bytes(encode_png(grid(pipeline.sample(range(64)))))
    (folder / checkpoint.CARD).write_text(model_card(pipeline.config, ID))
    return folder


@pytest.fixture
def said(
    hub: HubClient, client: Client, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """What the faces tell of a checkpoint that was pulled, and looked at in the gallery, while there was a Hub."""
    hub.hub.create(f"models/{ID}")
    files = {path.name: hub.hub.store(path.read_bytes()) for path in folder.iterdir()}
    commit = hub.hub.commit(f"models/{ID}", files, "publish")
    client.value(f"[hub.pull({ID!r}), hub.peek({ID!r})]")
    asked = len(hub.hub.requests)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").symlink_to(folder)
    root = Path(__file__).parents[3]
    run = hub.run("-c", FACES, ID, commit, root, HF_HOME=str(client.home), HF_HUB_OFFLINE="1", timeout=240)
    assert run.returncode == 0, run.stderr
    assert len(hub.hub.requests) == asked
    return json.loads(run.stdout.splitlines()[-1])


def test_every_face_works_offline(said: dict[str, Any], folder: Path) -> None:
    drawn = {id: pretrained.load(id, "cpu").sample([7]).tolist() for id in ("dcgan-mnist", str(folder))}
    bundled, pulled = drawn.values()
    assert said["load dcgan-mnist"] == bundled
    commit = next(name for name in said if name.startswith(f"load {ID}@") and not name.endswith("v1"))
    assert said[f"load {ID}"] == said[commit] == pulled
    for missing in (f"load {ID}@v1", "load alice/never", "damaged"):
        assert "HF_HUB_OFFLINE=1 is set and alice/" in said[missing]
        assert said[missing].endswith("is not in the cache: unset it")
    assert (said["author"], said["tag"], said["nobody"]) == ([ID], [ID], [])
    assert said["peek"] == [pretrained.checkpoint.read_config(folder / checkpoint.MODEL).name, checkpoint.SAMPLES]
    for verb in ("info ", "sample --out one.png", "walk --out two.gif", "directions --out sheet.png"):
        assert said[verb][0] == 0, said[verb]
    assert said["deploy --dry-run space"][0] == 0
    forbidden = [2, "ganvas: HF_HUB_OFFLINE=1 does not allow publishing: unset it, or publish later\n"]
    assert said["deploy "] == said["train"] == said["push"] == forbidden
    assert not said["trained"]
    assert said["gradio"] == [bundled, pulled]
    assert any("<dt>Commit</dt>" in text for text in said["app"])
    assert any("OFFLINE" in text for text in said["app never"])
    assert any("alice" in text and "tiny" in text for text in said["gallery"])
    assert not any("OFFLINE" in text for text in said["gallery"])
    assert any("nothing called bob was pulled before" in text for text in said["gallery bob"])
