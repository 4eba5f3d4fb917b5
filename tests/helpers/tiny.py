"""Recipes at the size of a test, for the systems with encoders and the first GAN."""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from trainer.loop.settings import Settings
from trainer.methods.recipes import RECIPES

SMALL = {
    "gan-mnist": {"width": 40, "z_dim": 8},
    "dcgan-mnist": {"width": 4, "z_dim": 8},
    "began-64": {"width": 4, "z_dim": 8},
    "vae-mnist": {"width": 4, "z_dim": 8},
    "vae-64": {"width": 4, "z_dim": 8},
    "icgan-mnist": {"encoder_width": 4},
}


def recipe(name: str, kimg: float = 0.064, **options):
    """The recipe on 16 px fakes with a tiny network."""
    small = dataclasses.replace(RECIPES[name].options, **SMALL[name], **options)
    return dataclasses.replace(RECIPES[name], data="fake", size=16, batch_size=16, kimg=kimg, options=small)


def settings(**given) -> Settings:
    return Settings(device="cpu", threads=1, snapshots=1, **given)


def changed(network: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


def copy_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}
