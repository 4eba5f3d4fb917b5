"""The base checkpoint of a fine-tuning, and what it determines of the recipe and the licence."""

from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pretrained
from pretrained import checkpoint, hub
from pretrained.checkpoint import Config
from pretrained.networks.registry import LIMITS
from pretrained.networks.sizes import Size, base_map, is_size, sides
from pretrained.run_files import DISCRIMINATOR
from pretrained.system.errors import InputError
from pretrained.system.symlinks import reject_escaping_symlink
from trainer.recipe import Recipe

RATE = 0.5  # of the learning rate that would be used without a base
NOT_TAKEN = {"diffaugment", "augment", "generator"}  # options that belong to the data, not to the base
PYRAMIDS = {"dcgan", "vae", "progan", "stylegan"}  # their widths are counted from full size


@dataclass(frozen=True)
class Base:
    """The base checkpoint of a fine-tuning.

    Attributes:
        id: as given by the user; of a path only the last part, which may be published.
        revision: the commit on the Hub, or "".
        discriminator: file of D beside it, or None.
    """

    id: str
    path: Path
    revision: str
    config: Config
    discriminator: Path | None

    def facts(self) -> dict[str, str]:
        """Fields for the model card."""
        training = self.config.training
        known = {"id": self.id, "revision": self.revision}
        known |= {name: str(training[name]) for name in ("data", "data_licence", "licence") if training.get(name)}
        return {name: value for name, value in known.items() if value}


def open_base(id: str) -> Base:
    """The checkpoint `id`: a bundled name, the folder of a run, or a Hub repository user/name[@revision].

    Raises:
        InputError: there is no such checkpoint, or it is not a valid one.
    """
    path, revision = pretrained.resolve(id)
    config = checkpoint.read_config(path)
    if revision:
        repo_id = id.partition("@")[0]
        return Base(repo_id, path, revision, config, hub.pull_file(repo_id, revision, DISCRIMINATOR))
    beside = reject_escaping_symlink(path.with_name(DISCRIMINATOR))
    return Base(Path(id).name, path, "", config, beside if beside.exists() else None)


def defaults(recipe: Recipe, base: Base, size: Size | None = None) -> Recipe:
    """The recipe with the networks, channels and, unless `size` is given, size of `base`.

    Values of a config from elsewhere are used only if they are numbers, booleans or legal choices of an option of the
    recipe. At another size, widths are chosen such that the layers of the base fit the new network.
    """
    network, training = base.config.network, base.config.training
    said = training.get("options") if isinstance(training.get("options"), dict) else {}
    said = {**said, **network, "conditional": bool(network.get("num_classes"))}
    hints = typing.get_type_hints(type(recipe.options))
    taken = {
        name: said[name] for name in hints.keys() - NOT_TAKEN if name in said and _fits(said[name], hints[name], name)
    }
    if "network" in hints and (family := str(network["class"]).partition(".")[0]) in typing.get_args(hints["network"]):
        taken["network"] = family
    theirs = base.config.size or said.get("size")
    theirs = theirs if is_size(theirs) and max(sides(theirs)) <= LIMITS["size"] else recipe.size
    if size and size != theirs and network["class"].partition(".")[0] in PYRAMIDS and "width" in taken:
        if "widest" in hints:
            taken["widest"] = taken.get("widest") or 8 * taken["width"]
        doublings = base_map(size)[0] - base_map(theirs)[0]
        taken["width"] = max(int(taken["width"] * 0.5**doublings), 1)
    rate = said.get("learning_rate")
    rate = RATE * rate if _fits(rate, float, "") and 0 < rate < 1 else None
    betas = said.get("betas")
    is_pair = isinstance(betas, (list, tuple)) and len(betas) == 2
    betas = tuple(map(float, betas)) if is_pair and all(_fits(b, float, "") and 0 <= b < 1 for b in betas) else None
    channels = network.get("channels")
    return replace(
        recipe,
        options=replace(recipe.options, **taken),
        size=size or theirs,
        channels=channels if channels in (1, 3) else recipe.channels,
        learning_rate=rate or (recipe.learning_rate and RATE * recipe.learning_rate),
        betas=betas or recipe.betas,
    )


def recipe_of(base: Base, recipes: Mapping[str, Recipe]) -> str:
    """Name of the recipe of a checkpoint.

    Raises:
        InputError: it names none of `recipes`.
    """
    name = base.config.training.get("recipe")
    if not isinstance(name, str) or name not in recipes:
        raise InputError(f"`from` {base.id} does not record its recipe: name one before the options")
    return name


def _fits(value: Any, kind: Any, name: str) -> bool:
    """Whether a value is legal for an option of this type; texts are not, since they may name files."""
    if typing.get_origin(kind) is typing.Literal:
        return value in [arg for arg in typing.get_args(kind) if type(arg) is type(value)]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return any(_fits(value, part, name) for part in typing.get_args(kind))
    if kind is int:
        return type(value) is int and 0 <= value <= LIMITS.get(name, 2048)
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return kind is bool and type(value) is bool


def check_licence(base: Mapping[str, str], licence: str | None) -> str | None:
    """The licence of the weights: the one given, or the one that the licence of the base demands.

    Raises:
        InputError: the base demands another one.
    """
    theirs = re.sub(r"[^a-z0-9.]+", "-", base.get("licence", "").lower())
    ours = re.sub(r"[^a-z0-9.]+", "-", (licence or "").lower())
    demands = [term for term in ("-nc", "-sa") if term in theirs]
    if demands and ours and (ours != theirs if "-sa" in demands else "-nc" not in ours):
        raise InputError(f"`licence` must be that of {base['id']}, {base['licence']}, got {licence}: leave it out")
    return licence or (base["licence"] if demands else None)
