"""Fine-tuning: initialise from the weights of a checkpoint, wherever names and shapes fit.

Layers near the image may be frozen, D's as in Mo et al. (2020, arXiv:2002.10964).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pretrained import checkpoint
from pretrained.checkpoint import MODEL
from pretrained.system.errors import InputError
from pretrained.system.symlinks import reject_escaping_symlink
from trainer.base import Base
from trainer.method import MAIN, Method

TELLS = 0.6  # of its first loss, below which a new D can tell real from fake
MOST_ALONE = 4_000  # images on which a new D is trained alone
LIST = re.compile(r"(.*?)\.(\d+)\.(.*)")  # a layer in a list: the list, its place, the rest of the name
TABLES = ("embed.weight", "w_mean")  # a row for each class


@dataclass
class Table:
    """Names of the tensors of a network that were `taken`, `grown` from a smaller one, or initialised `anew`."""

    taken: list[str] = dataclasses.field(default_factory=list)
    grown: list[str] = dataclasses.field(default_factory=list)
    anew: list[str] = dataclasses.field(default_factory=list)

    def counts(self) -> str:
        return f"{len(self.taken)} taken, {len(self.grown)} grown, {len(self.anew)} new"


def take(method: Method, base: Base) -> dict[str, Table]:
    """Copy the tensors of `base` into the method's networks -> a Table for each network.

    Raises:
        InputError: no weight of the published network fits.
    """
    theirs = _tensors(method, base)
    networks = {name: child for name, child in method.named_children() if next(child.parameters(), None) is not None}
    ours = {name: tensor for name, tensor in method.state_dict().items() if name.partition(".")[0] in networks}
    ours |= dict(method.named_buffers(recurse=False))
    names, tables = match(ours, theirs), {name: Table() for name in networks}
    rows = _rows(base.config.classes, method.checkpoint().get("condition"))
    for name, tensor in ours.items():
        network, _, short = name.partition(".")
        source = theirs.get(names.get(name, ""))
        outcome = "anew" if source is None else copy(short, tensor, source, rows)
        if outcome == "anew" and short.startswith(getattr(networks.get(network), "additive", ("\0",))):
            tensor.zero_()
        if network in tables:
            getattr(tables[network], outcome).append(short)
    if not any(ours[f"{root}.{short}"].dim() > 1 for root in roots(method) for short in tables[root].taken):
        wanted = method.checkpoint()["network"]
        raise InputError(
            f"`from` {base.id} has no layer that fits: it is a {base.config.network['class']}, "
            f"not a {wanted['class']} of the same widths; choose its recipe, or leave out `from`"
        )
    method.begin_from(base.config)
    return tables


def report(base: Base, tables: Mapping[str, Table], alone: bool) -> list[str]:
    """The table of what was taken, grown or made anew, for the log."""
    lines = [f"fine-tuning {base.id}{f' at {base.revision[:7]}' * bool(base.revision)}: tensors of each network"]
    lines.append(f"{'':14}{'taken':>7}{'grown':>7}{'new':>7}")
    for name, table in tables.items():
        parts = [f"grown {', '.join(table.grown)}"] * bool(table.grown)
        parts += [f"new {', '.join(table.anew)}"] * (0 < len(table.anew) <= 8 and bool(table.taken))
        counts = "".join(f"{len(part):7}" for part in (table.taken, table.grown, table.anew))
        lines.append(f"{name:14}{counts}  {'; '.join(parts)}".rstrip())
    if alone:
        lines.append("the base has no D: a new one is trained alone first, until it separates real from fake")
    return lines


def still_alone(first: Tensor, loss: float, images_seen: int) -> Tensor | None:
    """`first`, D's first loss, while a new D is to be trained alone; None as soon as it tells real from fake."""
    return first if loss > TELLS * first.item() and images_seen < MOST_ALONE else None


def roots(method: Method) -> set[str]:
    """The names of the method's networks that are published, or of which parts are."""
    return {published.network.partition(".")[0] for published in method.published.values()}


def unpublished(method: Method, networks: Iterable[str]) -> dict[str, Tensor]:
    """The tensors of `networks` that are in no checkpoint: those of D, and what else is trained beside G."""
    published = tuple(f"{published.network}." for published in method.published.values())
    state = {name: tensor for name, tensor in method.state_dict().items() if name.partition(".")[0] in networks}
    return {name: tensor for name, tensor in state.items() if not name.startswith(published)}


