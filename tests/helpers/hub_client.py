"""Programs that use the Hub of the tests: one at a time, or one that answers question after question."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from helpers.hub_store import Hub

from pretrained import checkpoint, networks

SPEC = {"class": "dcgan.Generator", "size": 16, "channels": 1, "z_dim": 8, "width": 4}
ID = "alice/tiny"

# huggingface_hub reads its environment when it is imported, so the client is a process of its own; it answers one
# expression after another, and waits less than a user's would.
CLIENT = """
import json, os, sys, traceback
from pathlib import Path
import pretrained
from pretrained import InputError, hub
from pretrained.hub import errors
for purpose, waits in {"ask": (0.01, 0.01), "fetch": (0.01, 0.01, 1), "publish": (0.01, 0.01, 1.5)}.items():
    errors.RETRY_POLICY[purpose] = errors.RETRY_POLICY[purpose]._replace(waits=waits)
for line in sys.stdin:
    request = json.loads(line)
    os.environ["HF_TOKEN"] = request["token"]
    try:
        answer = {"value": eval(request["expression"])}
    except InputError as error:
        answer = {"error": str(error)}
    except Exception:
        answer = {"crash": traceback.format_exc()}
    print(json.dumps(answer, default=str), flush=True)
"""


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
            "HF_HUB_DOWNLOAD_TIMEOUT": "2",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "OMP_NUM_THREADS": "1",
        }

    def run(self, *command: Any, xet: bool = False, timeout: int = 120, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `python command...` against this Hub; a keyword in capitals sets a variable, "" removes it."""
        changed = {**self.env, "HF_HUB_DISABLE_XET": str(int(not xet)), **env}
        environment = {name: value for name, value in changed.items() if value}
        arguments = [sys.executable, *map(str, command)]
        return subprocess.run(arguments, env=environment, timeout=timeout, capture_output=True, text=True, check=False)


@dataclass
class Client:
    """A process that uses `pretrained.hub` on the local Hub."""

    hub: Hub
    process: subprocess.Popen[str]
    log: Path
    home: Path

    def ask(self, expression: str, token: str = "hf_alice_writes") -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
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


def make_checkpoint(folder: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    training = {"data": "mnist", "seed": seed, "licence": "mit"}
    config = checkpoint.Config("tiny", "generate", SPEC, {"noise": "normal"}, training=training)
    checkpoint.save(folder, networks.build(SPEC), config)
    (folder / checkpoint.SAMPLES).write_bytes(b"\x89PNG\r\n\x1a\n\0 not looked at")
    return folder
