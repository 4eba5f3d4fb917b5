"""A checkpoint's folder with links that lead out of it: what they lead to is neither published nor given out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers import translating
from helpers.hub_client import ID, Client, make_checkpoint
from streamlit.testing.v1 import AppTest

from gradio_ui import models
from pretrained import checkpoint, deploy
from pretrained.pipelines import directions
from pretrained.system.errors import InputError
from trainer.__main__ import main
from ui.state import runs

ROOT = Path(__file__).parents[3]
SECRET = b"-----BEGIN OPENSSH PRIVATE KEY-----"


@pytest.fixture
def secret(tmp_path) -> Path:
    """A file of the user's that is nobody's business."""
    path = tmp_path / "home" / ".ssh" / "id_rsa"
    path.parent.mkdir(parents=True)
    path.write_bytes(SECRET)
    return path


def link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize("name", [checkpoint.MODEL, checkpoint.CARD, checkpoint.SAMPLES, directions.FILE])
def test_a_link_is_not_published(client: Client, tmp_path, secret, name):
    folder = make_checkpoint(tmp_path / "run")
    if name == checkpoint.MODEL:  # another run of the same kind, which could be read
        shutil.copy(folder / name, secret)
    link(folder / name, secret)
    before = len(client.hub.requests)
    said = client.error(f"hub.push(Path({str(folder)!r}), {ID!r})")
    assert (
        said == f"{folder / name} is a link that leads out of its folder: put the file itself there, or remove the link"
    )
    assert len(client.hub.requests) == before


def test_a_link_to_a_network_back_is_not_published(tmp_path, capsys):
    folder, other = make_checkpoint(tmp_path / "run"), make_checkpoint(tmp_path / "other")
    link(folder / "reverse", other)
    with pytest.raises(SystemExit) as stopped:
        main(["push", str(folder)])
    assert stopped.value.code == 2
    assert "reverse is a link that leads out of its folder" in capsys.readouterr().err


def test_links_that_stay_are_followed(client: Client, tmp_path, secret):
    """A run folder that is a link, a file that is one to its neighbour, and a config.json, which is made anew."""
    folder = make_checkpoint(tmp_path / "run")
    shutil.copy(folder / checkpoint.SAMPLES, folder / "newest.png")
    link(folder / checkpoint.SAMPLES, Path("newest.png"))
    link(folder / checkpoint.CONFIG, secret)
    link(tmp_path / "latest", folder)
    client.push(tmp_path / "latest")
    assert client.hub.content(ID, checkpoint.SAMPLES) == (folder / "newest.png").read_bytes()
    assert SECRET not in client.hub.content(ID, checkpoint.CONFIG)
    pulled, _ = client.pull()
    assert (pulled / checkpoint.MODEL).is_symlink()  # to a blob of the cache
    client.push(pulled)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("docker", checkpoint.SAMPLES), ("docker", checkpoint.MODEL), ("static", checkpoint.SAMPLES)],
)
def test_a_link_is_not_deployed(tmp_path, secret, kind, name):
    folder = translating.save(tmp_path / "sketch", "sketch")
    if name == checkpoint.MODEL:
        shutil.copy(folder / name, secret)
    link(folder / name, secret)
    with pytest.raises(InputError, match=f"{name} is a link that leads out of its folder"):
        deploy.build(str(folder), kind)


def test_a_link_is_not_given_out_by_an_app(tmp_path, secret, monkeypatch):
    folder = make_checkpoint(tmp_path / "runs" / "one")
    (folder / runs.LOG).write_text('{"kimg": 1, "D": 1.0, "seconds": 1, "images/s": 1}\n')
    link(folder / checkpoint.SAMPLES, secret)
    with pytest.raises(InputError, match="is a link that leads out"):
        models._load(str(folder))
    link(folder / runs.TIMELAPSE, secret)
    monkeypatch.chdir(tmp_path)
    app = AppTest.from_file(ROOT / "ui" / "main.py", default_timeout=120).run()
    app.switch_page("views/watch.py").run()
    assert not app.exception
    assert any("leads out of its folder" in error.value for error in app.error)
    assert not app.get("download_button")
