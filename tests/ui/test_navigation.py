"""Finding one's way in the app: pages, links that lead back, ids that are typed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.browser import DESKTOP, IMAGES, pixels, visit
from helpers.small import save_kinds
from playwright.sync_api import expect


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("navigation")
    save_kinds(folder / "runs")
    return folder


def test_only_pages_that_the_checkpoint_can_fill_are_offered(browser, url):
    with visit(browser, f"{url}/?model=runs/plain", **DESKTOP) as page:
        for model, more in {"runs/styled": ["Mix"], "runs/editor": ["Encode"], "runs/reader": []}.items():
            box = page.get_by_role("combobox", name="Model")
            box.fill(model)
            box.press("Enter")
            titles = ["Samples", "Walk", "Explore", *more, "Edit", "Gallery", "Compare", "Watch it learn"]
            expect(page.get_by_test_id("stTopNavLink")).to_have_text([re.compile(f"{title}$") for title in titles])


@pytest.mark.parametrize("path", ["samples", "encode"])
def test_a_page_is_found_by_its_name_whichever_is_the_first(browser, url, path):
    with visit(browser, f"{url}/{path}?model=runs/plain", **DESKTOP) as page:
        page.get_by_role("heading", name=path.capitalize(), exact=True).wait_for()
        expect(page.get_by_text("Page not found")).to_have_count(0)


def test_the_link_leads_back(browser, url):
    with visit(browser, f"{url}/?model=runs/plain") as page:
        page.get_by_label("Pictures", exact=True).fill("6")
        page.get_by_label("Pictures", exact=True).press("Enter")
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
