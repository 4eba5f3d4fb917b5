"""Jobs of the Hub of the tests: a job's command is run on this machine, its volumes in a temporary folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HARDWARE = [
    {"name": "cpu-basic", "prettyName": "CPU Basic", "cpu": "2 vCPU", "ram": "16 GB", "accelerator": None}
    | {"unitCostMicroUSD": 167, "unitCostUSD": 0.000167, "unitLabel": "minute"},
    {"name": "l4x4", "prettyName": "4x Nvidia L4", "cpu": "48 vCPU", "ram": "186 GB"}
    | {"accelerator": {"type": "gpu", "model": "L4", "quantity": "4", "vram": "96 GB", "manufacturer": "Nvidia"}}
    | {"unitCostMicroUSD": 63333, "unitCostUSD": 0.063333, "unitLabel": "minute"},
]
DATE = "2026-01-01T00:00:00.000Z"
# What the image of a job holds: packages are here already, so that only their list is looked for.
UV = '#!/bin/sh\nfor word; do case "$word" in *.txt) test -f "$word" || exit 1;; esac; done\n'
PYTHON = f'#!/bin/sh\nexec {sys.executable} "$@"\n'


@dataclass
class Job:
    """A job: what was ordered, what it has written, and how it stands."""

    id: str
    owner: str
    spec: dict[str, Any]
    stage: str = "RUNNING"
    lines: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def info(self) -> dict[str, Any]:
        """As the Hub describes it: of secrets only their names."""
        shown = {name: self.spec.get(name) for name in ("dockerImage", "command", "flavor", "labels", "volumes")}
        return shown | {
            "id": self.id,
            "createdAt": DATE,
            "secrets": list(self.spec.get("secrets", {})),
            "status": {"stage": self.stage, "message": None},
            "owner": {"id": self.owner, "name": self.owner, "type": "user"},
        }

    def log(self) -> Iterator[bytes]:
        """What it writes, as server-sent events, until it ends."""
        yield _event("===== Job started at 2026-01-01 00:00:00 =====")
        sent = 0
        while not self.ended.is_set() or sent < len(self.lines):
            for line in self.lines[sent:]:
                sent += 1
                yield _event(line)
            self.ended.wait(0.1)

    def start(self, url: str, files: Callable[[dict[str, Any]], dict[str, bytes]]) -> None:
        """Run it; `files` gives those of a volume, by their paths."""
        threading.Thread(target=self._run, args=(url, [*map(files, self.spec["volumes"])]), daemon=True).start()

    def _run(self, url: str, volumes: list[dict[str, bytes]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root, words = Path(folder), self.spec["command"]
            tools = {"bin/uv": UV.encode(), "bin/python": PYTHON.encode()}
            for number, (volume, files) in enumerate(zip(self.spec["volumes"], volumes)):
                words = [word.replace(volume["mountPath"], f"{folder}/{number}") for word in words]
                tools |= {f"{number}/{name}": data for name, data in files.items()}
            for name, data in tools.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(data)
                (root / name).chmod(0o700)
            env = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": folder, "HF_ENDPOINT": url}
            env |= {"OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_XET": "1"} | self.spec.get("secrets", {})
            pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            with subprocess.Popen(words, cwd=folder, env=env, **pipe) as process:
                for line in process.stdout:
                    self.lines.append(line.rstrip("\n"))
            self.stage = "ERROR" if process.returncode else "COMPLETED"
            self.ended.set()


def _event(line: str) -> bytes:
    return f"data: {json.dumps({'data': line, 'timestamp': DATE})}\n\n".encode()
