"""RECIPES: the recipes of all methods."""

from __future__ import annotations

from trainer.methods import (
    began,
    context,
    cyclegan,
    denoise,
    gan,
    icgan,
    pix2pix,
    pixeldt,
    pose,
    progan,
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
    pix2pix,
    cyclegan,
    style,
    srgan,
    context,
    denoise,
    pixeldt,
    pose,
)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for module in MODULES for recipe in module.RECIPES}
