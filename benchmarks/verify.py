"""Whether `verify` knows what was drawn from what was altered.

    python benchmarks/verify.py --folder pictures --count 1000 --altered 10000

Images and videos of all bundled generators are drawn into a folder, with seeds, labels, truncations, moves, sizes and
formats at random, each with its recipe; then `verify` is asked about each, and about copies that were altered but kept
the recipe. What is drawn must be the same; what was altered must never be. A folder that has images is taken as it is:
run it again under another version of torch. A model is loaded once, and what one recipe draws is kept for the copies.
"""

from __future__ import annotations

import functools
import io
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
import tyro
from PIL import Image
from tqdm import tqdm

import pretrained
from pretrained import verify as verifying
from pretrained.checkpoint import Config
from pretrained.media import provenance, video
from pretrained.pipelines import directions, image_grid
from pretrained.pipelines.directions import methods
from pretrained.pipelines.registry import Generate
from pretrained.pipelines.write import characters
from pretrained.verbs.drawing import Typefaces, Walk

Random = np.random.RandomState
load = functools.cache(functools.partial(pretrained.load, device="cpu"))


@dataclass(frozen=True)
class Options:
    """Draw, alter and verify.

    Attributes:
        folder: where the images are, or are drawn; by default a temporary one.
        count: images and videos to draw, where there are none.
        altered: altered copies to ask about.
        seed: of all that is random.
    """

    folder: Path | None = None
    count: int = 1000
    altered: int = 10_000
    seed: int = 0


def seeds_of(random: Random, most: int) -> list[int]:
    return [int(seed) for seed in random.randint(0, 2**31, random.randint(1, most + 1))]


def known(name: str, pipeline: Generate) -> dict[str, directions.Direction]:
    return directions.read(pretrained.resolve(name)[0].with_name(directions.FILE), pipeline.config)


def how_of(random: Random, config: Config) -> dict[str, Any]:
    """A label, or each seed's own; a truncation; a scale."""
    label = int(random.randint(len(config.classes))) if config.classes and random.rand() < 0.5 else None
    return {"label": label, "truncation": round(random.uniform(0.5, 1), 2), "scale": int(random.randint(1, 4))}


def sample(random: Random, name: str, pipeline: Generate) -> bytes:
    named = known(name, pipeline)
    names = [
        *named,
        *(f"{method}-{random.randint(1, 9)}" for method in methods(pipeline)),
        f"seed-{random.randint(99)}",
    ]
    moves = {str(one): round(random.uniform(-3, 3), 2) for one in random.choice(names, random.randint(3), False)}
    how = how_of(random, pipeline.config)
    return image_grid.render(pipeline, name, seeds_of(random, 9), moves=moves or None, named=named, **how)


def sheet(random: Random, name: str, pipeline: Generate) -> bytes:
    rows = directions.expand(pipeline, ["sefa-1", "axis-2"]) | dict(list(known(name, pipeline).items())[:2])
    return image_grid.sweep(pipeline, name, rows, [-2.0, 0.0, 2.0], int(random.randint(2**31)))


def mix(random: Random, name: str, pipeline: Generate) -> bytes:
    layers = int(random.randint(1, pipeline.network.num_styles))
    rows, columns = seeds_of(random, 2), seeds_of(random, 3)
    return image_grid.mix(pipeline, name, rows, columns, layers, **how_of(random, pipeline.config))


def redraw(random: Random, name: str, pipeline: Generate) -> bytes:
    seed = int(random.randint(2**31))
    condition = pipeline.conditions([seed])[0]
    return image_grid.redraw(pipeline, name, pipeline.to_latents([seed])[0], condition, {"sefa-1": 1.5}, scale=2)


def write(random: Random, name: str, pipeline: Generate) -> bytes:
    text = "".join(random.choice(list(characters(pipeline.config)), 5))
    how = (text, int(random.randint(2**31)), round(random.uniform(0.5, 1), 2), int(random.randint(1, 5)))
    return image_grid.write(pipeline, name, *how, invert=bool(random.randint(2)))


def reconstruct(random: Random, name: str, pipeline: Generate) -> bytes:
    return image_grid.reconstruct(pipeline, name, source_of(random), scale=2)


def translate(random: Random, name: str, pipeline: Any) -> bytes:
    source, strength = source_of(random), round(random.uniform(0.2, 1), 2)
    how = {"strength": strength} if pipeline.config.input.get("strength") else {}
    return image_grid.translate(pipeline, name, source, **how)


