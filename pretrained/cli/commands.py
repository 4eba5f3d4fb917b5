"""What the commands of `python -m pretrained` do, each with the options that the command line has read."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import pretrained
from pretrained import checkpoint, deploy, hub, networks
from pretrained.formats.convert import convert
from pretrained.formats.export_onnx import export
from pretrained.hub.model_card import model_card
from pretrained.media import video
from pretrained.media.files import list_images, output_names, shown
from pretrained.media.images import open_image
from pretrained.pipelines import directions, image_grid
from pretrained.pipelines.projection import encoded, project
from pretrained.pipelines.registry import Generate, Translate, autoencoder, expect
from pretrained.system.errors import InputError, as_flag, one_line
from pretrained.system.files import write_atomic
from pretrained.titles import title_of

NUM_STRENGTHS = 9  # on a sheet of directions: the middle one is 0


def show_list(options: argparse.Namespace) -> None:
    """Print each bundled checkpoint: its name, its title, the size of its pictures and what it was trained on."""
    for name in pretrained.available():
        config = checkpoint.read_config(pretrained.resolve(name)[0])
        size = f"{config.size} px" if config.size else "any size"
        title = title_of(config).title
        print(f"{name:24} {_plain(title):40} {_plain(size):8}  {_plain(config.training.get('data', ''))}")


def show_info(options: argparse.Namespace) -> None:
    """Print what a checkpoint is, without reading its weights."""
    path, revision = pretrained.resolve(options.id)
    config = checkpoint.read_config(path)
    num_parameters = sum(weight.numel() for weight in networks.build_on_meta(config.network).parameters())
    facts = {"file": str(path), "revision": revision, "bytes": path.stat().st_size, "parameters": num_parameters}
    if options.json:
        print(json.dumps(facts | {"config": json.loads(config.to_json())}, indent=2))
        return
    facts |= json.loads(config.to_json())
    facts |= {"classes": ", ".join(f"{label} {name}" for label, name in enumerate(config.classes))}
    _print_facts({key: facts[key] for key in ("name", *facts) if key != "condition"})


def _print_facts(facts: dict[str, Any], indent: str = "") -> None:
    for key, value in facts.items():
        if isinstance(value, dict):
            print(f"{indent}{_plain(key)}")
            _print_facts(value, indent + "  ")
        elif value not in (None, "", []):
            print(f"{indent}{_plain(key):{24 - len(indent)}} {_plain(value)}")


def _plain(value: Any) -> str:
    """One line; what a stranger's checkpoint says must not steer the terminal."""
    text = value if isinstance(value, str) else f"{value:,}" if type(value) is int else json.dumps(value)
    return one_line(text)


def write_sample(options: argparse.Namespace) -> None:
    """Write the pictures of some seeds as one PNG."""
    pipeline = _load(options)
    how = (options.label, options.truncation, options.columns, options.scale, options.text)
    named = directions.read(_directions_file(options), pipeline.config) if options.move else {}
    write_atomic(options.out, image_grid.render(pipeline, options.id, options.seeds, *how, dict(options.move), named))


