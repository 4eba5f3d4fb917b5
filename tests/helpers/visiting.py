"""The fixtures of tests that visit the real app in a real browser; each file brings its own `folder`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.browser import ROOT, serve
from helpers.chromium import launch
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="module")
def env() -> dict[str, str]:
    """The environment of the app and of commands beside it."""
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def url(folder: Path, env: dict[str, str]) -> Iterator[str]:
    """The address of the app, which offers what is in `folder`."""
    with serve(folder, env) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with sync_playwright() as playwright, launch(playwright) as browser:
        yield browser
