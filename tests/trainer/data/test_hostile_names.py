"""Names that a stranger chose, with HTML and Markdown in them: a page shows the text, asks nobody and runs nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.browser import visit
from helpers.gradio_server import serve
from helpers.small import save_small
from playwright.sync_api import Browser, Page, expect

from pretrained import checkpoint

NAMES = {
    "image": "![x](http://evil.example/x.png)",
    "HTML": "<img src=http://evil.example/y.png onerror=alert(1)>",
    "script": "<script>alert(2)</script>",
    "link": "[click](javascript:alert(3))",
    "colour": ":red[x] $\\LaTeX$",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    run = save_small(folder / "runs" / "one", classes=[NAMES["HTML"], NAMES["image"]], size=16)
    config = checkpoint.read_config(run / checkpoint.MODEL)
    told = {"data": NAMES["script"], "licence": NAMES["image"], "metrics": [{"name": NAMES["link"], "value": 1.0}]}
    config = checkpoint.Config(
        NAMES["image"], config.pipeline, config.network, config.input, config.condition, config.training | told
    )
    checkpoint.save_again(run / checkpoint.MODEL, run, config)
    line = {"kimg": 1, **dict.fromkeys(NAMES.values(), 1.0), "seconds": 1, "images/s": 1}
    (run / "log.jsonl").write_text(json.dumps(line) + "\n")
    return folder


@pytest.mark.parametrize(
    ("page", "shown"),
    [("watch", NAMES.values()), ("gallery", [NAMES["script"], NAMES["image"]]), ("samples", [NAMES["image"]])],
)
def test_names_are_text(browser, url, page, shown):
    """The terms of a log, and what a config says of itself: on buttons, on cards, in the sidebar."""
    with unharmed(browser, f"{url}/{'' if page == 'samples' else page}?model=runs/one") as window:
        for text in shown:
            expect(window.locator("[data-testid=stMain]").get_by_text(text).first).to_be_visible()


def test_names_and_mistakes_are_text_in_gradio(browser, folder):
    """What the config says, and what a visitor has typed and an error repeats."""
    with serve(folder, GANVAS_MODELS="runs/one") as url, unharmed(browser, url) as window:
        window.get_by_label("Label").first.click()
        expect(window.get_by_role("option", name=NAMES["HTML"])).to_be_visible()
        window.keyboard.press("Escape")
        for typed in NAMES.values():
            window.get_by_label("Seeds").first.fill(typed)
            window.get_by_role("button", name="Sample", exact=True).locator("visible=true").click()
            expect(window.get_by_text(f"1,2,5-9, got {typed!r}").last).to_be_visible()


@contextmanager
def unharmed(browser: Browser, url: str) -> Iterator[Page]:
    """A page which opens no dialog, asks no stranger, and hides no address behind a text."""
    asked, dialogs = [], []
    with visit(browser, "about:blank") as window:
        window.on("request", lambda request: asked.append(request.url))
        window.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        window.goto(url)
        yield window
        hidden = window.eval_on_selector_all(
            "a",
            "links => links.filter(link => /evil|script/.test(link.href) && "
            "link.href !== link.textContent).map(link => link.href)",
        )
        window.wait_for_timeout(300)
    assert not dialogs
    assert not hidden  # an address that is to be read becomes a link to just that
    assert not [address for address in asked if "//evil" in address]