def show_directions(options: argparse.Namespace) -> None:
    """List the directions that a checkpoint keeps, or find new ones, look at them, and keep some.

    A direction changes pictures in one way: slant, width, length of sleeves. sefa takes them from the weights that
    the latent meets first, pca from the spread of styles (StyleGAN only), axis is each number of the latent by itself.
    A sheet has a row for each, the first above, and the picture of --seed in its middle column. Look at it, then keep
    what you can name with --save. `sample --move NAME=2` uses it; so it does sefa-1, pca-2 or axis-3, which need no
    name, and seed-5, the point of a seed: --seeds 7 --move seed-5=-1 seed-9=1 draws 7 - 5 + 9.
    """
    if options.save and not options.method:
        raise InputError("--save needs --method: what the number counts")
    if options.method and not options.save and not options.out:
        raise InputError("--method finds directions for --out FILE to show, or --save NAME=NUMBER to keep")
    pipeline, path = _load(options), _directions_file(options)
    rows = directions.read(path, pipeline.config)
    if options.rows:
        rows = directions.expand(pipeline, options.rows, rows)
    elif options.method:
        names = [f"{options.method}-{number}" for number in range(1, 1 + len(pipeline.to_latents([0])[0]))]
        found = directions.expand(pipeline, names)
        for name, number in options.save:
            if not 1 <= number <= len(names):
                raise InputError(f"--save {name}={number} is out of range: 1 to {len(names)}")
            directions.keep(path, pipeline.config, name, found[names[number - 1]])
            print(f"{_plain(name)} is kept in {path}", file=sys.stderr)
        rows = dict(islice(found.items(), options.count))
    elif not rows:
        none = f"{path} keeps no directions: find some with --method sefa --out sheet.png"
        if options.out:
            raise InputError(none)
        print(none, file=sys.stderr)
    else:
        for name, direction in rows.items():
            made_of = " + ".join(f"{strength:g} {part}" for part, strength in direction.moves.items())
            print(f"{_plain(name):24} {_plain(made_of)}")
    if options.out:
        strengths = np.linspace(-options.reach, options.reach, NUM_STRENGTHS).tolist()
        how = (strengths, options.seed, options.label, options.truncation, options.text, options.scale)
        write_atomic(options.out, image_grid.sweep(pipeline, options.id, rows, *how))


def _directions_file(options: argparse.Namespace) -> Path:
    """Where the directions of a checkpoint are kept: --directions, or beside a checkpoint of one's own."""
    beside = pretrained.resolve(options.id)[0].with_name(directions.FILE)
    if options.directions or not getattr(options, "save", None):
        return options.directions or beside
    if not Path(options.id).expanduser().exists() or options.id in pretrained.available():
        raise InputError(f"{options.id} is no folder of yours to --save in: name a file with --directions FILE")
    return beside


def write_projection(options: argparse.Namespace) -> None:
    """Write a picture of yours as the generator draws it, from the point that redraws it best.

    The point is found by gradient descent from the best of some seeds, or from the encoder's answer where there is
    one; --steps 0 is the best of those. --move then changes it.
    """
    from tqdm import tqdm

    pipeline, moves = _load(options), dict(options.move)
    named = directions.read(_directions_file(options), pipeline.config) if moves else {}
    if options.encoder_only:
        last = encoded(pipeline, options.input, options.label)
    else:
        steps = project(pipeline, options.input, options.label, options.text, options.steps)
        *_, last = tqdm(steps, total=options.steps + 1, unit="step", disable=None)
    made = image_grid.redraw(pipeline, options.id, last.point, last.condition, moves, named, options.scale)
    write_atomic(options.out, made)


def write_walk(options: argparse.Namespace) -> None:
    """Write a film that wanders through the pictures of some seeds."""
    pipeline = _load(options)
    how = (options.label, options.truncation, not options.open, options.text)
    _write_film(pipeline.walk(options.seeds, options.frames, *how), options)


def write_mix(options: argparse.Namespace) -> None:
    """Write a table of pictures: each has the coarse styles of its row's seed and the fine ones of its column's."""
    pipeline = _load(options)
    how = (options.layers, options.label, options.truncation, options.scale)
    write_atomic(options.out, image_grid.mix(pipeline, options.id, options.rows, options.columns, *how))


def write_reconstruction(options: argparse.Namespace) -> None:
    """Write a picture of yours as the network sees it: encoded, and drawn again."""
    pipeline = _load(options)
    write_atomic(options.out, image_grid.reconstruct(pipeline, options.id, options.input, options.label, options.scale))


def write_interpolation(options: argparse.Namespace) -> None:
    """Write a film that leads from one picture of yours to another, as the network sees them."""
    pipeline = autoencoder(_load(options))
    _write_film(pipeline.interpolate(*options.input, options.frames), options)


def _write_film(frames: Iterable[np.ndarray], options: argparse.Namespace) -> None:
    from tqdm import tqdm

    # tqdm stays silent where stderr is no terminal.
    video.write(tqdm(frames, total=options.frames, unit="frame", disable=None), options.out, options.fps)


