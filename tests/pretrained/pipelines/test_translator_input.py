"""What a translator's config says of its sources: what does not fit its network is refused."""

from __future__ import annotations

import pytest
import torch
from helpers.translating import PALETTE, ROWS, make

from pretrained import networks, pipelines
from pretrained.checkpoint import Config
from pretrained.pipelines.translator_input import options_of, pen_for
from pretrained.system.errors import InputError


@pytest.mark.parametrize(
    ("row", "expected"),
    [("enlarge", {"scale": 4}), ("clean", {"low": 25, "high": 25}), ("sketch", {"detail": 0.5}), ("colour", {})],
)
def test_options_are_those_that_it_was_trained_with(row, expected):
    assert options_of(make(row).config) == expected


@pytest.mark.parametrize(
    ("row", "changes", "words"),
    [
        ("sketch", {"source": None}, "'source' must be dict"),
        ("sketch", {"source": {}}, 'needs a "kind": one of sketch'),
        ("sketch", {"source": {"kind": ["sketch"]}}, "kind"),
        ("sketch", {"source": {"kind": "smell"}}, "kind"),
        ("sketch", {"source": {"kind": "noise"}}, "is none for 'noise'"),
        ("sketch", {"source": {"kind": "sketch", "options": {"detail": 9}}}, "0 to 1"),
        ("sketch", {"source": {"kind": "sketch", "options": []}}, "'options' must be dict"),
        ("sketch", {"size": 64}, "'size' is 64, but 32"),
        ("sketch", {"size": None}, "'size' is None, but 32"),
        ("sketch", {"size": "32"}, "'size' must be int"),
        ("sketch", {"scale": 2}, "'scale' is 2, but 1"),
        ("sketch", {"strength": True}, "'strength' is True, but False"),
        ("sketch", {"mask": True}, "channels"),
        ("sketch", {"mask": 1}, "'mask' must be bool"),
        ("style", {"size": 0}, "'size' is 0"),
        ("style", {"size": 10**6}, "1 to 1536"),
        ("style", {"strength": False}, "'strength' is False, but True"),
        ("enlarge", {"size": 1000}, "1 to 384"),
        ("enlarge", {"scale": 2}, "'scale' is 2, but 4"),
        ("pose", {"second": {"kind": "pose"}}, "'second' has None channels"),
        ("pose", {"second": None}, "pictures of 6 channels"),
        ("fill", {"mask": False}, "pictures of 4 channels"),
        ("label", {"source": {"kind": "labels", "palette": ["#0055ff"]}}, "'palette' must be dict"),
        ("label", {"source": {"kind": "labels", "palette": {"wall": "url(evil)"}}}, "a colour like"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(row, changes, words):
    with pytest.raises(InputError, match=words):
        make(row, **changes)


@pytest.mark.parametrize("name", ["dcgan.Generator", "patchgan.Discriminator", "vae.VAE"])
def test_a_network_that_is_none_of_images_is_refused(name):
    spec = {"class": name}
    config = Config("x", "translate", spec, ROWS["sketch"][1])
    with pytest.raises(InputError, match=f"{name} does not turn pictures into pictures"):
        pipelines.make(networks.build_on_meta(spec), config, torch.device("meta"))


@pytest.mark.parametrize(
    ("row", "palette", "paper", "side"),
    [
        ("sketch", {"black": "#000000"}, "#ffffff", 32),
        ("label", PALETTE, PALETTE["wall"], 32),
        ("square", None, "#ffffff", 32),
        ("style", None, "#ffffff", 256),
    ],
)
def test_a_pen_has_the_colours_that_the_network_knows(row, palette, paper, side):
    pen = pen_for(make(row).config)
    assert (pen.paper, pen.width, pen.height) == (paper, side, side)
    assert palette is None or pen.palette == palette
    assert 1 <= pen.brush <= side // 8


@pytest.mark.parametrize("row", ["colour", "enlarge", "clean", "sharpen", "fill"])
def test_a_source_that_only_a_photo_gives_has_no_pen(row):
    assert pen_for(make(row).config) is None
