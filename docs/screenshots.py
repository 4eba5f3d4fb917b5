"""Pictures of every page of the app, wide and narrow, light and dark, to be looked at by eye.

    python -m docs.screenshots --out screenshots

The app runs in this folder, so that its runs/ are shown too. --url takes another page instead: that of gradio_app.py,
or one that `deploy --dry-run` wrote.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import tyro
from playwright.sync_api import Browser, sync_playwright

from benchmarks.visitor import serve

CHROMIUM = Path("/usr/bin/chromium")
PAGES = {
    "samples": "?model=dcgan-mnist&count=24",
    "walk": "walk?model=dcgan-fashion&frames=60",
    "explore": "explore?model=dcgan-mnist&seed=7&move-sefa-1=2",
    "explore-number": "explore?model=stylegan-fashion&way=One+number",
    "explore-arithmetic": "explore?model=dcgan-mnist&way=Arithmetic",
    "mix": "mix?model=stylegan-fashion",
    "encode": "encode?model=icgan-mnist",
    "edit": "edit?model=dcgan-mnist&way=Example&steps=50",
    "translate-draw": "translate?model=draw-emoji",
    "translate-example": "translate?model=labels-facades&way=Examples",
    "gallery": "browse?model=dcgan-mnist",
    "compare": "compare?model=dcgan-mnist&checkpoints=dcgan-mnist&checkpoints=icgan-mnist",
    "compare-translators": "compare?checkpoints=draw-emoji&checkpoints=style-starry-night",
    "watch": "watch?model=dcgan-mnist",
    "refused": "?model=nothing",
}
WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")


@dataclass(frozen=True)
class Options:
    """What is photographed."""

    out: Path
    """The folder to write to."""
    url: str | None = None
    """Another page, instead of those of the app."""
    pages: tuple[str, ...] = tuple(PAGES)
    """Of the app."""
    seconds: float = 2.0
    """To wait until a page is still."""


def photograph(browser: Browser, url: str, name: str, options: Options) -> None:
    for width in WIDTHS:
        for scheme in SCHEMES:
            window = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)
            with contextlib.closing(window):
                page = window.new_page()
                page.goto(url, wait_until="networkidle")
                if options.url is None:
                    page.get_by_role("heading", level=1).wait_for()
                    page.locator("[data-test-script-state=notRunning]").wait_for()
                page.wait_for_timeout(1000 * options.seconds)
                page.screenshot(path=options.out / f"{name}-{width}-{scheme}.png")


def main(options: Options) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        given = {"executable_path": CHROMIUM} if CHROMIUM.exists() else {}
        browser = stack.enter_context(playwright.chromium.launch(args=["--no-sandbox", "--disable-gpu"], **given))
        if options.url:
            photograph(browser, options.url, "page", options)
            return
        address, _ = stack.enter_context(serve())
        for name in options.pages:
            photograph(browser, f"http://{address}/{PAGES[name]}", name, options)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