def source_of(random: Random) -> Image.Image:
    """A picture of a few large, coloured squares, 64 to 160 px wide."""
    cells = Image.fromarray(random.randint(0, 256, (4, 4, 3), np.uint8))
    return cells.resize((int(random.randint(64, 160)),) * 2, Image.Resampling.NEAREST)


def film(random: Random, name: str, pipeline: Generate, suffix: str) -> bytes:
    """A short one: of a text where the model can write."""
    seeds = ",".join(map(str, seeds_of(random, 3)))
    how = {"id": name, "seeds": seeds, "frames": 12, "fps": 10, "out": Path("a.mp4")}
    can_write = characters(pipeline.config) and random.rand() < 0.5
    text = "".join(random.choice(list(characters(pipeline.config)), 3)) if can_write else ""
    verb = Typefaces(text=text, **how) if can_write else Walk(**how)
    return video.encode(verb.draw(pipeline), suffix, verb.fps, verb.recipe(pipeline))


def drawn(random: Random, name: str) -> tuple[bytes, str, Image.Image | None]:
    """The bytes of a file, its suffix, and what was translated."""
    pipeline = load(name)
    if not isinstance(pipeline, Generate):
        state = random.get_state()
        data = translate(random, name, pipeline)
        random.set_state(state)
        return data, ".png", source_of(random)
    if random.rand() < 0.05:
        suffix = str(random.choice([*video.FORMATS]))
        return film(random, name, pipeline, suffix), suffix, None
    ways = [sample, sample, sample, sheet, redraw]
    ways += [mix] * bool(pipeline.config.input.get("style")) + [write] * bool(characters(pipeline.config))
    ways += [reconstruct] * bool(pipeline.config.input.get("encode"))
    data = ways[random.randint(len(ways))](random, name, pipeline)
    if random.rand() < 0.2:
        data = image_grid.enlarge_png(data, 512, bool(random.randint(2)))
    if random.rand() < 0.2:
        return resaved(np.asarray(opened(data)), recipe_of(data), "WEBP", lossless=True), ".webp", None
    return data, ".png", None


def draw_all(folder: Path, count: int, seed: int) -> None:
    """The files, and beside each translation its source."""
    names, random = pretrained.available(), Random(seed)
    for number in tqdm(range(count), "drawing", disable=None):
        name = names[number % len(names)]
        data, suffix, source = drawn(random, name)
        path = folder / f"{number:05d}-{name}{suffix}"
        path.write_bytes(data)
        if source:
            (folder / "sources").mkdir(exist_ok=True)
            source.save(folder / "sources" / f"{path.stem}.png")
    (folder / "torch.txt").write_text(torch.__version__)


def opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def recipe_of(data: bytes) -> dict[str, Any]:
    with Image.open(io.BytesIO(data)) as image:
        return json.loads(image.info[provenance.RECIPE])


def resaved(pixels: np.ndarray, recipe: dict[str, Any], kind: str = "PNG", **how: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **how)
    return provenance.mark(buffer.getvalue(), recipe)


def one_pixel(random: Random, pixels: np.ndarray, recipe: dict[str, Any]) -> tuple[bytes, str]:
    """One value of one pixel by two levels."""
    pixels = pixels.copy()
    place = tuple(random.randint(side) for side in pixels.shape)
    value = int(pixels[place])
    pixels[place] = value + 2 if value < 2 or (value < 254 and random.rand() < 0.5) else value - 2
    return resaved(pixels, recipe), ".png"


def other_recipe(random: Random, pixels: np.ndarray, recipe: dict[str, Any]) -> tuple[bytes, str]:
    """Another seed, or where there is none another latent, or another strength or source."""
    changed = dict(recipe)
    for name in ("seeds", "rows", "seed"):
        if isinstance(recipe.get(name), list) and all(isinstance(seed, int) for seed in recipe[name]):
            changed[name] = [recipe[name][0] + 1, *recipe[name][1:]]
            break
        if isinstance(recipe.get(name), int) and recipe["verb"] != "translate":
            changed[name] = recipe[name] + 1
            break
    else:
        for name in ("point", "z"):
            if name in recipe:
                changed[name] = [-number for number in recipe[name]]
        if recipe["verb"] == "translate":
            changed["input"] = recipe["input"][::-1]
    return resaved(pixels, changed), ".png"


def cropped(random: Random, pixels: np.ndarray, recipe: dict[str, Any]) -> tuple[bytes, str]:
    """A few rows or columns less, on one side."""
    by, axis = int(random.randint(1, 9)), int(random.randint(2))
    cut = slice(by, None) if random.rand() < 0.5 else slice(None, -by)
    return resaved(np.ascontiguousarray(pixels[cut] if axis else pixels[:, cut]), recipe), ".png"


