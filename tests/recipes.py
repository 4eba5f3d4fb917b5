"""What tests need of the recipes that translate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from small import save_squeezenet

from trainer.method import Method
from trainer.methods import RECIPES
from trainer.recipe import Recipe

TRANSLATORS = [name for name, recipe in RECIPES.items() if recipe.method.read.__func__ is not Method.read.__func__]


def eyes(folder: Path, recipe: Recipe) -> dict[str, str]:
    """The options of a recipe that looks through a fixed network, or learns a style: small files in `folder`."""
    options = {}
    if hasattr(recipe.options, "perceptual"):
        options["perceptual"] = str(save_squeezenet(folder / "squeezenet.npz"))
    if hasattr(recipe.options, "style"):
        levels = np.random.RandomState(0).randint(0, 256, (40, 50, 3), np.uint8)
        Image.fromarray(levels).save(folder / "style.png")
        options["style"] = str(folder / "style.png")
    return options
