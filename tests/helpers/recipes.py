"""Recipes at the size of a test, and short runs of them."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.small import save_squeezenet
from PIL import Image

from pretrained import checkpoint
from pretrained.system.signals import Stopped
from trainer.loop import train as loop
from trainer.loop.settings import Settings
from trainer.method import Method
from trainer.methods.recipes import RECIPES
from trainer.recipe import Recipe

TRANSLATORS = [name for name, recipe in RECIPES.items() if recipe.method.read.__func__ is not Method.read.__func__]
SMALL = {"width": 4, "z_dim": 8}
SMALL |= {"discriminator_width": 4, "blocks": 1, "layers": 2, "bottleneck": 8, "pool_size": 10}
SMALL |= {"patches": 16, "head_width": 8}
SMALL |= {"mse_kimg": 0.032, "l1_kimg": 0.032}  # where another phase begins
# StackGAN's first stage draws a quarter of that; so many halvings need it.
SIZES = dict.fromkeys(("stackgan-emoji", *TRANSLATORS), 32) | dict.fromkeys(("fastgan-64", "fastgan-256"), 64)


def extractor(folder: Path, recipe: Recipe) -> dict[str, str]:
    """The options of a recipe that looks through a fixed network, or learns a style: small files in `folder`."""
    options = {}
    if hasattr(recipe.options, "perceptual"):
        options["perceptual"] = str(save_squeezenet(folder / "squeezenet.npz"))
    if hasattr(recipe.options, "style"):
        levels = np.random.RandomState(0).randint(0, 256, (40, 50, 3), np.uint8)
        Image.fromarray(levels).save(folder / "style.png")
        options["style"] = str(folder / "style.png")
    return options


def shrink(name, kimg=0.064, **options):
    """A recipe at the size of a test."""
    recipe = RECIPES[name]
    small = {key: value for key, value in SMALL.items() if hasattr(recipe.options, key)}
    options = replace(recipe.options, **(small | options))
    return replace(recipe, options=options, data="fake", size=SIZES.get(name, 16), batch_size=8, kimg=kimg)


def train(recipe, folder, stop_after=None, **settings):
    """Train in this process, on one thread; `stop_after` steps, a SIGTERM arrives."""
    settings = Settings(device="cpu", threads=1, **settings)
    if stop_after is None:
        return loop.train(recipe, settings, folder, "python -m trainer tiny")
    step, count = loop.Trainer.step, iter(range(1, 10_000))

    def counted(self):
        terms = step(self)
        if next(count) == stop_after:
            os.kill(os.getpid(), signal.SIGTERM)
        return terms

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Trainer, "step", counted)
        with pytest.raises(Stopped) as stopped:
            loop.train(recipe, settings, folder, "python -m trainer tiny")
    assert stopped.value.status == 128 + signal.SIGTERM
    assert "python -m trainer tiny --resume" in str(stopped.value)


def weights(folder):
    return checkpoint.load(folder / "model.safetensors")[0].state_dict()


def logged(folder):
    """log.jsonl without what depends on the clock."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("seconds", "images/s")} for line in lines]


def same(a, b):
    return a.keys() == b.keys() and all(a[name].equal(b[name]) for name in a)


def make(name, folder=None, **options):
    """A small method, and its data."""
    recipe = shrink(name, **(extractor(folder, RECIPES[name]) if folder else {}), **options)
    data = recipe.method.read(recipe.options, recipe.data, recipe.size, folder or Path(), recipe.channels)
    torch.manual_seed(0)
    return recipe.method(recipe.options, data), data
