"""The Translate page in a real browser: strokes of the mouse, and files as phones, scanners and strangers make them."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.browser import DESKTOP, PHONE, visit
from helpers.translating import photo, save
from PIL import Image
from playwright.sync_api import Page, expect

import pretrained
from pretrained.__main__ import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("translate")
    for row in ("sketch", "label", "pose", "fill", "style"):
        save(folder / "runs" / row, row)
    return folder


def stroke(page: Page, *places: tuple[float, float]) -> None:
    """Draw through places on the canvas, in shares of its sides, with the mouse."""
    box = page.locator(".canvas canvas").bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def clear(page: Page) -> None:
    """An empty canvas, of which nothing is made."""
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".curtain")).to_have_count(0)


def curtain(page: Page) -> tuple[Image.Image, Image.Image]:
    """The pictures before and after, as the browser has them when all that was drawn is answered."""
    page.locator(".curtain").wait_for()
    expect(page.locator(".canvas canvas[aria-busy=true]")).to_have_count(0)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    urls = page.locator(".curtain img").evaluate_all("all => all.map(one => one.src)")
    before, after = (Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) for url in urls)
    return before, after


def same(a: Image.Image, b: Image.Image) -> bool:
    return np.array_equal(np.asarray(a.convert("RGB")), np.asarray(b.convert("RGB")))


def fits(page: Page) -> bool:
    needed, there = page.locator(".stMain").evaluate("e => [e.scrollWidth, e.clientWidth]")
    return needed <= there


def test_three_strokes_become_a_image_that_a_link_leads_to(browser, url, folder):
    pipeline = pretrained.load(str(folder / "runs" / "sketch"), "cpu")
    allowed = {"permissions": ["clipboard-read", "clipboard-write"]}
    with visit(browser, f"{url}/?model=runs/sketch&save=As drawn", **PHONE, **allowed) as page:
        page.locator(".curtain").wait_for()  # of the example that is drawn at first
        clear(page)
        for places in ([(0.2, 0.2), (0.8, 0.3)], [(0.8, 0.3), (0.5, 0.8)], [(0.5, 0.8), (0.2, 0.2)]):
            stroke(page, *places)
        drawing, made = curtain(page)
        assert fits(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download PNG").click()
        with Image.open(download.value.path()) as image:
            assert same(image, made)
        page.reload()  # what was drawn is still there
        assert same(curtain(page)[1], made)
        page.get_by_role("button", name="Copy link").click()
        link = page.evaluate("navigator.clipboard.readText()")
        page.evaluate("localStorage.clear()")
        page.goto(link)  # as somebody else would
        assert same(curtain(page)[1], made)
        page.get_by_role("button", name="Surprise me").click()
        page.wait_for_url(re.compile("example=[2-9]"))
        assert "drawing=" not in page.url
        assert not same(curtain(page)[0], drawing)
    assert np.asarray(drawing.convert("L")).min() < 100  # ink
    assert same(pipeline.translate(drawing), made)


def test_undo_goes_back_and_colours_are_those_of_the_config(browser, url):
    with visit(browser, f"{url}/?model=runs/label", **DESKTOP) as page:
        page.locator(".curtain").wait_for()
        clear(page)
        names = page.locator(".canvas .ink").all_inner_texts()
        assert names == ["wall", "<b>door</b>"]
        stroke(page, (0.1, 0.1), (0.3, 0.1))
        first, _ = curtain(page)
        now = page.locator(".curtain img").first.get_attribute("src")
        page.get_by_role("button", name="Rectangle").click()
        stroke(page, (0.5, 0.5), (0.9, 0.9))
        expect(page.locator(".curtain img").first).not_to_have_attribute("src", now)
        drawn, _ = curtain(page)
        assert drawn.convert("RGB").getpixel((22, 22)) == (0x01, 0xCF, 0xFF)
        assert first.convert("RGB").getpixel((22, 22)) == (0x00, 0x55, 0xFF)
        now = page.locator(".curtain img").first.get_attribute("src")
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".curtain img").first).not_to_have_attribute("src", now)
        assert same(curtain(page)[0], first)


def test_a_hole_is_painted_and_filled(browser, url, folder, tmp_path):
    path = photo(tmp_path / "photo.png")
    with visit(browser, f"{url}/?model=runs/fill&way=Upload&degrade=false", **DESKTOP) as page:
        page.locator("input[type=file]").set_input_files(path)
        page.locator(".canvas canvas").wait_for()
        stroke(page, (0.3, 0.5), (0.7, 0.5))
        source, made = (np.asarray(image.convert("RGB")) for image in curtain(page))
    hole = (source == 128).all(axis=2)
    assert 20 < hole.sum() < 500
    assert np.array_equal(source[~hole], made[~hole])
    assert not np.array_equal(source[hole], made[hole])


def test_a_large_image_says_how_far_it_is_and_can_be_cancelled(browser, url, tmp_path):
    path = photo(tmp_path / "photo.png", (2000, 1600))
    with visit(browser, f"{url}/?model=style-starry-night&way=Upload&fit=tile", **DESKTOP) as page:
        page.locator("input[type=file]").set_input_files(path)
        expect(page.get_by_text(re.compile(r"Translating … [1-9]\d*%"))).to_be_visible()
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text("Cancelled.")).to_be_visible()
        assert page.locator(".curtain").count() == 0
        page.get_by_role("button", name="Start again").click()
        expect(page.get_by_text("Translating …")).to_be_visible()


def test_an_upload_is_translated_as_by_the_command_line(browser, url, folder, tmp_path, monkeypatch):
    path, out = photo(tmp_path / "photo.jpg"), tmp_path / "out.png"
    command = ["translate", "runs/style", "--input", str(path), "--strength", "0.5", "--out", str(out)]
    monkeypatch.chdir(folder)
    torch.set_num_threads(1)  # as the app
    main(command)
    with visit(browser, f"{url}/?model=runs/style&way=Upload&strength=0.5", **PHONE) as page:
        page.locator("input[type=file]").set_input_files(path)
        before, after = curtain(page)
        assert fits(page)
    assert before.size == after.size == (60, 40)
    with Image.open(out) as image:
        assert same(image, after)


def test_examples_come_with_the_checkpoint(browser, url, folder):
    with visit(browser, f"{url}/?model=runs/pose&way=Examples&example=2", **DESKTOP) as page:
        before, after = curtain(page)
    with Image.open(folder / "runs" / "pose" / "samples.png") as sheet:
        source, second = (sheet.crop((left, 32, left + 32, 64)) for left in (0, 32))
    assert same(before, source)
    assert same(pretrained.load(str(folder / "runs" / "pose"), "cpu").translate(source, second=second), after)


def strange_files(folder: Path) -> dict[str, str | None]:
    """Files that people upload -> what the page says of each, or None for a picture."""
    gradient = Image.radial_gradient("L").resize((90, 60))
    turned = gradient.convert("RGB")
    turned.getexif()[0x0112] = 6
    turned.save(folder / "phone.jpg", exif=turned.getexif())
    gradient.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(np.asarray(gradient, np.uint16) * 257).save(folder / "grey16.png")
    alpha = Image.merge("LA", (gradient, gradient)).convert("RGBA")
    alpha.quantize(8).save(folder / "palette.png", transparency=0)
    gradient.save(folder / "moving.gif", save_all=True, append_images=[gradient.rotate(90)])
    gradient.resize((1, 1)).save(folder / "dot.png")
    Image.new("L", (12_000, 9_000), 200).save(folder / "huge.png")
    Image.new("L", (12_000, 9_000), 200).save(folder / "huge.jpg", quality=20)
    (folder / "text.png").write_text("no picture")
    whole = (folder / "grey16.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    sentences = {"huge.png": "too large", "text.png": "not an image", "half.png": "not an image"}
    return {path.name: sentences.get(path.name) for path in sorted(folder.iterdir())}


def test_any_file_is_a_image_or_a_sentence(browser, url, tmp_path):
    files = strange_files(tmp_path)
    with visit(browser, f"{url}/?model=runs/sketch&way=Upload", **DESKTOP) as page:
        page.locator("input[type=file]").set_input_files([tmp_path / name for name in files])
        good = [name for name, sentence in files.items() if sentence is None]
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download {len(good)} pictures").click()
        with zipfile.ZipFile(download.value.path()) as archive:
            assert [name[3:-4] for name in archive.namelist()] == [Path(name).stem for name in good]
            for name in archive.namelist():
                with Image.open(archive.open(name)) as image:
                    assert image.size == (32, 32)
        for name, sentence in files.items():
            if sentence:
                expect(page.get_by_role("alert").filter(has_text=name)).to_contain_text(sentence)
        assert page.get_by_role("alert").count() == len(files) - len(good)
        assert page.locator(".stException").count() == 0
