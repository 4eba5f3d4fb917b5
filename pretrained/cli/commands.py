"""What the commands of `python -m pretrained` do, each with its verb as the command line has set it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import pretrained
from pretrained import checkpoint, deploy, hub, networks
from pretrained.cli.draw import DRAWING, plain
from pretrained.cli.parse import opened
from pretrained.formats.convert import convert
from pretrained.formats.export_onnx import export
from pretrained.hub.model_card import local_id, metrics, model_card
from pretrained.pipelines import directions, image_grid
from pretrained.pipelines.projection import encoded, project
from pretrained.pipelines.registry import Generate, expect
from pretrained.system.errors import InputError
from pretrained.system.files import expanded, write_atomic
from pretrained.titles import title_of
from pretrained.verbs import drawing, keeping
from pretrained.verbs.shared import Verb
from pretrained.verify import verify

VERDICTS = {"same": 0, "differs": 1, "unknown": 3}  # exit status of `verify`
NUM_STRENGTHS = 9  # on a grid of directions: the middle one is 0


def show_list(verb: keeping.List) -> None:
    """Print a line for each bundled checkpoint."""
    for name in pretrained.available():
        config = checkpoint.read_config(pretrained.resolve(name)[0])
        size = f"{config.size} px" if config.size else "any size"
        title = title_of(config).title
        print(f"{name:24} {plain(title):40} {plain(size):8}  {plain(config.training.get('data', ''))}")


def show_info(verb: keeping.Info) -> None:
    """Print facts, and the scores as a table."""
    path, revision = pretrained.resolve(verb.id)
    config = checkpoint.read_config(path)
    num_parameters = sum(weight.numel() for weight in networks.build_on_meta(config.network).parameters())
    facts = {"file": str(path), "revision": revision, "bytes": path.stat().st_size, "parameters": num_parameters}
    if verb.json:
        print(json.dumps(facts | {"config": json.loads(config.to_json())}, indent=2))
        return
    facts |= json.loads(config.to_json())
    facts |= {"classes": ", ".join(f"{label} {name}" for label, name in enumerate(config.classes))}
    scores = metrics(config.training)
    if scores:
        del facts["training"]["metrics"]
    _print_facts({key: facts[key] for key in ("name", *facts) if key != "condition"})
    if scores:
        print(f"\n{'score':32} {'value':>12} {'± spread':>12}  data")
    for score in scores:
        spread = f"{score['spread']:.4g}" if isinstance(score.get("spread"), (int, float)) else ""
        print(f"{plain(score['name']):32} {score['value']:12.4g} {spread:>12}  {plain(score.get('data', ''))}")


def _print_facts(facts: dict[str, Any], indent: str = "") -> None:
    for key, value in facts.items():
        if isinstance(value, dict):
            print(f"{indent}{plain(key)}")
            _print_facts(value, indent + "  ")
        elif value not in (None, "", []):
            print(f"{indent}{plain(key):{24 - len(indent)}} {plain(value)}")


def show_directions(verb: keeping.Directions) -> None:
    """List the directions that are kept, or find, show and keep some."""
    if verb.save and not verb.method:
        raise InputError("--save needs --method: what the number counts")
    if verb.method and not verb.save and not verb.out:
        raise InputError("--method finds directions for --out FILE to show, or --save NAME=NUMBER to keep")
    pipeline, path = expect(pretrained.load(verb.id, verb.device), "generate"), _directions_file(verb)
    rows = directions.read(path, pipeline.config)
    if verb.rows:
        rows = directions.expand(pipeline, verb.rows, rows)
    elif verb.method:
        names = [f"{verb.method}-{number}" for number in range(1, 1 + len(pipeline.to_latents([0])[0]))]
        found = directions.expand(pipeline, names)
        for name, number in verb.save.items():
            if not 1 <= number <= len(names):
                raise InputError(f"--save must be 1 to {len(names)}, got {name}={number}")
            directions.keep(path, pipeline.config, name, found[names[number - 1]])
            print(f"{plain(name)} is kept in {path}", file=sys.stderr)
        rows = dict(islice(found.items(), verb.count))
    elif not rows:
        none = f"{path} keeps no directions: find some with --method sefa --out directions.png"
        if verb.out:
            raise InputError(none)
        print(none, file=sys.stderr)
    else:
        for name, direction in rows.items():
            made_of = " + ".join(f"{strength:g} {part}" for part, strength in direction.moves.items())
            print(f"{plain(name):24} {plain(made_of)}")
    if verb.out:
        strengths = np.linspace(-verb.reach, verb.reach, NUM_STRENGTHS).tolist()
        how = (strengths, verb.seed, verb.label, verb.truncation, verb.text, verb.scale)
        write_atomic(verb.out, image_grid.sweep(pipeline, verb.id, rows, *how))


def _directions_file(verb: keeping.Directions) -> Path:
    """Where the directions of a checkpoint are kept: --directions, or beside a checkpoint of one's own."""
    if not verb.directions and verb.save:
        is_own = expanded(verb.id).exists() and verb.id not in pretrained.available()
        if not is_own:
            raise InputError(f"{verb.id} is no folder of yours to --save in: name a file with --directions FILE")
    return verb.directions or pretrained.resolve(verb.id)[0].with_name(directions.FILE)


