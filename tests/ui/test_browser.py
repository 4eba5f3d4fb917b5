"""The app as a visitor meets it: the real server, a real Chromium, real clicks."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.browser import DESKTOP, IMAGES, PHONE, pixels, visit
from helpers.small import CLASSES, save_kinds, save_small
from PIL import Image
from playwright.sync_api import Page, expect

import pretrained
from pretrained.__main__ import main
from pretrained.checkpoint import read_config
from pretrained.media.images import enlarge


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    save_kinds(folder / "runs")
    return folder


@pytest.fixture
def beside(folder, monkeypatch) -> None:
    """Commands run in this process as beside the app: in its folder, on one thread."""
    monkeypatch.chdir(folder)
    torch.set_num_threads(1)


@pytest.mark.parametrize(("path", "title"), [("", "Samples"), ("walk", "Walk")])
def test_a_page_fits_its_window(browser, url, path, title):
    with visit(browser, f"{url}/{path}?model=runs/labelled", **DESKTOP) as page:
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        page.locator(IMAGES).first.wait_for()
        if title == "Walk":
            page.locator("video").wait_for()
        assert overhang(page) <= 0
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size(PHONE["viewport"])
        page.wait_for_function("document.querySelector('.stMain').clientWidth <= innerWidth")
        for _ in range(100):  # images are laid out anew a moment later
            if overhang(page) <= 0:
                break
            page.wait_for_timeout(100)
        assert overhang(page) <= 0
        if title == "Walk":  # the video first, then what is set
            video, fields = page.locator("video").bounding_box(), page.get_by_label("Seeds", exact=True).bounding_box()
            assert video["y"] + video["height"] <= fields["y"]


def overhang(page: Page) -> float:
    """By how many pixels something is wider than the window."""
    return page.evaluate(
        """() => {
            const boxes = [document.documentElement, document.querySelector(".stMain")];
            const parts = document.querySelectorAll(".gallery button, video, .stButton, input");
            return Math.max(
                ...boxes.map((one) => one.scrollWidth - one.clientWidth),
                ...[...parts].map((one) => one.getBoundingClientRect().right - innerWidth),
            );
        }"""
    )


@pytest.mark.parametrize(("model", "label"), [("runs/plain", None), ("runs/labelled", None), ("runs/labelled", 1)])
def test_the_page_shows_the_pixels_of_the_command_line(browser, url, folder, tmp_path, beside, model, label):
    out = tmp_path / "grid.png"
    command = ["sample", model, "--seeds", "5-14", "--columns", "4", "--truncation", "0.7", "--out", str(out)]
    command += [] if label is None else ["--label", str(label)]
    main(command)
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


def test_mixtures_are_those_of_the_command_line(browser, url, folder, tmp_path, beside):
    out = tmp_path / "mix.png"
    command = ["mix", "runs/styled", "--rows", "0-2", "--columns", "7,9", "--layers", "4", "--truncation", "0.7"]
    main([*command, "--out", str(out)])
    link = f"{url}/mix?model=runs/styled&coarse=0-2&fine=7,9&layers=4&truncation=0.7&save=As drawn"
    with visit(browser, link, **PHONE) as page:
        shown = pixels(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download PNG").click()
        assert download.value.path().read_bytes() == out.read_bytes()
        widths = page.locator(".stMain").evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert widths[0] <= widths[1]
        page.get_by_role("button", name="Seed 1 with the fine styles of seed 9").click()
        expect(page.get_by_role("dialog")).to_contain_text("the seed of the coarse styles, 1")
    pipeline = pretrained.load(str(folder / "runs" / "styled"))
    how = {"truncation": 0.7}
    mixed, left = pipeline.mix([0, 1, 2], [7, 9], 4, **how), pipeline.sample([0, 1, 2], **how)
    expected = [*pipeline.sample([7, 9], **how)]
    for row in range(3):
        expected += [left[row], *mixed[2 * row :][:2]]
    assert np.array_equal(shown, expected)


def test_an_upload_is_reconstructed_as_by_the_command_line(browser, url, folder, tmp_path, beside):
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
            main(command)
            with page.expect_download() as download:
                page.get_by_role("button", name="Download PNG").nth(place).click()
            assert download.value.path().read_bytes() == out.read_bytes()
        page.locator("video").wait_for()
        assert page.locator("video").evaluate("v => [v.videoWidth, v.error]") == [256, None]
        widths = page.locator(".stMain").evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert widths[0] <= widths[1]


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
        page.keyboard.press("ArrowRight")
        expect(dialog).to_contain_text("Seed 8")
        dialog.get_by_role("button", name="Previous").click()
        expect(dialog).to_contain_text("Seed 7")
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
        expect(page.get_by_role("button", name="Cancel")).to_be_visible()


def bundled(ability: str) -> list[str]:
    """The bundled checkpoints that take this."""
    configs = {name: read_config(pretrained.resolve(name)[0]) for name in pretrained.available()}
    return [name for name, config in configs.items() if ability in config.input]


def test_each_bundled_translator_shows_its_first_example(browser, url):
    with visit(browser, url) as page:
        for name in bundled("source"):
            page.goto(f"{url}/?model={name}&way=Examples")
            expect(page.locator(".curtain")).to_be_visible()


def test_each_bundled_generator_draws(browser, url):
    with visit(browser, url) as page:
        for name in bundled("noise"):
            page.goto(f"{url}/?model={name}&count=4")
            shown = pixels(page)
            assert np.array_equal(shown, np.broadcast_to(pretrained.load(name).sample(range(4)), np.shape(shown)))


def test_a_text_is_written_as_by_the_command_line(browser, url, tmp_path, beside):
    out = tmp_path / "out.png"
    with visit(browser, f"{url}/write?model=dcgan-mnist&text=314&seed=7", **PHONE) as page:
        page.get_by_role("img", name="314 in typeface 7").wait_for()
        assert overhang(page) <= 0
        with page.expect_download() as download:
            page.get_by_role("button", name="Download PNG").click()
        main(["write", "dcgan-mnist", "--text", "314", "--seed", "7", "--invert", "--scale", "32", "--out", str(out)])
        assert download.value.path().read_bytes() == out.read_bytes()
        page.get_by_role("button", name="Surprise me").click()
        expect(page.get_by_role("img", name=re.compile("314 in typeface (?!7$)"))).to_be_visible()
