"""RECIPES: the recipes of all methods."""

from __future__ import annotations

from trainer.methods import (
    began,
    context,
    cut,
    cyclegan,
    denoise,
    fastgan,
    gan,
    icgan,
    pix2pix,
    pixeldt,
    pose,
    progan,
    r3gan,
    srgan,
    stackgan,
    style,
    stylegan,
    vae,
)
from trainer.recipe import Recipe

MODULES = (
    gan,
    began,
    vae,
    icgan,
    progan,
    stackgan,
    stylegan,
    fastgan,
    r3gan,
    pix2pix,
    cyclegan,
    cut,
    style,
    srgan,
    context,
    denoise,
    pixeldt,
    pose,
)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for module in MODULES for recipe in module.RECIPES}