def write_projection(verb: keeping.Project) -> None:
    """Find the latent of an image, and draw it, moved."""
    from tqdm import tqdm

    pipeline: Generate = expect(pretrained.load(verb.id, verb.device), "generate")
    named = drawing.named_directions(verb.id, verb.directions, verb.move, pipeline)
    if verb.encoder_only:
        last = encoded(pipeline, verb.input, verb.label)
    else:
        steps = project(pipeline, verb.input, verb.label, verb.text, verb.steps)
        *_, last = tqdm(steps, total=verb.steps + 1, unit="step", disable=None)
    made = image_grid.redraw(pipeline, verb.id, last.point, last.condition, verb.move, named, verb.scale)
    write_atomic(verb.out, made)


def write_export(verb: keeping.Export) -> None:
    """Write an ONNX file, and say how far it is from PyTorch."""
    data, difference = export(pretrained.load(verb.id, "cpu"))
    write_atomic(verb.out, data)
    print(f"differs from PyTorch by {difference:.1e} at most")


def convert_file(verb: keeping.Convert) -> None:
    """Write the checkpoint, its samples and its card."""
    network, config, key = convert(verb.path, verb.network, verb.key)
    checkpoint.save(verb.out, network, config)
    size = f"{config.size} px" if config.size else "any size"
    print(f"{key or 'found'}: {config.network['class']}, width {config.network['width']}, {size}", file=sys.stderr)
    if config.pipeline == "generate":
        grid = image_grid.render(pretrained.load(str(verb.out), "cpu"), str(verb.out), range(64))
        write_atomic(verb.out / checkpoint.SAMPLES, grid)
    card = model_card(config, local_id(verb.out, config.name), config.pipeline == "generate")
    write_atomic(verb.out / checkpoint.CARD, card.encode())


def deploy_space(verb: keeping.Deploy) -> None:
    """Publish a Space and print its link, or write its files."""
    if verb.dry_run:
        deploy.write(deploy.build(verb.id, verb.space), verb.dry_run)
        print(verb.dry_run)
        return
    repo_id = hub.check_writable(verb.repo_id or deploy.default_name(verb.id))
    files = deploy.build(verb.id, verb.space)
    print(deploy.listing(files), file=sys.stderr)
    print(deploy.publish(files, repo_id, verb.space, verb.private))


def show_verdict(verb: keeping.Verify) -> None:
    """Print what was found, and end with its status."""
    source = opened(verb.input, "input") if verb.input else None
    found = verify(verb.path, source, verb.device)
    print(f"{found.kind}: {plain(found.words)}")
    if verb.out and found.difference:
        write_atomic(verb.out, found.difference)
    if found.kind != "same":
        sys.exit(VERDICTS[found.kind])


# What each command is set by, and what it does.
COMMANDS: dict[str, tuple[type[Verb], Callable[[Any], None]]] = {
    "list": (keeping.List, show_list),
    "info": (keeping.Info, show_info),
    **DRAWING,
    "project": (keeping.Project, write_projection),
    "directions": (keeping.Directions, show_directions),
    "export": (keeping.Export, write_export),
    "deploy": (keeping.Deploy, deploy_space),
    "convert": (keeping.Convert, convert_file),
    "verify": (keeping.Verify, show_verdict),
}
