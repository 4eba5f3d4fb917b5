"""The pages that need no model, in a real browser beside a real Hub: Gallery, Compare and Watch it learn."""

from __future__ import annotations

import io
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers import hub_server, translating
from helpers.browser import DESKTOP, PHONE, ROOT, visit
from helpers.hub_client import ID, Client, make_checkpoint
from helpers.hub_store import Hub
from helpers.small import CLASSES, save_small
from PIL import Image
from playwright.sync_api import Locator, Page, expect

import pretrained
from pretrained import checkpoint, networks, titles
from pretrained.checkpoint import Config
from pretrained.hub import model_card
from pretrained.media.images import encode_png, grid
from ui.state import runs
from ui.widgets import model_cards


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("browse")
    pipeline = pretrained.load(str(save_small(folder / "runs" / "labelled", classes=CLASSES)))
    (folder / "runs" / "labelled" / checkpoint.SAMPLES).write_bytes(encode_png(grid(pipeline.sample(range(64)))))
    save_small(folder / "runs" / "plain", channels=1)
    translating.save(folder / "runs" / "sketch", "sketch")
    (folder / "runs" / "sketch" / checkpoint.SAMPLES).write_bytes(b"no picture")
    save_small(folder / "runs" / "labelled" / "raw", classes=CLASSES)
    broken = folder / "runs" / "broken"
    broken.mkdir()
    (broken / checkpoint.MODEL).write_bytes(b"not one")
    return folder


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Iterator[Hub]:
    """A Hub where alice offers a generator and a translator, and bob something with our tag that is none."""
    hub, server = hub_server.serve(tmp_path_factory.mktemp("shelf"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("published")
    published = [save_small(folder / "tiny", size=16), translating.save(folder / "drawn", "sketch")]
    for path in published:
        config = checkpoint.read_config(path / checkpoint.MODEL)
        (path / checkpoint.CARD).write_text(model_card.model_card(config))
        offer(hub, f"alice/{path.name}", {file.name: file.read_bytes() for file in path.iterdir()})
    offer(hub, "bob/odd", {checkpoint.CARD: b"---\ntags:\n- ganvas\n- odd\n---\n", checkpoint.CONFIG: b"\xff{"})
    yield hub
    server.shutdown()
    server.server_close()


def offer(hub: Hub, id: str, files: dict[str, bytes]) -> None:
    hub.create(f"models/{id}")
    hub.commit(f"models/{id}", {name: hub.store(data) for name, data in files.items()}, "publish")


@pytest.fixture(scope="module")
def env(shelf: Hub, tmp_path_factory) -> dict[str, str]:
    """The environment of the app, which asks our Hub."""
    ours = {"HF_ENDPOINT": shelf.url, "HF_HOME": str(tmp_path_factory.mktemp("hf-home")), "HF_HUB_DISABLE_XET": "1"}
    ours |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    return {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | ours


def titles_of(id: str) -> str:
    """What a card is called."""
    return titles.table()[id]["title"] if id in titles.table() else id


def fits(page: Page) -> bool:
    needed, there = page.locator(".stMain").evaluate("e => [e.scrollWidth, e.clientWidth]")
    return needed <= there


def pixels(image: Locator) -> np.ndarray:
    """An <img> as the browser has it, uint8 (H, W, 3)."""
    height, width, levels = image.evaluate(
        """async image => {
            await image.decode();
            const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
            canvas.drawImage(image, 0, 0);
            const {height, width, data} = canvas.getImageData(0, 0, image.naturalWidth, image.naturalHeight);
            return [height, width, Array.from(data)];
        }"""
    )
    return np.array(levels, np.uint8).reshape(height, width, 4)[..., :3]


def card_called(page: Page, name: str) -> Locator:
    """The card in the gallery with this name."""
    named = page.locator("strong", has_text=re.compile(f"^{re.escape(name)}$"))
    return page.locator("[class*=st-key-cards-] > *").filter(has=named)


def test_the_gallery_shows_what_is_at_hand_and_opens_it(browser, url):
    with visit(browser, f"{url}/gallery?model=dcgan-mnist", color_scheme="dark", **PHONE) as page:
        ids = [*pretrained.available(), "runs/broken", "runs/labelled", "runs/plain", "runs/sketch"]
        names = page.locator("[class*=st-key-cards-] strong")
        expect(names).to_have_count(len(ids))
        called = [titles_of(id) for id in ids]
        assert sorted(names.all_inner_texts()) == sorted(called)  # what lies in a run's own folder is no card
        expect(card_called(page, "runs/labelled")).to_contain_text("dcgan · 32 px · noise · 2 labels")
        expect(card_called(page, "runs/labelled")).to_contain_text("Licence: MIT")
        expect(card_called(page, "runs/sketch")).to_contain_text("It has no picture")
        expect(card_called(page, "runs/broken")).to_contain_text("not a whole safetensors file")
        corner = pixels(card_called(page, "runs/labelled").locator("img"))
        assert corner.shape == (model_cards.SIDE, model_cards.SIDE, 3)
        assert fits(page)
        left, right = (card_called(page, titles_of(name)).bounding_box() for name in pretrained.available()[:2])
        assert left["y"] == right["y"]
        assert left["x"] < right["x"]
        page.get_by_role("button", name="Open runs/sketch", exact=True).click()
        expect(page.get_by_role("heading", name="Draw")).to_be_visible()
        page.wait_for_url(f"{url}/translate?model=runs%2Fsketch")


def test_a_preview_is_the_corner_of_the_samples(folder):
    path = folder / "runs" / "labelled"
    one = model_cards.Card("x", checkpoint.read_config(path / checkpoint.MODEL), path / checkpoint.SAMPLES)
    with Image.open(io.BytesIO(model_cards.preview(one))) as shown, Image.open(one.samples) as samples:
        np.testing.assert_array_equal(np.asarray(shown)[::2, ::2], np.asarray(samples)[:128, :128])


def test_what_an_author_or_a_tag_offers_is_a_click_away(browser, url, shelf):
    with visit(browser, f"{url}/gallery?model=dcgan-mnist&hub=alice", **PHONE) as page:
        offered = page.locator(".st-key-cards-hub")
        expect(offered.locator("strong")).to_have_text(["alice/tiny", "alice/drawn"])
        expect(page.get_by_role("heading", name="Here")).to_be_visible()
        field = page.get_by_label("On the Hub", exact=True)
        # A tag; one with our tag that is no checkpoint; nobody; what is no name; and a Hub with trouble.
        for typed, said in {
            "dcgan": "alice/tiny",
            "odd": "bob/odd",
            "nobody": "Nobody called nobody",
            "a/b": "is neither a user nor a tag",
        }.items():
            field.fill(typed)
            field.press("Enter")
            expect(page.locator(".stMain")).to_contain_text(said)
        shelf.fail("GET /api/models", 503, 9)
        field.fill("carol")
        field.press("Enter")
        expect(page.locator(".stMain")).to_contain_text("error of the Hub")
        expect(card_called(page, "runs/plain")).to_be_visible()
        shelf.faults.clear()
        field.fill("unet")
        field.press("Enter")
        expect(offered.locator("strong")).to_have_text(["alice/drawn"])
        pixels(offered.locator("img"))
        offered.get_by_role("button", name=re.compile("^Open ")).click()
        expect(page.get_by_role("heading", name="Draw")).to_be_visible()
        page.wait_for_url(re.compile("model=alice(%2F|/)drawn"))


def test_a_pull_says_how_far_it_is_and_can_be_cancelled(browser, url, env, shelf, tmp_path):
    gate = threading.Event()

    def halting(body: bytes) -> Iterator[bytes]:
        if len(body) < 2**20:  # the header, which is asked for first
            yield body
            return
        yield body[: 2 * len(body) // 3]  # more than the client takes at a time
        gate.wait(90)
        yield body[2 * len(body) // 3 :]

    spec = {"class": "dcgan.Generator", "size": 32, "channels": 1, "z_dim": 64, "width": 192}
    checkpoint.save(tmp_path, networks.build(spec), checkpoint.Config("large", "generate", spec, {"noise": "normal"}))
    data = (tmp_path / checkpoint.MODEL).read_bytes()
    offer(shelf, "carol/large", {checkpoint.MODEL: data})
    shelf.fail(f"GET .*/carol/large/.*{checkpoint.MODEL}", times=2, send=halting)
    try:
        with visit(browser, f"{url}/?model=carol/large", **PHONE) as page:
            expect(page.get_by_text(f"Fetching carol/large: 10.5 of {len(data) / 1e6:.1f} MB")).to_be_visible()
            assert fits(page)
            page.get_by_role("button", name="Cancel").click()
            expect(page.get_by_text("Cancelled.")).to_be_visible()
            gate.set()
            page.wait_for_timeout(1500)  # at the next piece the client hangs up, or in that time it would have the rest
            blobs = Path(env["HF_HOME"], "hub", "models--carol--large", "blobs")
            assert not [path for path in blobs.iterdir() if path.suffix != ".incomplete"]
            page.get_by_role("button", name="Start again").click()
            expect(page.get_by_role("button", name="Download PNG")).to_be_visible()
    finally:
        gate.set()


def test_facts_of_strangers():
    spec = {"class": "dcgan.Generator", "size": 32}
    odd = Config("odd", "translate", spec, {"size": ["<b>"]}, training={"data": {"a": 1}, "licence": ["x"] * 99})
    assert model_cards.facts(odd) == "dcgan · ['<b>'] px · {'a': 1}"
    assert len(model_cards.licence(odd)) < 200
    assert (
        model_cards.licence(Config("none", "generate", spec, training={"data_licence": "unknown"}))
        == "No licence is named"
    )


def test_the_hub_is_asked_by_tag_and_a_checkpoint_is_looked_at_without_its_weights(client: Client, tmp_path):
    folder = make_checkpoint(tmp_path / "tiny")
    client.push(folder)
    assert client.value("[model.id for model in hub.list_models(None, 'dcgan')]") == [ID]
    assert client.value("[model.id for model in hub.list_models('alice', 'vae')]") == []
    client.hub.requests.clear()
    name, samples = client.value(f"(lambda seen: (seen[0].name, str(seen[1])))(hub.peek({ID!r}))")
    assert (name, Path(samples).read_bytes()) == ("tiny", (folder / checkpoint.SAMPLES).read_bytes())
    assert not [request for request in client.hub.requests if checkpoint.MODEL in request]
    client.hub.edit(ID, checkpoint.CONFIG, b"\xff\xfe")
    assert "not valid JSON" in client.error(f"hub.peek({ID!r})")
    client.hub.edit(ID, checkpoint.CONFIG, bytes(2**20 + 1))
    assert "at most 1,048,576 are downloaded" in client.error(f"hub.peek({ID!r})")
    client.hub.create("models/bob/empty")
    assert "holds no config.json" in client.error("hub.peek('bob/empty')")


def test_the_same_seeds_stand_side_by_side(browser, url, folder):
    link = f"{url}/compare?model=dcgan-mnist&checkpoints=runs/labelled&checkpoints=runs/plain&seeds=5-8&columns=2"
    with visit(browser, link, **PHONE) as page:
        for seeds in ("5-8", "1,2"):
            for name in ("labelled", "plain"):
                expected = grid(pretrained.load(str(folder / "runs" / name), "cpu").sample(SEEDS[seeds]), 2)
                image = page.get_by_role("img", name=f"Seeds {seeds} of runs/{name}")
                assert np.array_equal(pixels(image), np.broadcast_to(expected, (*expected.shape[:2], 3)))
            field = page.get_by_label("Seeds", exact=True)
            field.fill("1,2")
            field.press("Enter")
        boxes = [page.get_by_role("img", name=f"of runs/{name}").bounding_box() for name in ("labelled", "plain")]
        assert boxes[0]["y"] == boxes[1]["y"]
        assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
        assert fits(page)
        page.wait_for_url(re.compile("seeds=1%2C2"))
        assert page.url.count("checkpoints=") == 2


SEEDS = {"5-8": [5, 6, 7, 8], "1,2": [1, 2]}


def write_run(folder: Path, kimg: float, level: int) -> None:
    """What a trainer writes until `kimg` of 3: lines, a snapshot whose pictures have one grey, the checkpoint."""
    png = encode_png(np.full((32, 32, 1), level, np.uint8))
    (folder / runs.SNAPSHOTS).mkdir(parents=True, exist_ok=True)
    runs.snapshot(folder, round(kimg * 1000)).write_bytes(png)
    (folder / checkpoint.SAMPLES).write_bytes(png)
    lines = [{"kimg": kimg - 0.5, "D": 0.5, "G": 2.0, "images/s": 100.0, "seconds": kimg}, {"kimg": kimg, "KID": 0.1}]
    log, half = folder / runs.LOG, '{"kimg": 9'  # the last line is half written
    before = log.read_text().removesuffix(half) if log.exists() else ""
    log.write_text(before + "".join(json.dumps(line) + "\n" for line in lines) + half)
    config = checkpoint.read_config(folder / checkpoint.MODEL)
    config.training.update({"kimg": kimg, "options": {"kimg": 3}})
    checkpoint.save_again(folder / checkpoint.MODEL, folder, config)


def test_a_run_is_watched_while_it_trains_and_when_it_has_finished(browser, url, folder):
    run = save_small(folder / "runs" / "live", size=16)
    write_run(run, 1, 10)
    with visit(browser, f"{url}/watch?model=dcgan-mnist&run=runs/{run.name}", **DESKTOP) as page:
        figures = page.locator(".st-key-figures")
        expect(figures).to_contain_text("Training")
        expect(figures).to_contain_text("1 of 3 kimg")
        expect(page.locator(".stVegaLiteChart").first).to_be_visible()
        assert (pixels(page.get_by_role("img", name="after 1 kimg, the newest")) == 10).all()
        write_run(run, 2, 20)
        expect(figures).to_contain_text("2 of 3 kimg")  # nobody has touched the page
        newest = page.get_by_role("img", name="after 2 kimg, the newest")
        assert (pixels(newest) == 20).all()
        page.get_by_role("slider", name="Moment").focus()
        page.keyboard.press("ArrowLeft")
        assert (pixels(page.get_by_role("img", name="after 1 kimg")) == 10).all()
        page.wait_for_url(re.compile("moment=1"))
        page.get_by_role("button", name="G", exact=True).click()
        page.wait_for_url(re.compile("curves=D"))
        assert fits(page)
        write_run(run, 3, 30)
        (run / runs.TIMELAPSE).write_bytes(b"GIF89a a film")
        expect(figures).to_contain_text("Finished")
        expect(page.get_by_text("Looked at")).to_have_count(0)
        assert (pixels(page.get_by_role("img", name="after 1 kimg")) == 10).all()  # what was chosen stays
        with page.expect_download() as download:
            page.get_by_role("button", name="Timelapse").click()
        assert download.value.path().read_bytes() == b"GIF89a a film"
        assert download.value.suggested_filename == f"{run.name}-timelapse.gif"
