"""Finding one's way in the app: pages, links that lead back, ids that are typed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.browser import DESKTOP, IMAGES, PHONE, pixels, visit
from helpers.small import save_kinds
from playwright.sync_api import expect

from ui.menu import FIRST
from ui.menu import PAGES as MENU


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("navigation")
    save_kinds(folder / "runs")
    return folder


@pytest.mark.parametrize("window", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_home_shows_a_film_and_three_doors_without_scrolling(browser, url, window):
    with visit(browser, url, **window) as page:
        for door in ("Draw", "Explore", "Gallery"):
            box = page.locator(".st-key-doors").get_by_role("link", name=door).bounding_box()
            assert box["y"] + box["height"] <= window["viewport"]["height"]
        film = page.locator(".hero video")
        box, film = film.bounding_box(), film.element_handle()
        page.wait_for_function("film => film.readyState >= 2", arg=film)
        for share in (0.25, 0.75):  # it is wound by the pointer
            page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
            wound = "([film, share]) => film.paused && Math.abs(film.currentTime / film.duration - share) < 0.02"
            page.wait_for_function(wound, arg=[film, share])
        needed, there = page.locator(".stMain").evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert needed <= there
        page.locator(".st-key-doors").get_by_text("Pull a picture").click()
        expect(page.get_by_role("heading", name="Explore", exact=True)).to_be_visible()
        page.wait_for_url(re.compile("/explore[?]model="))


def test_the_menu_is_the_same_everywhere_and_opens_a_fitting_model(browser, url):
    titles = [re.compile(f"{MENU[name].title}$") for name in FIRST]
    with visit(browser, f"{url}/samples?model=runs/plain", **DESKTOP) as page:
        links = page.get_by_test_id("stTopNavLink")
        expect(links).to_have_text(titles)
        links.filter(has_text="Draw").click()
        page.wait_for_url(f"{url}/translate?model=draw-emoji")
        page.locator(".curtain").wait_for()
        expect(links).to_have_text(titles)
        links.filter(has_text="Samples").click()
        page.wait_for_url(f"{url}/samples?model=runs%2Fplain")  # where it was left
        links.filter(has_text="Write").click()
        page.locator(".st-key-written img").wait_for()


def test_escape_in_the_model_box_changes_nothing(browser, url):
    with visit(browser, f"{url}/samples?model=runs/plain", **DESKTOP) as page:
        page.locator(IMAGES).first.wait_for()
        box = page.get_by_role("combobox", name="Model")
        box.click()
        box.type("xyz")
        box.press("Escape")
        box.press("Escape")
        page.mouse.click(900, 20)
        expect(page.locator(".facts")).to_contain_text("plain")
        page.wait_for_url(re.compile("model=runs(/|%2F)plain"))
        expect(box).to_have_value("runs/plain")


@pytest.mark.parametrize("path", ["samples", "encode"])
def test_a_page_is_found_by_its_name(browser, url, path):
    with visit(browser, f"{url}/{path}?model=runs/editor", **DESKTOP) as page:
        page.get_by_role("heading", name=path.capitalize(), exact=True).wait_for()
        expect(page.get_by_text("Page not found")).to_have_count(0)


def test_the_link_leads_back(browser, url):
    with visit(browser, f"{url}/?model=runs/plain") as page:
        page.get_by_label("Images", exact=True).fill("6")
        page.get_by_label("Images", exact=True).press("Enter")
        page.get_by_label("First seed", exact=True).fill("40")
        page.get_by_label("First seed", exact=True).press("Enter")
        page.wait_for_url(re.compile("seed=40"))
        expect(page.locator(IMAGES)).to_have_count(6)
        page.get_by_role("button", name="Seed 45").wait_for()  # among 64 it was there from the start
        link, shown = page.url, pixels(page)
    with visit(browser, link) as page:
        page.get_by_role("button", name="Seed 45").wait_for()
        assert np.array_equal(pixels(page), shown)


def test_the_model_stays_from_page_to_page(browser, url):
    with visit(browser, f"{url}/?model=runs/labelled") as page:
        page.locator(IMAGES).first.wait_for()
        page.get_by_role("link", name="Walk").click()
        page.locator("video").wait_for()
        page.wait_for_url(f"{url}/walk?model=runs%2Flabelled")
        expect(page.locator(".facts")).to_contain_text("labelled")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("someone/something", "HF_HUB_OFFLINE=1 is set"),
        ("<img src=x onerror=alert(1)>", "'<img src=x onerror=alert(1)>'"),
    ],
)
def test_a_typed_id_that_leads_nowhere_is_answered_in_a_sentence(browser, url, typed, words):
    with visit(browser, f"{url}/?model=runs/plain") as page:
        page.locator(IMAGES).first.wait_for()
        box = page.get_by_role("combobox", name="Model")
        box.fill(typed)
        box.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text(words)
        expect(page.locator(IMAGES)).to_have_count(0)
