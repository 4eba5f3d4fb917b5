"""Spoilt checkpoints and pictures by the thousand: each is taken, or refused in a sentence, fast, in little memory.

    python -m stress.spoil --tries 10000

A try that ends in anything but a result or an InputError, takes more than a second of processor time, or lets the
process grow by more than 500 MB, is a finding: its bytes are kept in --keep, and the exit status is 1.
"""

from __future__ import annotations

import io
import json
import random
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
import tyro
from PIL import Image
from torch import nn
from tqdm import tqdm

from pretrained import checkpoint, networks, pipelines
from pretrained.formats.convert import convert
from pretrained.media.images import open_image
from pretrained.system.errors import InputError

SECONDS, MEGABYTES = 1.0, 500
STRANGE = [
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    2**200,
    1e308,
    -0.5,
    "",
    "x" * 10_000,
    "../../etc/passwd",
    [],
    {},
    [[]],
    "NaN",
]
DTYPES = ["F32", "F16", "BF16", "F64", "I64", "U8", "BOOL", "F8_E4M3", "F4", "X", ""]


@dataclass(frozen=True)
class Options:
    """How hard to try."""

    tries: int = 10_000
    """Of each kind."""
    seed: int = 0
    """Of what is spoilt."""
    keep: Path = Path("findings")
    """Where files that are findings are put."""


