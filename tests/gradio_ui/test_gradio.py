"""The Gradio app: the real server, the real client, and its page in a real browser."""

from __future__ import annotations

import html
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from helpers import translating
from helpers.browser import PATIENCE, PHONE, ROOT, until, visit
from helpers.gradio_server import serve
from helpers.hostile import MISTAKES
from helpers.small import CLASSES, save_able, save_small
from PIL import Image
from playwright.sync_api import Page, expect

import gradio_app
import pretrained
from pretrained.media.images import encode_png, grid, open_image
from pretrained.pipelines.directions import move
from pretrained.pipelines.image_grid import enlarge_png
from pretrained.pipelines.write import write
from pretrained.system.errors import InputError

TRANSLATORS = ("sketch", "label", "fill", "pose", "style")
ABLE = {"styled": "style", "editor": "encode labels", "reader": "text"}
OFFERED = ["labelled", *ABLE, *TRANSLATORS, "dcgan-mnist", "style-starry-night"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("gradio")
    save_small(folder / "labelled", classes=CLASSES)
    for name, ability in ABLE.items():
        save_able(folder / name, ability)
    for row in TRANSLATORS:
        translating.save(folder / row, row)
    translating.photo(folder / "photo.png")
    translating.photo(folder / "other.png", (32, 40))
    return folder


@pytest.fixture(scope="module")
def url(folder) -> Iterator[str]:
    with serve(folder, GANVAS_MODELS=", ".join(OFFERED)) as url:
        yield url


@pytest.fixture(scope="module", autouse=True)
def _litter(tmp_path_factory) -> Iterator[None]:
    """The client leaves an empty folder among the temporary files for each file that it fetches: here, not in /tmp."""
    before, tempfile.tempdir = tempfile.tempdir, str(tmp_path_factory.mktemp("litter"))
    yield
    tempfile.tempdir = before


@pytest.fixture(scope="module")
def client(url, tmp_path_factory) -> Client:
    return Client(url, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


def pixels(path: str | Path) -> np.ndarray:
    """A picture -> uint8 (H, W, C)."""
    with Image.open(path) as image:
        levels = np.asarray(image)
    return levels.reshape(*levels.shape[:2], -1)


@pytest.mark.parametrize(
    ("model", "how"),
    [
        ("labelled", {}),
        ("labelled", {"label": 1, "truncation": 0.7}),
        ("styled", {"truncation": 0.5}),
        ("reader", {"text": "a blue cat"}),
    ],
)
def test_a_seed_is_the_image_of_python(client, folder, model, how):
    path = client.predict(model, "5-9,30", columns=4, **how, api_name="/sample")
    drawn = grid(pretrained.load(str(folder / model), "cpu").sample([5, 6, 7, 8, 9, 30], **how), 4)
    assert np.array_equal(pixels(path), drawn)
    with Image.open(path) as image:
        assert json.loads(image.text["ganvas"])["seeds"] == [5, 6, 7, 8, 9, 30]


def film(path: str) -> tuple[str, int, int]:
    """Codec, width and number of frames."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        return stream.codec_context.name, stream.width, sum(1 for _ in container.decode(stream))


def test_a_walk_is_a_film_that_says_how_far_it_is(client):
    job = client.submit("labelled", "0-2", frames=400, fps=60, label=1, api_name="/walk")
    seen = []
    while not job.done():
        seen += job.status().progress_data or []
        time.sleep(0.02)
    assert film(job.result()) == ("h264", 256, 400)
    assert any(0 < unit.index < unit.length == 400 for unit in seen)


def test_a_text_is_written_as_by_python(client):
    drawn = client.predict("dcgan-mnist", "271", seed=4, invert=True, api_name="/write")
    expected = write(pretrained.load("dcgan-mnist", "cpu"), "271", 4, 0.7, 4, True)
    assert np.array_equal(pixels(drawn["path"] if isinstance(drawn, dict) else drawn), expected)


def test_what_else_a_generator_can_do(client, folder):
    styled, editor = (pretrained.load(str(folder / name), "cpu") for name in ("styled", "editor"))
    mixed = pixels(client.predict("styled", "0-1", "7", layers=2, api_name="/mix"))
    assert np.array_equal(mixed[36:68, 36:68], styled.mix([0], [7], 2)[0])
    photo = handle_file(folder / "photo.png")
    with Image.open(folder / "photo.png") as image:
        edited = editor.edit(image, 1)
    assert np.array_equal(pixels(client.predict("editor", photo, label=1, api_name="/reconstruct")), edited)
    assert film(client.predict("editor", photo, photo, frames=5, api_name="/interpolate"))[2] == 5


def test_a_deep_image_needs_the_values_of_black_and_white(client, folder):
    Image.fromarray(np.linspace(0, 4095, 2400).astype(np.uint16).reshape(40, 60)).save(folder / "deep.png")
    sent = {"model": "style", "picture": handle_file(folder / "deep.png"), "api_name": "/translate"}
    with pytest.raises(AppError, match="may be of 12 bits: set black and white"):
        client.predict(**sent)
    with pytest.raises(AppError, match="black and white must be two numbers, the first the lower one"):
        client.predict(**sent, black=9, white=0)
    made = pretrained.load(str(folder / "style"), "cpu").translate(open_image(folder / "deep.png", levels=(0, 4095)))
    assert np.array_equal(pixels(client.predict(**sent, black=0, white=4095)), np.asarray(made))


@pytest.mark.parametrize(
    ("model", "files", "how"),
    [
        ("sketch", {}, {"degrade": True}),
        ("label", {}, {"fit": "stretch"}),
        ("fill", {"mask": "mask.png"}, {}),
        ("fill", {}, {"degrade": True, "seed": 3}),
        ("pose", {"second": "other.png"}, {}),
        ("style", {}, {"strength": 0.4, "fit": "tile"}),
    ],
)
def test_a_image_is_translated_as_by_python(client, folder, model, files, how):
    Image.radial_gradient("L").resize((60, 40)).point(lambda level: 255 * (level < 90)).save(folder / "mask.png")
    sent = {name: handle_file(folder / file) for name, file in {"picture": "photo.png", **files}.items()}
    beside = {name: open_image(folder / file) for name, file in files.items()}
    made = pretrained.load(str(folder / model), "cpu").translate(open_image(folder / "photo.png"), **beside, **how)
    assert np.array_equal(pixels(client.predict(model, **sent, **how, api_name="/translate")), np.asarray(made))


def test_a_drawing_is_translated(client, folder):
    drawing = Image.new("L", (32, 32), 255)
    drawing.paste(0, (4, 10, 28, 12))
    drawing.save(folder / "drawing.png")
    path = client.predict("sketch", handle_file(folder / "drawing.png"), api_name="/draw")
    assert np.array_equal(pixels(path), np.asarray(pretrained.load(str(folder / "sketch"), "cpu").translate(drawing)))


def test_the_checkpoints_and_what_they_take_are_listed(client):
    listed = {row["name"]: row for row in client.predict(api_name="/models")}
    assert list(listed) == OFFERED
    assert listed["labelled"]["classes"] == CLASSES
    assert listed["style"]["input"]["strength"] is True


def test_the_example_of_the_readme_runs(url, folder, monkeypatch):
    code = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/reference/api.md").read_text(), re.M | re.S)[0]
    monkeypatch.chdir(folder)
    translating.photo(folder / "in.png")
    names = {}
    exec(code.replace("http://127.0.0.1:7860", url), names)
    expected = pretrained.load("dcgan-mnist", "cpu").sample([7, 8, 9], label=4)
    assert np.array_equal(pixels(names["png"]), grid(expected, 3))
    assert film(names["video"])[2] == 60
    assert pixels(names["starry"]).shape == (40, 60, 3)


@pytest.mark.parametrize(
    ("endpoint", "given", "sentence"),
    MISTAKES,
)
def test_a_mistake_is_one_sentence(client, folder, endpoint, given, sentence):
    if given.get("picture") == "large.png":
        Image.new("1", (8000, 8000)).save(folder / "large.png")
    files = {name: handle_file(folder / given[name]) for name in ("picture", "drawing") if given.get(name)}
    with pytest.raises(AppError) as error:
        client.predict(**{"model": "labelled", **given, **files}, api_name=f"/{endpoint}")
    assert sentence in html.unescape(str(error.value))
    assert "<" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}], ids=["bare", "meta"])
def test_no_other_file_of_the_server_is_read(url, folder, meta):
    image = {"path": str(folder / "photo.png"), **meta}
    data = json.dumps({"data": ["style", image, None, None, 1.0, False, 0, "crop"]}).encode()
    headers = {"Content-Type": "application/json"}
    call = f"{url}/gradio_api/call/translate"
    with urllib.request.urlopen(urllib.request.Request(call, data, headers), timeout=PATIENCE) as reply:
        event = json.load(reply)["event_id"]
    with urllib.request.urlopen(f"{call}/{event}", timeout=PATIENCE) as reply:
        answer = reply.read().decode()
    assert "event: error" in answer
    assert "complete" not in answer


def test_what_is_too_large_is_not_taken(client, folder):
    (folder / "huge.png").write_bytes(bytes(21 * 2**20))
    with pytest.raises(Exception, match="413|size"):
        client.predict("style", handle_file(folder / "huge.png"), api_name="/translate")


def test_a_missing_checkpoint_is_said_in_one_line():
    environment = os.environ | {"GANVAS_MODELS": "nonesuch"}
    command = [sys.executable, "gradio_app.py"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("ganvas: no checkpoint 'nonesuch'")
    assert done.stderr.count("\n") == 1


def test_mcp_is_asked_for_in_one_sentence(monkeypatch):
    monkeypatch.setenv("GANVAS_MCP", "1")
    monkeypatch.setitem(sys.modules, "mcp", None)  # as where it is not installed
    with pytest.raises(InputError, match=r"pip install 'gradio\[mcp\]'"):
        gradio_app.launch()


def large(image: np.ndarray) -> np.ndarray:
    """An image as the page enlarges it for the file."""
    return pixels(io.BytesIO(enlarge_png(encode_png(image), 512, smooth=True)))


def shown(page: Page) -> np.ndarray:
    """The picture that the page shows, as it is downloaded, uint8 (H, W, C)."""
    image = page.locator("[role=tabpanel] img[data-testid=detailed-image], .pixels .image-frame img")
    source = image.locator("visible=true").last.get_attribute("src")
    return pixels(io.BytesIO(page.request.get(source).body()))


def choose(page: Page, label: str, option: str) -> None:
    """One of a list that can be seen."""
    page.get_by_label(label).locator("visible=true").click()
    page.get_by_role("option", name=option, exact=True).locator("visible=true").click()


def stroke(page: Page) -> None:
    """Draw a line over the middle of the canvas."""
    canvas = page.locator("canvas").locator("visible=true").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 40, y)
    page.mouse.down()
    page.mouse.move(x + 40, y, steps=6)
    page.mouse.up()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).locator("visible=true").click()


def test_the_page_shows_samples_and_moves_them(browser, url, folder):
    with visit(browser, f"{url}/?model=labelled", color_scheme="dark", **PHONE) as page:
        page.get_by_label("Seeds").first.fill("5-9")
        page.get_by_label("Label").first.click()
        page.get_by_role("option", name="1 bag").click()
        press(page, "Sample")
        pipeline = pretrained.load(str(folder / "labelled"), "cpu")
        assert np.array_equal(shown(page), large(grid(pipeline.sample(range(5, 10), label=1), 5)))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_label("Seeds").first.fill("seven")
        press(page, "Sample")
        expect(page.get_by_text("seeds must be numbers and ranges")).to_be_visible()
        page.set_viewport_size({"width": 1280, "height": 900})  # a phone has a list of tabs
        page.get_by_role("tab", name="Explore").locator("visible=true").click()
        choose(page, "Size of the file", "As drawn")
        slider = page.get_by_label("number input for sefa-2")
        slider.fill("2.5")
        slider.press("Enter")
        moved = pipeline.sample([1], move=move(pipeline, {"sefa-2": 2.5}))[0]
        until(page, lambda: np.array_equal(shown(page), moved))
        page.get_by_role("button", name="Surprise me").click()
        seed = page.get_by_label("Seed", exact=True).locator("visible=true")
        expect(seed).not_to_have_value("1")
        wanted = pipeline.sample([int(seed.input_value())], move=move(pipeline, {"sefa-2": 2.5}))[0]
        until(page, lambda: np.array_equal(shown(page), wanted))
        page.get_by_role("tab", name="Gallery").locator("visible=true").click()
        page.locator(".gallery-item button").filter(has_text=re.compile("dcgan-mnist|Handwriting")).click()
        page.wait_for_url(re.compile("model=dcgan-mnist"))


def test_a_stroke_on_the_canvas_becomes_a_image(browser, url, folder):
    with visit(browser, f"{url}/?model=labelled", viewport={"width": 1280, "height": 900}) as page:
        # The choice of a model leads to its page.
        page.get_by_label("Model").click()
        page.get_by_role("option", name="label", exact=True).click()
        expect(page.get_by_text("door")).to_be_visible()
        paper = Image.new("RGB", (32, 32), translating.PALETTE["wall"])
        empty = large(np.asarray(pretrained.load(str(folder / "label"), "cpu").translate(paper)))
        press(page, "Clear")
        until(page, lambda: np.array_equal(shown(page), empty))
        stroke(page)  # it is answered without a press of the button
        until(page, lambda: not np.array_equal(shown(page), empty))
        made = shown(page)
    assert made.shape == empty.shape
    changed = np.abs(made.astype(int) - empty).max(axis=-1) > 0
    assert changed.sum() > 10 * 16**2


def test_what_is_painted_on_a_image_is_filled(browser, url, folder):
    photo = translating.photo(folder / "wide.png", (480, 320))
    with visit(browser, f"{url}/?model=fill", viewport={"width": 1280, "height": 900}) as page:
        page.get_by_label("Cut a hole at random").uncheck()  # the page has become that of the model by then
        invitation = page.get_by_text("Upload an image")
        page.locator("input[type=file]").first.set_input_files(photo)
        expect(invitation).to_be_hidden()
        choose(page, "Size of the file", "As drawn")
        before = shown(page)
        stroke(page)
        press(page, "Translate")
        until(page, lambda: not np.array_equal(shown(page), before))
        made = shown(page)
    nothing = Image.new("L", (480, 320))
    image = np.asarray(pretrained.load(str(folder / "fill"), "cpu").source(open_image(photo), nothing))
    changed = np.abs(made.astype(int) - image).max(axis=-1) > 0
    assert 10 < changed.sum() < changed.size / 2
