"""Moving a slider runs a part of a page, and not all of it; asked of the server as a browser asks it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlencode

import pytest
from helpers.small import save_able, save_small
from helpers.translating import save

from stress.visitor import visit


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sliders")
    save_small(folder / "runs" / "plain", size=16)
    save_able(folder / "runs" / "styled", "style")
    save(folder / "runs" / "style", "style")
    return folder


@pytest.mark.parametrize(
    ("page", "model", "slider"),
    [
        ("", "plain", "Truncation"),
        ("walk", "plain", "Truncation"),
        ("explore", "plain", "Truncation"),
        ("explore", "plain", "sefa-1"),
        ("mix", "styled", "Coarse layers"),
        ("compare", "plain", "Truncation"),
        ("translate", "style", "Strength"),
    ],
)
def test_a_slider_runs_a_part_of_the_page(url, page, model, slider):
    async def slide():
        async with visit(url.removeprefix("http://")) as visitor:
            link = {"model": f"runs/{model}", "count": 4, "frames": 2, "seeds": "0-1", "way": ""}
            if page == "compare":
                link |= {"checkpoints": ["runs/plain", "dcgan-mnist"]}
            shown = await visitor.open(urlencode(link, doseq=True), page)
            return shown, await visitor.slide(shown.sliders[slider], 1.0)

    before, after = asyncio.run(slide())
    assert not before.errors + after.errors
    assert not before.part
    assert after.part
