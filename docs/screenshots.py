"""Pictures of every page of the app, wide and narrow, light and dark, to be looked at by eye.

    python -m docs.screenshots --out screenshots

The app runs in this folder, so that its runs/ are shown too. --url takes another page instead: that of gradio_app.py,
or one that `deploy --dry-run` wrote.
"""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tyro
from playwright.sync_api import Browser, Page, sync_playwright

import pretrained
from pretrained.media.images import encode_png
from stress.visitor import serve

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 90_000  # ms
TALLEST = 3000  # px
WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")


def nothing(page: Page) -> None:
    """The link says it all."""


def give_images(page: Page) -> None:
    """A .zip of clothes that a generator has drawn."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for seed, image in enumerate(pretrained.load("dcgan-fashion").sample(range(240))):
            archive.writestr(f"{seed}.png", encode_png(image))
    file = {"name": "clothes.zip", "mimeType": "application/zip", "buffer": packed.getvalue()}
    page.locator("input[type=file]").first.wait_for(state="attached")
    page.locator("input[type=file]").first.set_input_files(file)
    page.get_by_role("button", name="Start training").wait_for()


def draw(page: Page) -> None:
    """A face of a circle, two eyes and a mouth, in strokes of the mouse."""
    box = page.locator(".canvas canvas").bounding_box()
    face = [
        (0.5, 0.1),
        (0.8, 0.25),
        (0.9, 0.5),
        (0.8, 0.8),
        (0.5, 0.9),
        (0.2, 0.8),
        (0.1, 0.5),
        (0.2, 0.25),
        (0.5, 0.1),
    ]
    for places in (face, [(0.35, 0.35), (0.35, 0.45)], [(0.65, 0.35), (0.65, 0.45)], [(0.3, 0.65), (0.7, 0.65)]):
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=3)
        page.mouse.up()
    page.locator(".curtain").wait_for()


def enlarge(page: Page) -> None:
    """A click on a picture."""
    page.get_by_role("button", name="Seed 7", exact=True).click()
    page.get_by_role("dialog").get_by_role("link", name="Walk from here").wait_for()


IMAGES = ".gallery button canvas"
# What each is called, its link, what is there when it is done, and what is done then.
PAGES: dict[str, tuple[str, str, Callable[[Page], object]]] = {
    "home": ("", ".hero video", nothing),
    "draw": ("translate?model=draw-emoji", ".curtain", nothing),
    "draw-own": ("translate?model=draw-emoji", ".curtain", draw),
    "draw-labels": ("translate?model=labels-facades", ".curtain", nothing),
    "translate": ("translate?model=style-starry-night", ".curtain", nothing),
    "explore": ("explore?model=letters&seed=7", IMAGES, nothing),
    "explore-drag": ("explore?model=letters&way=Drag", ".drag canvas, .drag img", nothing),
    "explore-number": ("explore?model=stylegan-fashion&way=One+number", IMAGES, nothing),
    "explore-arithmetic": ("explore?model=dcgan-mnist&way=Arithmetic", ".stImage img", nothing),
    "write": ("write?model=letters", ".st-key-written img", nothing),
    "samples": ("samples?model=letters&count=26", IMAGES, nothing),
    "samples-large": ("samples?model=stylegan-fashion&count=24", IMAGES, enlarge),
    "walk": ("walk?model=dcgan-fashion&frames=60", "video", nothing),
    "gallery": ("gallery", ".stImage img", nothing),
    "mix": ("mix?model=stylegan-fashion", IMAGES, nothing),
    "encode": ("encode?model=icgan-mnist", "video", nothing),
    "edit": ("edit?model=dcgan-mnist&steps=50", ".pad .plane", nothing),
    "compare": ("compare", ".stImage img", nothing),
    "train": ("train", "[data-testid=stFileUploader]", give_images),
    "watch": ("watch", "[data-testid=stVegaLiteChart]", nothing),
    "refused": ("samples?model=nothing", "[role=alert]", nothing),
}


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


def photograph(
    browser: Browser, url: str, name: str, shown: str, act: Callable[[Page], object], options: Options
) -> None:
    with contextlib.closing(browser.new_context(viewport={"width": WIDTHS[0], "height": 1000})) as window:
        page = window.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(url)
        page.locator(shown).first.wait_for()
        act(page)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 1000})
            page.wait_for_timeout(1000 * options.seconds)
            # The app scrolls within its window.
            height = page.evaluate("(document.querySelector('.stMain') ?? document.documentElement).scrollHeight")
            page.set_viewport_size({"width": width, "height": max(1000, min(height, TALLEST))})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                if options.url:
                    page.reload()  # others may look at the scheme once
                page.wait_for_timeout(1000 * options.seconds)
                page.screenshot(path=options.out / f"{name}-{width}-{scheme}.png")


def main(options: Options) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        given = {"executable_path": CHROMIUM} if CHROMIUM.exists() else {}
        browser = stack.enter_context(playwright.chromium.launch(args=["--no-sandbox", "--disable-gpu"], **given))
        if options.url:
            photograph(browser, options.url, "page", "body", nothing, options)
            return
        address, _ = stack.enter_context(serve(Path.cwd()))
        for name in options.pages:
            link, shown, act = PAGES[name]
            photograph(browser, f"http://{address}/{link}", name, shown, act, options)
            print(name, flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