def encoded_again(random: Random, pixels: np.ndarray, recipe: dict[str, Any]) -> tuple[bytes, str]:
    """As JPEG, as WebP or GIF with losses, or made smaller and large again."""
    way, image = random.randint(4), Image.fromarray(pixels)
    if way == 0:
        return resaved(pixels, recipe, "JPEG", quality=int(random.randint(50, 96))), ".jpeg"
    if way == 1:
        return resaved(pixels, recipe, "WEBP", quality=int(random.randint(50, 96))), ".webp"
    if way == 2:
        return resaved(np.asarray(image.quantize(16).convert("RGB")), recipe), ".png"
    small = image.resize((max(1, image.width * 3 // 4), max(1, image.height * 3 // 4)), Image.Resampling.LANCZOS)
    return resaved(np.asarray(small.resize(image.size, Image.Resampling.LANCZOS)), recipe), ".png"


def without_digest(random: Random, pixels: np.ndarray, recipe: dict[str, Any]) -> tuple[bytes, str]:
    """One value of one pixel by two levels, and the recipe's digest of the pixels taken out by somebody who knows."""
    return one_pixel(random, pixels, {name: said for name, said in recipe.items() if name != "pixels"})


ALTERATIONS: list[Callable[[Random, np.ndarray, dict[str, Any]], tuple[bytes, str]]] = [
    one_pixel,
    other_recipe,
    cropped,
    encoded_again,
    without_digest,
]


def keep_what_is_drawn() -> None:
    """`verify` loads each model once, and draws each recipe once."""
    verifying.load = lambda id, device: load(id)
    drawn: dict[tuple[str, str], bytes] = {}

    def once(draw: Callable[..., bytes]) -> Callable[..., bytes]:
        def kept(pipeline: Any, recipe: dict[str, Any], source: Image.Image | None, suffix: str) -> bytes:
            key = json.dumps([recipe, source and image_grid.digest(source)]), suffix
            if key not in drawn:
                if len(drawn) > 64:
                    drawn.clear()
                drawn[key] = draw(pipeline, recipe, source, suffix)
            return drawn[key]

        return kept

    for name, draw in verifying.DRAW.items():
        verifying.DRAW[name] = once(draw)


def main(options: Options) -> None:
    """Print the counts as JSON; exit with 1 if a file that was altered is called the same."""
    torch.set_num_threads(1)
    folder = options.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob("[0-9]*")):
        draw_all(folder, options.count, options.seed)
    keep_what_is_drawn()
    files = sorted(folder.glob("[0-9]*"))
    images = [path for path in files if path.suffix in verifying.LOSSLESS and _is_still(path)]
    random, words, altered, missed = Random(options.seed), Counter(), Counter(), []
    each = -(-options.altered // len(images)) if images else 0
    with tempfile.TemporaryDirectory() as scratch:
        for path in tqdm(files, "verifying", disable=None):
            source = folder / "sources" / f"{path.stem}.png"
            source = opened(source.read_bytes()) if source.exists() else None
            found = verifying.verify(path, source)
            kind = "image" if path in images else f"video {path.suffix}"
            words[f"{kind}: {found.kind}, {found.words}" if found.kind == "same" else f"{kind}: {found.kind}"] += 1
            if found.kind != "same":
                missed.append(f"{path.name}: {found.kind}, {found.words}")
            if path not in images:
                continue
            data = path.read_bytes()
            pixels, recipe = np.asarray(opened(data)), provenance.read(path)[1]
            for _ in range(min(each, options.altered - sum(altered.values()))):
                alter = ALTERATIONS[sum(altered.values()) % len(ALTERATIONS)]
                changed, suffix = alter(random, pixels, dict(recipe))
                if alter is encoded_again and np.array_equal(opened(changed), pixels):
                    altered["encoded_again, which changed no pixel"] += 1
                    continue
                copy = Path(scratch) / f"copy{suffix}"
                copy.write_bytes(changed)
                found = verifying.verify(copy, source)
                altered[f"{alter.__name__}: {found.kind}"] += 1
                if found.kind == "same":
                    missed.append(f"{path.name}, {alter.__name__}: {found.words}")
    versions = {"drawn": (folder / "torch.txt").read_text(), "verified": torch.__version__}
    print(json.dumps({"torch": versions, "drawn": words, "altered": altered, "not as it should be": missed}, indent=2))
    sys.exit(any(": same" in kind for kind in altered))


def _is_still(path: Path) -> bool:
    with Image.open(path) as image:
        return getattr(image, "n_frames", 1) == 1


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