def _tensors(method: Method, base: Base) -> dict[str, Tensor]:
    """All that a checkpoint holds, and what lies beside it, by the names of a method's state."""
    named = {}
    for name, published in method.published.items():
        path = base.path if name == MAIN else reject_escaping_symlink(base.path.parent / name / MODEL)
        if path.exists():
            state = checkpoint.load(path)[0].state_dict()
            named |= {f"{published.network}.{part}": tensor for part, tensor in state.items()}
    return (checkpoint.load_tensors(base.discriminator) if base.discriminator else {}) | named


def match(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, str]:
    """Names of ours -> names of theirs for the same layer.

    Lists of layers of another length are laid on each other at their beginning or at their end, whichever fits more
    shapes: a generator of a higher resolution has new layers behind, a discriminator in front.
    """
    lengths = [_lengths(tensors) for tensors in (ours, theirs)]
    choices: dict[str, list[dict[str, str]]] = {}
    names = {}
    for name in ours:
        found = LIST.fullmatch(name)
        shift = lengths[0][found[1]] - lengths[1].get(found[1], 0) if found else 0
        if not shift:
            names[name] = name
            continue
        moved = f"{found[1]}.{int(found[2]) - shift}.{found[3]}"
        for choice, other in zip(choices.setdefault(found[1], [{}, {}]), (name, moved)):
            if other in theirs and theirs[other].shape == ours[name].shape:
                choice[name] = other
    for first, second in choices.values():
        names |= first | second if len(second) > len(first) else second | first
    return names


def _lengths(names: Iterable[str]) -> dict[str, int]:
    found = [match for match in map(LIST.fullmatch, names) if match]
    return {one[1]: 1 + max(int(other[2]) for other in found if other[1] == one[1]) for one in found}


def _rows(before: list[str], condition: Mapping[str, Any] | None) -> list[int]:
    """For each class of ours its place among those of the base, or -1."""
    places = {name: place for place, name in enumerate(before)}
    return [places.get(name, -1) for name in condition["classes"]] if condition else [-1]


@torch.no_grad()
def copy(name: str, ours: Tensor, theirs: Tensor, rows: list[int]) -> str:
    """Fill a tensor from another one -> "taken", "grown" or "anew".

    Args:
        rows: for each row of a table of labels its place in `theirs`, or -1; new rows are the mean of theirs, beside
            what they began with.
    """
    theirs = theirs.to(ours)
    if name.endswith(TABLES) and len(rows) == len(ours) and ours.shape[1:] == theirs.shape[1:]:
        known = [place for place, row in enumerate(rows) if row >= 0]
        filled = theirs.mean(0) + (0 if name.endswith("w_mean") else ours)
        filled = filled.expand_as(ours).clone()
        filled[known] = theirs[[rows[place] for place in known]]
        ours.copy_(filled)
        return "taken" if len(known) == len(ours) else "grown"
    if ours.shape == theirs.shape:
        ours.copy_(theirs)
        return "taken"
    if ours.dim() == theirs.dim() == 2 and len(ours) == len(theirs):
        width = min(ours.shape[1], theirs.shape[1])
        if max(ours.shape[1], theirs.shape[1]) == 2 * width:  # the layer that meets z alone, or z beside the label
            ours[:, width:] = 0
            ours[:, :width] = theirs[:, :width]
            return "grown"
    return "anew"


def layers(network: nn.Module) -> list[nn.Module]:
    """The layers of a network that have weights, as it lists them, else in the order in which they were made."""
    if hasattr(network, "ordered_layers"):
        return network.ordered_layers()
    lists = (nn.Sequential, nn.ModuleList)
    parts = [part for child in network.children() for part in (child if isinstance(child, lists) else [child])]
    return [part for part in parts if next(part.parameters(), None) is not None]


def freeze(method: Method, networks: Mapping[str, nn.Module], num_d: int, num_g: int) -> None:
    """Freeze the first `num_d` layers of each discriminator, and the last `num_g` of what is published.

    Raises:
        InputError: there are not so many.
    """
    published = roots(method)
    for flag, count, names in (
        ("freeze_d", num_d, networks.keys() - published),
        ("freeze_g", num_g, published),
    ):
        if count and not names:
            raise InputError(f"`{flag}` has no effect here, got {count}: the method has no discriminator")
        for name in names:
            network = networks[name]
            for part in network.values() if isinstance(network, nn.ModuleDict) else [network]:
                found = layers(part) if flag == "freeze_d" else layers(part)[::-1]
                if not 0 <= count < len(found):
                    raise InputError(f"`{flag}` must be 0 to {len(found) - 1} for {name}, got {count}")
                for layer in found[:count]:
                    layer.requires_grad_(False)
