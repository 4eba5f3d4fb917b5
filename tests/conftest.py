"""Fixtures that more than one test file uses."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers import hub_server
from helpers.hub_client import CLIENT, Client, HubClient
from helpers.hub_store import Hub
from helpers.small import CLASSES, save_small, save_squeezenet
from helpers.tiny import recipe, settings

from trainer.loop.train import train

pytest_plugins = ["helpers.visiting"]


@pytest.fixture(scope="session")
def _hub_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    hub, server = hub_server.serve(tmp_path_factory.mktemp("hub"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield hub
    server.shutdown()
    server.server_close()


@pytest.fixture
def hub(_hub_server: Hub, tmp_path: Path) -> HubClient:
    """A local Hugging Face Hub with nothing in it."""
    _hub_server.reset()
    return HubClient(_hub_server, tmp_path / "hf-home")


@pytest.fixture(scope="session")
def _hub_process(_hub_server: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
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
    process.communicate(timeout=60)
    assert "Traceback" not in log.read_text()
    assert "hf_alice_writes" not in log.read_text()


@pytest.fixture
def client(hub: HubClient, _hub_process: Client) -> Client:
    """The process with an empty cache and an empty Hub."""
    shutil.rmtree(_hub_process.home / "hub", ignore_errors=True)
    return _hub_process


@pytest.fixture
def repeatable() -> None:
    """One thread and one random stream."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a conditional generator, hardly trained."""
    folder = tmp_path_factory.mktemp("cdcgan")
    train(recipe("dcgan-mnist"), settings(), folder, "python -m trainer")
    return str(folder)


@pytest.fixture(scope="session")
def squeezenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a SqueezeNet that has learnt nothing."""
    return save_squeezenet(tmp_path_factory.mktemp("weights") / "squeezenet.npz")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a small conditional generator."""
    return str(save_small(tmp_path_factory.mktemp("models") / "small", classes=CLASSES))