def spoil_bytes(data: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, cut out, doubled or cut off."""
    spoilt = bytearray(data)
    for _ in range(dice.choice([1, 1, 2, 8, 64])):
        place = dice.randrange(min(len(spoilt), dice.choice([16, 256, len(spoilt)])) or 1)
        match dice.randrange(5):
            case 0 if spoilt:
                spoilt[place] = dice.randrange(256)
            case 1 if spoilt:
                spoilt[place] ^= 1 << dice.randrange(8)
            case 2:
                del spoilt[place : place + dice.randrange(1, 64)]
            case 3:
                spoilt[place:place] = spoilt[place : place + dice.randrange(1, 64)]
            case 4 if dice.random() < 0.2:
                del spoilt[place:]
    return bytes(spoilt)


def spoil_value(value: object, dice: random.Random) -> object:
    """JSON with one place in it changed, added or taken away."""
    if isinstance(value, dict) and value and dice.random() < 0.85:
        key = dice.choice(list(value))
        changed = dict(value)
        match dice.randrange(6):
            case 0:
                del changed[key]
            case 1:
                changed[dice.choice(["x", "__class__", "class", "size", "../" * 9, ""])] = dice.choice(STRANGE)
            case _:
                changed[key] = spoil_value(value[key], dice)
        return changed
    if isinstance(value, list) and value and dice.random() < 0.7:
        place = dice.randrange(len(value))
        return [*value[:place], spoil_value(value[place], dice), *value[place + 1 :]]
    if isinstance(value, int) and dice.random() < 0.6:
        return value + dice.choice([-1, 1, 10**6, -(10**9), 2**40])
    return dice.choice(STRANGE)


def spoil_checkpoint(data: bytes, dice: random.Random) -> bytes:
    """The config, the header or the bytes of a safetensors file, spoilt."""
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    kind = dice.randrange(7)
    if kind == 0:
        return spoil_bytes(data, dice)
    if kind == 1:
        return struct.pack("<Q", dice.choice([0, 1, 2**32, 2**63, length - 1, length + 1, len(data)])) + data[8:]
    if kind == 2:
        name = dice.choice([name for name in header if name != "__metadata__"])
        header[name]["dtype"] = dice.choice(DTYPES)
    elif kind == 3:
        config = json.loads(header["__metadata__"]["ganvas"])
        for _ in range(dice.choice([1, 1, 3])):
            config = spoil_value(config, dice)
        header["__metadata__"]["ganvas"] = json.dumps(config)
    elif kind == 4:
        header["__metadata__"]["ganvas"] = dice.choice(
            ["[" * 100_000, '{"a":' * 50_000, "nul", "{}", "\ud800", "1e999"]
        )
    elif kind == 5:
        numbers = np.frombuffer(body, np.float32).copy()
        numbers[dice.randrange(len(numbers))] = dice.choice([np.nan, np.inf, -np.inf, 3e38])
        body = numbers.tobytes()
    else:
        header = spoil_value(header, dice)
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    if dice.random() < 0.1:  # a name that stands there twice
        text = text[:-1] + b"," + text[1:] if isinstance(header, dict) and header else text
    return struct.pack("<Q", len(text)) + text + body


def load(path: Path) -> None:
    """As everything does that plays a checkpoint: the config first, then the weights, then a picture."""
    checkpoint.read_config(path)
    network, config = checkpoint.load(path)
    pipeline = pipelines.make(network, config, pipelines.pick_device("cpu"))
    if config.pipeline == "generate":
        pipeline.sample([0])


def seeds_of_checkpoints(folder: Path) -> list[bytes]:
    """Small files of several families."""
    files = []
    for place, (spec, input, classes) in enumerate(
        [
            (
                {"class": "dcgan.Generator", "size": 16, "width": 4, "z_dim": 8, "num_classes": 3},
                {"noise": "normal"},
                3,
            ),
            (
                {"class": "stylegan.Generator", "size": 16, "width": 4, "z_dim": 8},
                {"noise": "normal", "style": True},
                0,
            ),
            (
                {"class": "unet.Generator", "size": 32, "width": 2},
                {"source": {"kind": "picture"}, "size": 32, "scale": 1},
                0,
            ),
        ]
    ):
        condition = {"classes": [str(label) for label in range(classes)]} if classes else None
        kind = "generate" if "noise" in input else "translate"
        config = checkpoint.Config("seed", kind, networks.complete(spec), input, condition, {"kimg": 1.0})
        checkpoint.save(folder / str(place), networks.build(spec), config)
        files.append((folder / str(place) / checkpoint.MODEL).read_bytes())
    return files


def seeds_of_images() -> list[bytes]:
    """A picture in every kind of file that is read."""
    levels = np.random.RandomState(0).randint(0, 256, (40, 56, 4), np.uint8)
    files = []
    for format, mode in (
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("PNG", "I;16"),
        ("JPEG", "RGB"),
        ("JPEG", "CMYK"),
        ("GIF", "P"),
        ("WEBP", "RGB"),
        ("TIFF", "RGB"),
        ("BMP", "RGB"),
    ):
        buffer = io.BytesIO()
        image = Image.fromarray(levels).convert("RGB" if mode == "CMYK" else "L" if mode == "I;16" else mode)
        (image.convert(mode) if mode in ("CMYK", "I;16") else image).save(buffer, format)
        files.append(buffer.getvalue())
    return files


def seeds_of_old_files(folder: Path) -> list[bytes]:
    """Weights as torch.save writes them, new and old."""
    layers: list[nn.Module] = []
    for before, after in ((8, 8), (8, 4)):
        layers += [nn.ConvTranspose2d(before, after, 4, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    network = nn.Sequential(*layers, nn.ConvTranspose2d(4, 3, 4, bias=False))
    files = []
    for new in (True, False):
        torch.save({"netG": network.state_dict(), "epoch": 3}, folder / "old.pth", _use_new_zipfile_serialization=new)
        files.append((folder / "old.pth").read_bytes())
    return files


def attack(
    name: str,
    seeds: list[bytes],
    spoil: Callable[[bytes, random.Random], bytes],
    work: Callable[[Path], object],
    suffix: str,
    folder: Path,
    options: Options,
) -> dict[str, object]:
    """Spoil and try; what went on, as a row of a table."""
    dice = random.Random(options.seed)
    outcomes: Counter[str] = Counter()
    slowest, path = 0.0, folder / f"spoilt{suffix}"
    for data in seeds:  # whole ones are taken, and load what is loaded once
        path.write_bytes(data)
        work(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in tqdm(range(options.tries), name, unit="", disable=None):
        data = spoil(dice.choice(seeds), dice)
        path.write_bytes(data)
        start, problem = time.process_time(), ""
        try:
            work(path)
            outcomes["taken"] += 1
        except InputError as error:
            outcomes["refused"] += 1
            problem = "a refusal of several lines" if "\n" in str(error) else ""
        except BaseException:
            problem = traceback.format_exc()
        seconds = time.process_time() - start
        slowest = max(slowest, seconds)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        if seconds > SECONDS:
            problem = problem or f"it took {seconds:.1f} s"
        if grown > MEGABYTES:
            problem = problem or f"the process grew by {grown:.0f} MB"
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if problem:
            outcomes["findings"] += 1
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / f"{name}-{number}{suffix}").write_bytes(data)
            print(f"{name} {number}: {problem}", file=sys.stderr)
    return {
        "what": name,
        "tries": options.tries,
        **{outcome: outcomes[outcome] for outcome in ("taken", "refused", "findings")},
        "slowest, s": round(slowest, 2),
        "grown, MB": round(grown),
    }


def main(options: Options) -> None:
    warnings.simplefilter("ignore")  # Pillow's, of broken metadata
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = []
        for name, seeds, spoil, work, suffix in (
            ("checkpoints", seeds_of_checkpoints(folder), spoil_checkpoint, load, ".safetensors"),
            ("pictures", seeds_of_images(), spoil_bytes, open_image, ".png"),
            ("old files", seeds_of_old_files(folder), spoil_bytes, convert, ".pth"),
        ):
            rows.append(attack(name, seeds, spoil, work, suffix, folder, options))
            print(json.dumps(rows[-1]), flush=True)
    raise SystemExit(any(row["findings"] for row in rows))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
