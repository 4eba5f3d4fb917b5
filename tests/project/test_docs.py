"""The documentation: the site builds, what is linked exists, and the first guide works word for word."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.hub_client import HubClient
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("benchmarks/*.md")]
GUIDE = (ROOT / "docs/guides/photos-to-page.md").read_text()


def test_the_site_builds(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "guides/photos-to-page/index.html").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_are_linked_exist(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", re.sub(r"```.*?```", "", page.read_text(), flags=re.S))
    assert [link for link in links if ":" not in link and not (page.parent / link).exists()] == []


def test_the_first_guide_word_for_word(hub: HubClient, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number in range(12):
        levels = np.random.RandomState(number).randint(0, 255, (6, 8, 3), np.uint8)
        Image.fromarray(levels).resize((96, 72)).save(tmp_path / "photos" / f"{number}.jpg")
    lines = [line for block in re.findall(r"^```bash\n(.*?)^```$", GUIDE, re.M | re.S) for line in block.splitlines()]
    assert len(lines) >= 8
    for line in lines:
        if line.startswith("hf "):
            continue
        words = shlex.split(line.replace("--kimg 240", "--kimg 0.02 --batch-size 8 --width 4"))
        assert words[:2] == ["python", "-m"], line
        done = hub.run(*words[1:])
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert hub.hub.content("alice/photos", "model.safetensors")
    for made in ("data.png", "grid.png", "walk.mp4", "page/index.html", "page/model.onnx"):
        assert (tmp_path / made).stat().st_size > 300, made
