"""A checkpoint as a Space: its files, and what is sent to the Hub, by the real client to a real HTTP server."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from helpers import translating
from helpers.hub_client import HubClient
from helpers.small import CLASSES, save_small
from PIL import Image

import pretrained
from pretrained import checkpoint
from pretrained.__main__ import main
from pretrained.deploy import onnx_runtime_web
from pretrained.deploy import spaces as deploy
from pretrained.hub import model_card
from pretrained.media.images import grid
from pretrained.pipelines import directions
from pretrained.pipelines.translator_input import pen_for
from pretrained.system.errors import InputError

ROOT = Path(__file__).parents[3]
ID = "alice/small"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_small(tmp_path_factory.mktemp("models") / "small", classes=CLASSES)


@pytest.fixture(scope="module")
def page(model, tmp_path_factory) -> Path:
    """The static page of a small model."""
    folder = tmp_path_factory.mktemp("page")
    main(["deploy", str(model), "--dry-run", str(folder)])
    return folder


def front_matter(readme: str) -> dict[str, Any]:
    return yaml.safe_load(readme.split("---\n")[1])


def test_a_static_page_is_whole(page, model):
    names = {path.name for path in page.iterdir()}
    assert names >= {path.name for path in (ROOT / "spaces/static").iterdir()} | {
        Path(name).name for name in deploy.SHARED
    }
    assert {"model.onnx", "model.json", "preview.png", *onnx_runtime_web.files()} <= names
    onnx.checker.check_model(onnx.load(page / "model.onnx"))
    facts = json.loads((page / "model.json").read_text())
    assert (facts["name"], facts["classes"], facts["z_dim"]) == ("small", CLASSES, 8)
    drawn = grid(pretrained.load(str(model), "cpu").sample(deploy.PREVIEW_SEEDS), 8)
    shown = np.asarray(Image.open(page / "preview.png"))
    scale = len(shown) // len(drawn)
    assert np.array_equal(shown[::scale, ::scale], drawn)


@pytest.mark.parametrize("kind", deploy.KINDS)
def test_front_matter_is_what_the_hub_reads(kind):
    given = front_matter((ROOT / "spaces" / kind / "README.md").read_text())
    _, sdk, hardware = deploy.KINDS[kind]
    assert (given["sdk"], given.get("suggested_hardware")) == (sdk, hardware)
    assert len(given["short_description"]) <= 60  # the Hub's limit


def test_the_readme_names_the_model_and_links_it():
    name = "a: [b](c) # 'd'"
    template = (ROOT / "spaces/static/README.md").read_text()
    readme = deploy._readme(template, name, "alice/model", True)
    given = front_matter(readme)
    assert given == front_matter(template) | {"title": name, "models": ["alice/model"]}
    assert "[alice/model](https://huggingface.co/alice/model)" in readme
    assert "(preview.png)" in readme
    assert model_card.is_signed(readme)
    assert not model_card.is_edited(readme)
    assert "models" not in front_matter(deploy._readme(template, name, "", False))


def test_a_docker_space_is_the_app_with_the_model(model, tmp_path):
    main(["deploy", str(model), "--space", "docker", "--dry-run", str(tmp_path / "space")])
    space = tmp_path / "space"
    here = {path.relative_to(space).as_posix() for path in space.rglob("*") if path.is_file()}
    assert {"app.py", "Dockerfile", "requirements.txt", ".streamlit/config.toml", "pretrained/__init__.py"} <= here
    assert not [name for name in here if "__pycache__" in name or name.startswith(("trainer", "tests"))]
    bundled = space / "pretrained/weights/small"
    assert (bundled / checkpoint.MODEL).read_bytes() == (model / checkpoint.MODEL).read_bytes()
    assert checkpoint.Config.from_json((bundled / checkpoint.CONFIG).read_text()).name == "small"


@pytest.mark.parametrize("kind", ["docker", "zerogpu"])
def test_named_directions_go_with_the_model(model, tmp_path, kind):
    own = shutil.copytree(model, tmp_path / "own")
    pipeline = pretrained.load(str(own), "cpu")
    slant = directions.Direction(directions.find(pipeline, "sefa")[0], {"sefa-1": 1.0})
    directions.keep(own / directions.FILE, pipeline.config, "slant", slant)
    main(["deploy", str(own), "--space", kind, "--dry-run", str(tmp_path / "space")])
    there = tmp_path / "space" / "pretrained/weights/small" / directions.FILE
    assert list(directions.read(there, pipeline.config)) == ["slant"]
    (own / directions.FILE).write_bytes(b"broken")
    with pytest.raises(InputError, match="is refused"):
        deploy.build(str(own), kind)


def test_a_zerogpu_space_is_the_gradio_app_with_the_model_alone(model, tmp_path):
    main(["deploy", str(model), "--space", "zerogpu", "--dry-run", str(tmp_path / "space")])
    space = tmp_path / "space"
    here = {path.relative_to(space).as_posix() for path in space.rglob("*") if path.is_file()}
    assert {"gradio_app.py", "gradio_ui/page.py", "gradio_ui/style.css", "requirements.txt", "ui/icon.svg"} <= here
    assert not [name for name in here if name.startswith(("trainer", "tests", "app.py")) or name.endswith(".pyi")]
    weights = {name for name in here if name.startswith("pretrained/weights/")}
    assert weights == {f"pretrained/weights/small/{name}" for name in (checkpoint.MODEL, checkpoint.CONFIG)}
    given = front_matter((space / "README.md").read_text())
    assert (space / given["app_file"]).exists()
    # The Hub installs this version of gradio, and the tests one that the same line allows.
    ranges = re.findall(r"^gradio>=([\d.]+),<(\d+)$", (ROOT / "spaces/zerogpu/requirements.txt").read_text(), re.M)
    assert [given["sdk_version"].startswith(low) for low, _ in ranges] == [True]


def test_a_folder_in_use_is_left_alone(page, model):
    before = (page / "README.md").read_bytes()
    with pytest.raises(InputError, match="is not empty"):
        deploy.write({"README.md": b"new"}, page)
    with pytest.raises(InputError, match="is not empty"):
        deploy.write({"README.md": b"new"}, page / "README.md")
    assert (page / "README.md").read_bytes() == before


def test_a_translator_shows_its_samples(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_runtime_web, "files", dict)
    folder = translating.save(tmp_path / "label", "label")
    files = deploy.build(str(folder), "static")
    assert files["preview.png"] == (folder / checkpoint.SAMPLES).read_bytes()
    facts = json.loads(files["model.json"])
    pen = pen_for(checkpoint.read_config(folder / checkpoint.MODEL))  # that of the app
    assert facts["pen"] == {
        "palette": translating.PALETTE,
        "paper": pen.paper,
        "width": 32,
        "height": 32,
        "brush": pen.brush,
    }
    assert (facts["frame"], facts["multiple"], facts["channels"]) == ([32, 32], None, 3)


# The command, with a page that is built already.
SEND = """
import sys
from pathlib import Path
from pretrained import deploy
from pretrained.hub import errors
from pretrained.__main__ import main
errors.RETRY_POLICY["publish"] = errors.RetryPolicy((0.01, 0.01), even_if_lost=True)
deploy.build = lambda id, kind: {path.name: path.read_bytes() for path in Path(id).iterdir()}
main(["deploy", *sys.argv[1:]])
"""


def send(hub: HubClient, page: Path, *options: str) -> tuple[int, str]:
    """Its exit status, and the line that it printed."""
    run = hub.run("-c", SEND, page, "--repo-id", "small", *options)
    said = [
        line for line in run.stderr.splitlines() if not re.match(r" *[\d,]+  ", line)
    ]  # the files, with their sizes
    lines = [*run.stdout.splitlines(), *said]
    assert len(lines) == 1, lines
    return run.returncode, lines[0]


def history(hub: HubClient) -> list[str]:
    return [commit["message"] for commit in hub.hub.repos[f"spaces/{ID}"]["commits"]]


def test_a_space_is_created_and_filled_in_one_commit(hub, model, page, tmp_path):
    run = hub.run("-m", "pretrained", "deploy", model, "--space", "static")
    assert (run.returncode, run.stdout) == (0, f"{hub.url}/spaces/{ID}\n"), run.stderr
    assert history(hub) == ["initial commit", "Deploy a Ganvas checkpoint"]
    for path in page.iterdir():
        data = path.read_bytes()
        if path.name == "index.html":  # crawlers follow whole addresses alone
            assert b'property="og:title" content="small ' in data
            data = data.replace(b'"preview.png"', b'"https://alice-small.static.hf.space/preview.png"')
        assert hub.hub.content(ID, path.name, "spaces") == data, path.name
    # Again: one commit more, and a README.md that was edited there stays.
    edited = (page / "README.md").read_text().replace("# A model", "# My model").encode()
    hub.hub.commit(f"spaces/{ID}", {"README.md": hub.hub.store(edited)}, "Update README.md")
    shutil.copytree(page, tmp_path / "changed")
    (tmp_path / "changed/model.onnx").write_bytes(b"another")
    assert send(hub, tmp_path / "changed") == (0, f"{hub.url}/spaces/{ID}")
    assert hub.hub.content(ID, "model.onnx", "spaces") == b"another"
    assert history(hub)[2:] == ["Update README.md", "Deploy a Ganvas checkpoint"]
    assert hub.hub.content(ID, "README.md", "spaces") == edited


def test_what_somebody_else_made_is_left_alone(hub, page):
    hub.hub.create(f"spaces/{ID}")
    hub.hub.commit(f"spaces/{ID}", {"index.html": hub.hub.store(b"mine")}, "My page")
    status, sentence = send(hub, page)
    assert (status, sentence) == (2, f"ganvas: {ID} is another Space already: choose another --repo-id")
    assert history(hub) == ["initial commit", "My page"]


def test_the_hub_is_told_what_a_zerogpu_space_runs_on(hub, page):
    assert send(hub, page, "--space", "zerogpu")[0] == 0
    asked = hub.hub.repos[f"spaces/{ID}"]["asked"]
    assert (asked["sdk"], asked["hardware"]) == ("gradio", "zero-a10g")


def test_a_busy_hub_is_asked_again(hub, page):
    hub.hub.fail("POST /api/spaces/.*/commit/", 503)
    assert send(hub, page, "--private")[0] == 0
    assert history(hub) == ["initial commit", "Deploy a Ganvas checkpoint"]
    assert hub.hub.repos[f"spaces/{ID}"]["private"]


def test_no_space_without_the_right_to_write(hub, page):
    hub.env["HF_TOKEN"] = "hf_alice_reads"
    status, sentence = send(hub, page)
    assert status == 2
    assert "cannot write" in sentence
    assert not hub.hub.repos


class Registry(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def registry(tmp_path: Path, monkeypatch) -> Iterator[Path]:
    """A package registry of our own, and an empty cache -> where the archive is to lie."""
    archive = tmp_path / "registry" / onnx_runtime_web.PACKAGE / "-" / onnx_runtime_web.ARCHIVE
    archive.parent.mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Registry, directory=tmp_path / "registry"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(onnx_runtime_web, "files", onnx_runtime_web.files.__wrapped__)  # as in a process of its own
    yield archive
    server.shutdown()
    server.server_close()


def make_archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def test_the_runtime_is_checked_and_kept(registry, tmp_path, monkeypatch):
    data = make_archive(**{onnx_runtime_web.SCRIPT: b"script", onnx_runtime_web.WASM: b"wasm" * 1000})
    registry.write_bytes(data)
    cached = tmp_path / "cache/ganvas" / onnx_runtime_web.ARCHIVE
    with pytest.raises(InputError, match="its sha512 is another"):
        onnx_runtime_web.files()
    assert not cached.exists()
    digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
    monkeypatch.setattr(onnx_runtime_web, "INTEGRITY", f"sha512-{digest}")
    files = onnx_runtime_web.files()
    assert files[onnx_runtime_web.SCRIPT] == b"script"
    assert set(files) == {onnx_runtime_web.SCRIPT, f"{onnx_runtime_web.WASM}.gz"}
    registry.unlink()
    assert onnx_runtime_web.files() == files
    cached.write_bytes(data[:-1])
    with pytest.raises(InputError, match=r"cannot be downloaded .*ound.* `npm pack onnxruntime-web@"):
        onnx_runtime_web.files()


@pytest.fixture(params=["git", "no git"])
def checkout(request, tmp_path, monkeypatch) -> Path:
    """A small project, as a clone or as an unpacked archive."""
    root = tmp_path / "project"
    (root / "ui").mkdir(parents=True)
    (root / "ui" / "main.py").write_text("")
    (root / "ui" / "style.css").write_text("")
    if request.param == "git":
        for command in (["init", "-q"], ["add", "."]):
            subprocess.run(["git", "-C", root, *command], check=True)
    monkeypatch.setattr(deploy, "ROOT", root)
    return root


def test_only_the_projects_files_are_published(checkout, caplog):
    (checkout / "ui" / "credentials.json").write_text("{}")
    (checkout / "ui" / "notes.txt").write_text("private")
    assert deploy.project_files(["ui"]).keys() == {"ui/main.py", "ui/style.css"}
    assert "2 files that are not the project's stay here: ui/credentials.json, ui/notes.txt" in caplog.text


@pytest.mark.parametrize("target", ["id_rsa", "ui/main.py"])
def test_a_link_among_them_is_refused(checkout, target):
    (checkout / "id_rsa").write_text("private")
    (checkout / "ui" / "style.css").unlink()
    (checkout / "ui" / "style.css").symlink_to(checkout / target)
    with pytest.raises(InputError, match=r"style\.css is a link"):
        deploy.project_files(["ui"])


def test_what_is_sent_is_listed():
    assert deploy.listing({"b": b"12", "a": bytes(1500)}) == "       1,500  a\n           2  b"
