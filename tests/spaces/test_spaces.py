"""The Docker Space: its files, collected as Spaces.md says, run as its Dockerfile says."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "spaces/docker/Dockerfile").read_text()


def floors(path: Path) -> dict[str, tuple[int, ...]]:
    """The lowest version that is allowed of each package."""
    found = re.findall(r"^([\w-]+)>=([\d.]+)", path.read_text(), re.M)
    return {name: numbers(version) for name, version in found}


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


@pytest.fixture
def space(tmp_path: Path) -> Path:
    """A folder with the files of the Space, collected by the commands of Spaces.md."""
    copy = re.search(r'^cp -r .* "\$space"\nfind .*$', (ROOT / "Spaces.md").read_text(), re.M)[0]
    subprocess.run(["sh", "-e", "-c", copy], cwd=ROOT, env={**os.environ, "space": str(tmp_path)}, check=True)
    return tmp_path


def test_front_matter_is_what_the_hub_reads(space):
    front_matter = yaml.safe_load((space / "README.md").read_text().split("---\n")[1])
    assert front_matter["sdk"] == "docker"
    assert f"EXPOSE {front_matter['app_port']}\n" in DOCKERFILE
    assert f"--server.port={front_matter['app_port']}" in DOCKERFILE
    assert len(front_matter["short_description"]) <= 60  # the Hub's limit


def test_torch_of_the_image_is_what_requirements_ask_for(space):
    needed = floors(space / "requirements.txt")
    pinned = dict(re.findall(r'"(torch\w*)==([\d.]+)"', DOCKERFILE))
    assert pinned.keys() == {"torch", "torchvision"}
    assert all(numbers(version) >= needed[name] for name, version in pinned.items())


def test_the_lock_holds_all_else_with_digests_and_above_the_floors(space):
    text = (space / "requirements.lock").read_text()
    blocks = re.findall(r"^([\w.-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.M)
    assert len(blocks) == len(re.findall(r"^\w", text, re.M)), "each has a version and a digest"
    locked = {name.replace("_", "-"): version for name, version, _ in blocks}
    for name, lowest in floors(space / "requirements.txt").items():
        assert name.startswith("torch") or numbers(locked[name.replace("_", "-")]) >= lowest, name
    assert not any(name.startswith(("torch", "nvidia", "cuda", "triton")) for name in locked)


def test_the_command_of_the_dockerfile_serves_the_app(space):
    assert not (space / "trainer").exists()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = json.loads(re.search(r"^CMD (.*)", DOCKERFILE, re.M)[1])
    arguments = [argument.replace("8501", str(port)) for argument in command]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen([sys.executable, "-m", *arguments], cwd=space, env=environment) as server:
        try:
            assert _answer(f"http://127.0.0.1:{port}/_stcore/health", server) == b"ok"
        finally:
            server.terminate()


def test_the_app_runs_without_the_training_code(space):
    code = """
import os, sys
from streamlit.testing.v1 import AppTest
page = AppTest.from_file(os.path.abspath("ui/main.py"), default_timeout=60).run()
assert page.main and not page.exception, page
assert "trainer" not in sys.modules
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code], cwd=space, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _answer(url: str, server: subprocess.Popen[bytes], patience: float = 60.0) -> bytes:
    end = time.monotonic() + patience
    while time.monotonic() < end and server.poll() is None:
        try:
            with urlopen(url, timeout=5) as reply:
                return reply.read()
        except URLError:
            time.sleep(0.2)
    raise AssertionError(f"no answer from {url}; exit status {server.poll()}")
