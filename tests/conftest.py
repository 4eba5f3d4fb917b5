"""Fixtures that more than one test file uses."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hub_server
import pytest
from hub_store import Hub


class HubClient:
    """A local Hub, and the environment in which a program uses it as alice with an empty cache of its own.

    Attributes:
        hub: the server's state; `hub.fail(...)` makes requests fail, `hub.content(...)` reads what was published.
        url, token, env: where it is, what opens it, and both as environment variables for a subprocess.
    """

    def __init__(self, hub: Hub, home: Path) -> None:
        self.hub, self.url, self.token, self.home = hub, hub.url, "hf_alice_writes", home
        hidden = ("HF_", "HUGGING", "TRANSFORMERS_", "SPACE_")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)} | {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": self.token,
            "HF_HOME": str(home),
            "HF_HUB_ETAG_TIMEOUT": "2",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "OMP_NUM_THREADS": "1",
        }

    def run(self, *command: Any, xet: bool = False, timeout: int = 120, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `python command...` against this Hub; a keyword in capitals sets a variable, "" removes it."""
        changed = {**self.env, "HF_HUB_DISABLE_XET": str(int(not xet)), **env}
        environment = {name: value for name, value in changed.items() if value}
        arguments = [sys.executable, *map(str, command)]
        return subprocess.run(arguments, env=environment, timeout=timeout, capture_output=True, text=True, check=False)


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
