"""The config of a checkpoint: its network and what it can do, as JSON values that are checked when they are read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pretrained import networks
from pretrained.networks.sizes import Size
from pretrained.system.errors import InputError

FORMAT = 1
MAX_CONFIG_CHARACTERS = 1_000_000
MAX_DEPTH = 64  # of nested lists and objects
MAX_NUMBER = 2**53  # whole numbers beyond are not the same in every language, and some are no float at all
RENAMED = {"mosaic": "downsample"}  # degradations, as older checkpoints and runs call them


@dataclass(frozen=True)
class Config:
    """The network of a checkpoint and what it can do, as JSON values.

    Attributes:
        name: what people call it, e.g. "dcgan-mnist".
        pipeline: how it is run: a key of `pretrained.pipelines.PIPELINES`.
        network: the spec that `networks.build` takes.
        input: what the pipeline feeds it, e.g. {"noise": "normal"}.
        condition: None, or {"classes": [names]}.
        training: how it was made: recipe, data, licence, kimg, seed, ...; shown, never acted upon.
        format: the version of this layout.
    """

    name: str
    pipeline: str
    network: dict[str, Any]
    input: dict[str, Any] = field(default_factory=dict)
    condition: dict[str, Any] | None = None
    training: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False, allow_nan=False)

    @staticmethod
    def from_json(text: str) -> Config:
        """Parse and validate; InputError says which field is wrong."""
        if len(text) > MAX_CONFIG_CHARACTERS:
            raise InputError(f"the config has {len(text):,} characters: at most {MAX_CONFIG_CHARACTERS:,}")
        values = _parse(text)
        if not isinstance(values, dict):
            raise InputError("the config is not a JSON object")
        version = values.get("format")
        if type(version) is not int or version < 1:
            raise InputError('the config has no "format" number')
        if version > FORMAT:
            raise InputError(f"the checkpoint has format {version}, newer than this Ganvas reads ({FORMAT}): update it")
        _check_fields(values)
        _rename(values)
        return Config(**values)

    @property
    def classes(self) -> list[str]:
        """Class names of a conditional network; empty if it is unconditional."""
        return self.condition["classes"] if self.condition else []

    @property
    def space(self) -> str:
        """Latent space of a generator: "w" if it has styles, else "z"."""
        return "w" if self.input.get("style") else "z"

    @property
    def size(self) -> Size | None:
        """Size in px of the generated images, or of the input, such as 64 or "96x64"; None for any size."""
        return self.input.get("size") if self.pipeline == "translate" else self.network.get("size")


def _parse(text: str) -> Any:
    """Parse JSON that can be written again: no NaN, no lone surrogates, limited nesting."""
    try:
        values = json.loads(text)
        json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise InputError(f"the config is not valid JSON: {str(error)[:200]}") from None
    level = [values]
    for _ in range(MAX_DEPTH):
        if any(isinstance(value, (int, float)) and abs(value) > MAX_NUMBER for value in level):
            raise InputError(f"the config holds a number beyond {MAX_NUMBER:,}")
        parts = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, (dict, list))]
        level = [value for part in parts for value in part]
        if not level:
            return values
    raise InputError(f"the config is nested more than {MAX_DEPTH} deep")


def _rename(values: dict[str, Any]) -> None:
    """Call degradations by their names of today."""
    for part, owner, key in (("input", "source", "kind"), ("training", "options", "degradation")):
        found = values.get(part, {}).get(owner)
        if isinstance(found, dict) and isinstance(found.get(key), str):
            found[key] = RENAMED.get(found[key], found[key])


def _check_fields(values: Mapping[str, Any]) -> None:
    types = {"name": str, "pipeline": str, "network": dict, "input": dict, "training": dict, "format": int}
    for name in types.keys() - {"input", "training"}:
        if name not in values:
            raise InputError(f"the config has no {name!r}")
    for name, value in values.items():
        if name == "condition":
            continue
        if name not in types:
            raise InputError(f"the config has an unknown field {name!r}")
        if not isinstance(value, types[name]):
            raise InputError(f"the config's {name!r} must be {types[name].__name__}, not {type(value).__name__}")
    if not 0 < len(values["name"]) <= 100 or not values["name"].isprintable():
        raise InputError("the config's 'name' must be 1 to 100 printable characters")
    networks.check(values["network"])
    _check_condition(values.get("condition"), values["network"].get("num_classes", 0))


def _check_condition(condition: Any, num_classes: int) -> None:
    classes = condition.get("classes") if isinstance(condition, dict) else [] if condition is None else None
    if not isinstance(classes, list) or not all(isinstance(name, str) and len(name) <= 100 for name in classes):
        raise InputError("the config's 'condition' must be null or {\"classes\": [names]}")
    if len(classes) != num_classes:
        raise InputError(f"the config names {len(classes)} classes for {num_classes} labels")