def write_translation(options: argparse.Namespace) -> None:
    """Write what a network makes of a picture of yours, or of each picture in a folder and the folders in it.

    A network of one size takes the square in the middle; --fit says otherwise. One of any size takes the whole
    picture, made smaller if what comes out would have more than 1536 px on a side, or 4096 with --fit tile.
    """
    pipeline = _load(options, "translate")
    how = {name: getattr(options, name) for name in ("mask", "strength", "second", "degrade", "seed", "fit")}
    if not options.input.is_dir():
        try:
            image = open_image(options.input, levels=options.levels, any_format=True)
        except InputError as error:
            raise InputError(f"--input {options.input}: {error}") from None
        write_atomic(options.out, image_grid.translate(pipeline, options.id, image, **how))
        return
    from tqdm import tqdm

    listing = list_images(options.input, skip=options.out)
    left_out = listing.left_out()
    if not listing.images:
        raise InputError(f"`input` {shown(str(options.input))} holds no pictures{f' ({left_out})' if left_out else ''}")
    if left_out:
        print(left_out, file=sys.stderr)
    names = [entry.name for entry in listing.images]
    broken = []
    for name, out in zip(tqdm(names, unit="picture", disable=None), output_names(names)):
        try:
            image = open_image(options.input / name, levels=options.levels, any_format=True)
            made = image_grid.translate(pipeline, options.id, image, **how)
        except InputError as error:
            broken.append(f"{shown(name)}: {error}")
        else:
            write_atomic(options.out / out, made)
    if len(broken) == len(names):
        raise InputError(f"`input` {shown(str(options.input))}: {broken[0]}")
    if broken:
        some = "; ".join(broken[:5]) + (f"; and {len(broken) - 5} more" if len(broken) > 5 else "")
        said = InputError(f"left out {len(broken)} of {len(names)} pictures: {some}")
        print(said.named(as_flag), file=sys.stderr)


def write_export(options: argparse.Namespace) -> None:
    """Write a checkpoint as one ONNX file, whose pictures are compared with PyTorch's first.

    Its metadata carries the config. `pretrained/formats/export_onnx.py` says what its inputs are.
    """
    data, difference = export(pretrained.load(options.id, "cpu"))
    write_atomic(options.out, data)
    print(f"differs from PyTorch by {difference:.1e} at most")


def convert_file(options: argparse.Namespace) -> None:
    """Make a checkpoint of a file of weights that other code has saved: .pth, .pt, .pkl, .bin or .safetensors.

    It knows the generators of three layouts, by the shapes of their tensors: PyTorch's DCGAN tutorial, and the U-Net
    and ResNet of the code that came with pix2pix and CycleGAN. They may lie in dictionaries of any names. Nothing in
    the file is run: one that holds more than weights is refused. The same pictures come out as in the other code.
    """
    network, config, key = convert(options.path, options.network, options.key)
    checkpoint.save(options.out, network, config)
    size = f"{config.size} px" if config.size else "any size"
    print(f"{key or 'found'}: {config.network['class']}, width {config.network['width']}, {size}", file=sys.stderr)
    if config.pipeline == "generate":
        grid = image_grid.render(pretrained.load(str(options.out), "cpu"), str(options.out), range(64))
        write_atomic(options.out / checkpoint.SAMPLES, grid)
    card = model_card(config, samples=config.pipeline == "generate")
    write_atomic(options.out / checkpoint.CARD, card.encode())


def deploy_space(options: argparse.Namespace) -> None:
    """Give a checkpoint a page of its own: a Space on the Hugging Face Hub, created and filled in one commit.

    With --dry-run its files are written to a folder, which any server of static files can show.
    """
    if options.dry_run:
        deploy.write(deploy.build(options.id, options.space), options.dry_run)
        print(options.dry_run)
        return
    name = options.repo_id or deploy.default_name(options.id)
    repo_id = hub.check_writable(name)
    files = deploy.build(options.id, options.space)
    print(deploy.listing(files), file=sys.stderr)
    print(deploy.publish(files, repo_id, options.space, options.private))


def _load(options: argparse.Namespace, kind: str = "generate") -> Generate | Translate:
    return expect(pretrained.load(options.id, options.device), kind)
