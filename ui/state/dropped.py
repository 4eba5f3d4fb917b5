"""Where a picture was made: the page and the link that its own recipe names."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pretrained.checkpoint import Config, read_config
from pretrained.media import provenance
from pretrained.pipelines.directions import MAX_NAME
from pretrained.system.errors import InputError
from ui.state.models import locate

SUFFIXES = ("png", "jpg", "jpeg", "webp", "gif")
Link = dict[str, str]


def open_where_it_was_made(name: str, data: bytes) -> tuple[str, Link]:
    """The page, a key of menu.PAGES, and what its link says.

    The recipe is a stranger's: its model is opened by the rules of one that is typed, and each value is read by the
    widget that it belongs to, as in any link.

    Raises:
        InputError: the picture carries no recipe, or its model is not offered here.
    """
    with tempfile.NamedTemporaryFile(suffix=Path(name).suffix.lower()) as file:
        file.write(data)
        file.flush()
        is_marked, recipe = provenance.read(Path(file.name))
    if recipe is None:
        said = "says that it was generated, but not how" if is_marked else "says nothing of where it came from"
        raise InputError(f"{name[:100]} {said}: only files that Ganvas wrote, and that nobody stripped, say it")
    id = str(recipe["id"])[:200]
    if recipe.get("revision") and "/" in id:
        id = f"{id.partition('@')[0]}@{str(recipe['revision'])[:100]}"
    config = read_config(locate(id)[0])
    verb = recipe.get("verb")
    page, values = OPENED_IN[verb](recipe) if verb in list(OPENED_IN) else ("samples", {})
    if config.pipeline == "translate":
        page, values = "translate", {}
    link = {"model": id} | {key: _text(value) for key, value in values.items() if value is not None}
    if isinstance(recipe.get("label"), int) and 0 <= recipe["label"] < len(config.classes) and "label" in values:
        link["label"] = _label(config, recipe["label"])
    else:
        link.pop("label", None)
    return page, link


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)[:1000]


def _label(config: Config, label: int) -> str:
    """As the widget has it."""
    return f"{label} {config.classes[label]}"


def _how(recipe: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: recipe.get(name) for name in names}


def _list(seeds: Any) -> str:
    return ",".join(map(str, seeds[:256])) if isinstance(seeds, list) else ""


def _sample(recipe: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    seeds, moves = recipe.get("seeds"), recipe.get("moves")
    seeds = seeds if isinstance(seeds, list) and seeds else [0]
    how = {"seed": seeds[0], **_how(recipe, "label", "truncation", "text")}
    if isinstance(moves, dict):
        return "explore", how | {f"move-{str(name)[:MAX_NAME]}": moves[name] for name in list(moves)[:16]}
    return "samples", how | {"count": len(seeds), "columns": recipe.get("columns")}


def _mix(recipe: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    seeds = {"coarse": _list(recipe.get("rows")), "fine": _list(recipe.get("columns"))}
    return "mix", seeds | _how(recipe, "layers", "label", "truncation")


def _walk(recipe: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return "walk", {"seeds": _list(recipe.get("seeds")), **_how(recipe, "label", "truncation", "text")}


OPENED_IN: dict[str, Callable[[Mapping[str, Any]], tuple[str, dict[str, Any]]]] = {
    "sample": _sample,
    "mix": _mix,
    "walk": _walk,
    "write": lambda recipe: ("write", _how(recipe, "text", "seed", "truncation", "invert")),
    "typefaces": lambda recipe: ("write", _how(recipe, "text", "truncation", "invert")),
    "directions": lambda recipe: ("explore", _how(recipe, "seed", "label", "truncation", "text")),
    "project": lambda recipe: ("edit", {}),
    "reconstruct": lambda recipe: ("encode", {}),
    "translate": lambda recipe: ("translate", {}),
}
