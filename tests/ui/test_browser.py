"""The app as a visitor meets it: the real server, a real Chromium, real clicks."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.browser import DESKTOP, IMAGES, PHONE, pixels, visit
from helpers.small import CLASSES, save_kinds, save_small
from PIL import Image
from playwright.sync_api import expect

import pretrained
from pretrained.checkpoint import read_config
from pretrained.media.images import enlarge


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    save_kinds(folder / "runs")
    return folder


@pytest.mark.parametrize("window", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("path", "title"), [("", "Samples"), ("walk", "Walk")])
def test_a_page_fits_its_window(browser, url, window, scheme, path, title):
    with visit(browser, f"{url}/{path}?model=runs/labelled", color_scheme=scheme, **window) as page:
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        page.locator(IMAGES).first.wait_for()
        if title == "Walk":
            page.locator("video").wait_for()
        widths = page.evaluate(
            "[document.documentElement, document.querySelector('.stMain')].map(e => [e.scrollWidth, e.clientWidth])"
        )
        assert all(needed <= there for needed, there in widths)
        rights = page.locator(".gallery button, video, .stButton, input").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().right)"
        )
        assert max(rights) <= window["viewport"]["width"]


@pytest.mark.parametrize(("model", "label"), [("runs/plain", None), ("runs/labelled", None), ("runs/labelled", 1)])
def test_the_page_shows_the_pixels_of_the_command_line(browser, url, folder, env, tmp_path, model, label):
    out = tmp_path / "grid.png"
    command = ["sample", model, "--seeds", "5-14", "--columns", "4", "--truncation", "0.7", "--out", str(out)]
    command += [] if label is None else ["--label", str(label)]
    subprocess.run([sys.executable, "-m", "pretrained", *command], cwd=folder, env=env, check=True)
    link = f"{url}/?model={model}&seed=5&count=10&columns=4&truncation=0.7&save=As drawn"
    with visit(browser, link + (f"&label={label} {CLASSES[label]}" if label is not None else "")) as page:
        shown = pixels(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download PNG").click()
        # The same bytes: the recipe in the metadata is the same as well.
        assert download.value.path().read_bytes() == out.read_bytes()
    with Image.open(out) as image:
        grid = np.asarray(image.convert("RGB"))
    expected = [grid[32 * (i // 4) :, 32 * (i % 4) :][:32, :32] for i in range(10)]
    assert np.array_equal(shown, expected)


@pytest.mark.parametrize("window", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_mixtures_are_those_of_the_command_line(browser, url, folder, env, tmp_path, window):
    out = tmp_path / "mix.png"
    command = ["mix", "runs/styled", "--rows", "0-2", "--columns", "7,9", "--layers", "4", "--truncation", "0.7"]
    subprocess.run([sys.executable, "-m", "pretrained", *command, "--out", str(out)], cwd=folder, env=env, check=True)
    link = f"{url}/mix?model=runs/styled&coarse=0-2&fine=7,9&layers=4&truncation=0.7&save=As drawn"
    with visit(browser, link, **window) as page:
        shown = pixels(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download PNG").click()
        assert download.value.path().read_bytes() == out.read_bytes()
        main = page.locator(".stMain").evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert main[0] <= main[1]
        page.get_by_role("button", name="Seed 1 with the fine styles of seed 9").click()
        expect(page.get_by_role("dialog")).to_contain_text("the seed of the coarse styles, 1")
    pipeline = pretrained.load(str(folder / "runs" / "styled"))
    how = {"truncation": 0.7}
    mixed, left = pipeline.mix([0, 1, 2], [7, 9], 4, **how), pipeline.sample([0, 1, 2], **how)
    expected = [*pipeline.sample([7, 9], **how)]
    for row in range(3):
        expected += [left[row], *mixed[2 * row :][:2]]
    assert np.array_equal(shown, expected)


def test_an_upload_is_reconstructed_as_by_the_command_line(browser, url, folder, env, tmp_path):
    photos = [tmp_path / "a.jpg", tmp_path / "b.png"]
    sideways = Image.radial_gradient("L").resize((90, 60)).convert("RGB")
    sideways.getexif()[0x0112] = 6
    sideways.save(photos[0], exif=sideways.getexif())
    Image.linear_gradient("L").convert("LA").save(photos[1])
    out = tmp_path / "out.png"
    with visit(browser, f"{url}/encode?model=runs/editor&drawn_as=1 bag&frames=10&save=As drawn", **PHONE) as page:
        uploads = page.locator("input[type=file]")
        for place, photo in enumerate(photos):
            uploads.nth(place).set_input_files(photo)
            expect(page.get_by_text("Drawn as bag")).to_have_count(place + 1)
            command = ["reconstruct", "runs/editor", "--input", str(photo), "--label", "1", "--out", str(out)]
            subprocess.run([sys.executable, "-m", "pretrained", *command], cwd=folder, env=env, check=True)
            with page.expect_download() as download:
                page.get_by_role("button", name="Download PNG").nth(place).click()
            assert download.value.path().read_bytes() == out.read_bytes()
        page.locator("video").wait_for()
        assert page.locator("video").evaluate("v => [v.videoWidth, v.error]") == [256, None]
        main = page.locator(".stMain").evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert main[0] <= main[1]


def test_an_upload_that_is_too_large_is_refused_before_it_is_sent(browser, url):
    with visit(browser, f"{url}/encode?model=runs/editor") as page:
        uploads = page.locator("input[type=file]")
        uploads.first.wait_for(state="attached")
        data = {"name": "large.png", "mimeType": "image/png", "buffer": bytes(21 * 2**20)}
        uploads.first.set_input_files(data)
        expect(page.get_by_text("20.0MB", exact=False).last).to_be_visible()
        expect(page.get_by_text("Yours", exact=True)).to_have_count(0)


def test_words_that_are_typed_are_drawn_and_stay_in_the_link(browser, url, folder):
    pipeline = pretrained.load(str(folder / "runs" / "reader"))
    with visit(browser, f"{url}/?model=runs/reader&count=3", **DESKTOP) as page:
        assert np.array_equal(pixels(page), pipeline.sample(range(3)))
        box = page.get_by_role("combobox", name="Text")
        box.fill("red")
        box.press("Enter")
        page.wait_for_url(re.compile("text=red"))
        expect(page.locator(".gallery")).to_have_count(1)
        link = page.url
    with visit(browser, link, **DESKTOP) as page:
        assert np.array_equal(pixels(page), pipeline.sample(range(3), text="red"))


def test_images_are_enlarged_by_a_whole_factor(browser, url):
    with visit(browser, f"{url}/?model=runs/labelled&count=6&columns=3", **DESKTOP) as page:
        expected = pixels(page)
        box = page.locator(IMAGES).nth(4).bounding_box()
        # Chromium draws at whole pixels, wherever the layout has put the box.
        seen = page.screenshot(clip={name: round(length) for name, length in box.items()})
    scale, rest = divmod(box["width"], 32)
    assert scale >= 2
    assert not rest
    with Image.open(io.BytesIO(seen)) as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), enlarge(expected[4], int(scale)))


def test_a_click_enlarges_a_image(browser, url, folder):
    with visit(browser, f"{url}/?model=runs/labelled&count=9", **PHONE) as page:
        page.get_by_role("button", name="Seed 7").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Seed 7")
        expect(dialog).to_contain_text("bag")
        source = dialog.locator("img").get_attribute("src").removeprefix(url)
        data = page.request.get(url + source).body()
        dialog.get_by_role("link", name="Walk from here").click()
        page.locator("video").wait_for()
        expect(page.get_by_label("Seeds", exact=True)).to_have_value("7-10")
    with Image.open(io.BytesIO(data)) as image:
        large = np.asarray(image)
    assert np.array_equal(large, enlarge(pretrained.load(str(folder / "runs" / "labelled")).sample([7])[0], 14))


def test_the_walk_plays(browser, url):
    with visit(browser, f"{url}/walk?model=runs/labelled&seeds=0,4&frames=60&fps=20") as page:
        video = page.locator("video")
        video.wait_for()
        # Chromium may decline to start a film by itself before the page was touched; a visitor presses play.
        video.evaluate("video => { video.muted = true; return video.play(); }")
        page.wait_for_function("document.querySelector('video').currentTime > 0.3")
        state = video.evaluate("v => [v.videoWidth, v.videoHeight, v.duration, v.error, v.readyState]")
        assert state[:4] == [256, 256, 3, None]
        assert state[4] >= 2
        moved = video.evaluate(
            """async video => {
                const look = () => {
                    const canvas = new OffscreenCanvas(256, 256).getContext("2d");
                    canvas.drawImage(video, 0, 0);
                    return canvas.getImageData(0, 0, 256, 256).data;
                };
                // The film loops, so its own time may fall; the clock does not.
                const before = look(), time = performance.now();
                while (performance.now() < time + 400) await new Promise(requestAnimationFrame);
                const after = look();
                return before.reduce((sum, level, index) => sum + Math.abs(level - after[index]), 0) / before.length;
            }"""
        )
        assert moved > 1
        for suffix, start in {"MP4": b"\0\0\0", "GIF": b"GIF89a", "WEBP": b"RIFF"}.items():
            if suffix != "MP4":
                page.get_by_role("button", name=f"Make {suffix}").click()
            with page.expect_download() as download:
                page.get_by_role("button", name=re.compile(rf"(?<!Make ){suffix}$")).click()
            assert download.value.suggested_filename == f"labelled-walk-0-4.{suffix.lower()}"
            assert download.value.path().read_bytes().startswith(start)


def test_a_walk_can_be_cancelled(browser, url, folder):
    save_small(folder / "runs" / "large", size=512, batch=2)  # a busy browser shows no Cancel for less
    with visit(browser, f"{url}/walk?model=runs/large&seeds=0-9&frames=400&truncation=0.9") as page:
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Start again").click()
        page.locator("video").wait_for()


def bundled(ability: str) -> list[str]:
    """The bundled checkpoints that take this."""
    configs = {name: read_config(pretrained.resolve(name)[0]) for name in pretrained.available()}
    return [name for name, config in configs.items() if ability in config.input]


@pytest.mark.parametrize("name", bundled("source"))
def test_a_bundled_translator_shows_its_first_example(browser, url, name):
    with visit(browser, f"{url}/?model={name}&way=Examples") as page:
        expect(page.locator(".curtain")).to_be_visible()


@pytest.mark.parametrize("name", bundled("noise"))
def test_a_bundled_generator_draws(browser, url, name):
    with visit(browser, f"{url}/?model={name}&count=4") as page:
        assert np.array_equal(
            pixels(page), np.broadcast_to(pretrained.load(name).sample(range(4)), (4, *pixels(page)[0].shape))
        )
