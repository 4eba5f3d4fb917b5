"""The Gradio app in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.browser import PATIENCE, ROOT


@contextmanager
def serve(folder: Path, **variables: str) -> Iterator[str]:
    """The server, run in `folder` -> its address; no call may have ended in an error of ours."""
    hidden = ("GANVAS_", "GRADIO_", "HF_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    environment |= {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **variables}
    environment["GRADIO_TEMP_DIR"] = str(folder / "cache")
    log = folder / "log"
    with log.open("w") as output:
        command = [sys.executable, str(ROOT / "gradio_app.py")]
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 2 * PATIENCE  # it imports torch and gradio
        while "running on" not in (said := log.read_text().lower()):
            assert server.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        yield said.split("running on local url:")[1].split()[0]
    finally:
        server.terminate()
        server.wait(timeout=PATIENCE)
    assert "gradio_ui" not in log.read_text()  # in a traceback
