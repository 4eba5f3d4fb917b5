"""The model card: README.md of a published checkpoint."""

from __future__ import annotations

import hashlib
import html
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pretrained.checkpoint import SAMPLES, Config
from pretrained.networks.sizes import is_size, sides
from pretrained.pipelines.degradations import DEGRADATIONS
from pretrained.pipelines.translator_input import KINDS
from pretrained.system.errors import InputError
from pretrained.titles import title_of

# Per pipeline: task on the Hub, description, and examples for a shell and for Python.
USES = {
    "generate": (
        "unconditional-image-generation",
        "generates images from noise",
        "sample {id} --seeds 0-63 --out grid.png",
        "import pretrained\n\npretrained.load({id}).sample(range(64))  # uint8 (64, height, width, channels)",
    ),
    "translate": (
        "image-to-image",
        "translates images",
        "translate {id} --input in.png{extras} --out out.png",
        """\
import pretrained
from PIL import Image

image = pretrained.load({id}).translate(Image.open("in.png"){extras})
image.save("out.png")""",
    ),
}
# Further examples, by fields of a config's input.
ABILITIES = {
    "text": ("sample {id} --seeds 0-15 --text {example} --out grid.png",),
    "style": ("mix {id} --rows 0-3 --columns 10-15 --layers 3 --out mix.png",),
    "encode": (
        "reconstruct {id} --input in.png --out out.png",
        "interpolate {id} --input a.png b.png --frames 60 --out video.mp4",
    ),
    "strength": ("translate {id} --input in.png --strength 0.5 --out out.png",),
}
# Further inputs of a translator.
EXTRAS = ("mask", "second")
HUB_DATASETS = {
    "mnist": "ylecun/mnist",
    "fashion-mnist": "zalando-datasets/fashion_mnist",
    "cifar10": "uoft-cs/cifar10",
}
# Licences that the Hub knows; it rejects others, which are given as "other" with a name.
LICENCES = {"mit", "apache-2.0", "bsd-3-clause", "gpl-3.0", "cc0-1.0"} | {
    f"cc-by{terms}-{version}" for terms in ("", "-sa", "-nc", "-nc-sa") for version in ("3.0", "4.0")
}
FACTS = {
    "base": "Fine-tuned from",
    "recipe": "Recipe",
    "loss": "Loss",
    "data": "Data",
    "data_licence": "Licence of the data",
    "licence": "Licence of the weights",
    "kimg": "Length, thousands of real images",
    "seed": "Seed",
    "minutes": "Time, minutes",
    "nearness": "Nearest training image",
    "hardware": "Hardware",
    "processes": "Processes",
    "versions": "Versions",
    "losses": "Last losses",
}
WEIGHTS = Path(__file__).resolve().parents[1] / "weights"  # the bundled checkpoints
REPO_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
MARK = re.compile(r"\n<!-- ganvas card ([0-9a-f]{64}) -->\s*\Z")


def model_card(config: Config, id: str | None = None, samples: bool = True) -> str:
    """README.md with front matter for the Hub; `is_edited` detects later changes.

    Args:
        config: `config.training` may hold any of the keys of FACTS, "command" (a text) and "metrics" (a list of
            {"name": "FID", "value": 12.3, "spread": 0.1, "data": "mnist", "protocol": {...}}).
        id: with which a reader loads it; None is the config's name.
        samples: whether there is a samples.png beside it.

    Raises:
        InputError: the config names an unknown pipeline.
    """
    if config.pipeline not in USES:
        raise InputError(f"unknown pipeline {config.pipeline!r}: one of {', '.join(USES)}")
    text = f"---\n{_front_matter(config)}---\n\n" + "\n\n".join(_sections(config, id or config.name, samples)) + "\n"
    return sign(text)


def local_id(folder: Path, name: str) -> str:
    """What a command calls the checkpoint in a folder, from where the folder was named; a bundled one by its `name`.

    An absolute path may say who its owner is, and a name that cannot be printed fits no text: "." stands for both, and
    the command works in the folder itself.
    """
    if folder.resolve().parent == WEIGHTS:
        return name
    return "." if folder.is_absolute() or not str(folder).isprintable() else str(folder)


def sign(card: str) -> str:
    """A README.md with a digest for `is_edited`; `is_signed` is true even after changes."""
    return f"{card}\n<!-- ganvas card {_digest(card)} -->\n"


def is_signed(card: str) -> bool:
    return bool(MARK.search(card))


def is_edited(card: str) -> bool:
    """Whether this README.md was written or changed by hand; false for an empty one."""
    mark = MARK.search(card)
    return bool(card.strip()) and not (mark and mark[1] == _digest(card[: mark.start()]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.replace("\r\n", "\n").strip().encode()).hexdigest()


def _base_model(training: Mapping[str, Any]) -> dict[str, str]:
    """Fields from which the Hub draws the tree of fine-tuned models."""
    base = training.get("base")
    is_on_hub = isinstance(base, dict) and base.get("revision") and REPO_ID.fullmatch(str(base.get("id")))
    return {"base_model": base["id"], "base_model_relation": "finetune"} if is_on_hub else {}


def tags_of(config: Config) -> list[str]:
    """Tags of a checkpoint on the Hub."""
    return ["ganvas", "gan", str(config.network["class"]).split(".")[0]]


def _front_matter(config: Config) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    training = config.training
    data = str(training.get("data", "unknown"))
    on_hub = re.fullmatch(r"hub:([\w-][\w.-]*/[\w-][\w.-]*)", data)
    dataset = on_hub[1] if on_hub else HUB_DATASETS.get(data)
    licence = re.sub(r"[^a-z0-9.]+", "-", str(training.get("licence", "")).lower()).strip("-.")
    named = licence and licence not in LICENCES
    task = USES[config.pipeline][0]
    results = [
        EvalResult(
            task_type=task,
            dataset_type=dataset or "custom",
            dataset_name=_line(metric.get("data", data)),
            metric_type=_line(metric["name"]).lower(),
            metric_name=_line(metric["name"]),
            metric_value=metric["value"],
            metric_args=_protocol(metric) or None,
        )
        for metric in metrics(training)
    ]
    return (
        ModelCardData(
            library_name="ganvas",
            pipeline_tag=task,
            tags=tags_of(config),
            license="other" if named else licence or None,
            license_name=licence if named else None,
            datasets=[dataset] if dataset else None,
            **_base_model(training),
            model_name=_line(config.name) if results else None,
            eval_results=results or None,
        ).to_yaml()
        + "\n"
    )


def _sections(config: Config, id: str, samples: bool) -> Iterator[str]:
    training = config.training
    _, does, shell, python = USES[config.pipeline]
    size, source = config.size, training.get("data")
    yield f"# {_plain(config.name)}"
    title, caption = title_of(config)
    if title != config.name:
        yield f"**{_plain(title)}.** {_plain(caption)}".rstrip()
    yield (
        f"A {_plain(config.network['class'])} network that {does}"
        + (f", {'×'.join(map(str, sides(size)[::-1]))} pixels" if is_size(size) and size else "")
        + (f", trained on {_plain(source)}" if source else "")
        + " with Ganvas."
    )
    if config.pipeline == "translate":
        yield _reading(config)
    if samples:
        yield f"![Samples of this model]({SAMPLES})"
    yield "## Use it"
    example = shlex.quote(_line(config.input["text"]["examples"][0])) if config.input.get("text") else ""
    extras = [name for name in EXTRAS if config.input.get(name)]
    flags = "".join(f" --{name} {name}.png" for name in extras)
    shells = [shell, *(line for ability, lines in ABILITIES.items() if config.input.get(ability) for line in lines)]
    if _kind(config) in DEGRADATIONS:
        shells.append("translate {id} --input photo.png --degrade --out out.png")
    lines = [
        f"python -m pretrained {line.format(id=shlex.quote(id), example=example, extras=flags)}" for line in shells
    ]
    yield _code("bash", "\n".join(lines))
    arguments = "".join(f', {name}=Image.open("{name}.png")' for name in extras)
    yield _code("python", python.format(id=json.dumps(id), extras=arguments))
    if id != ".":
        yield f"Or run `streamlit run app.py` and choose {_plain(id)}."
    if config.classes:
        yield f"Classes, from 0: {', '.join(map(_plain, config.classes))}."
    yield "## Training"
    if training.get("command"):
        yield _code("bash", _line(training["command"]))
    facts = [(label, training[key]) for key, label in FACTS.items() if training.get(key) not in (None, "", {}, [])]
    if facts:
        yield _table(("", ""), facts)
    if rows := metrics(training):
        yield _table(("Score", "Value", "Data"), [(m["name"], _value(m), m.get("data", source or "")) for m in rows])
        for protocol in dict.fromkeys(_plain(_protocol(metric)) for metric in rows if _protocol(metric)):
            names = ", ".join(_plain(m["name"]) for m in rows if _plain(_protocol(m)) == protocol)
            yield f"Protocol of {names}: {protocol}."
    yield (
        "The images reflect the training data, with its gaps and biases. "
        "Check the licence of the data before you use them."
    )


def _reading(config: Config) -> str:
    """Input and output of a translator."""
    source = config.input["source"]
    name = f" ({_plain(source['name'])})" if source.get("name") else ""
    target = f", the output {_plain(source['target'])}" if source.get("target") else ""
    text = f"The input is {KINDS[_kind(config)]}{name}{target}. Images of any size are accepted"
    text += " and cropped to the centre, unless `--fit tile` or `--fit stretch` is given." if config.size else "."
    if config.input.get("scale", 1) > 1:
        text += f" The output is {config.input['scale']} times larger."
    if config.input.get("mask"):
        text += " A mask of the same size is white in the hole; the rest of the image is not changed."
    if config.input.get("strength"):
        text += " A strength from 0 to 1 sets how much the image is changed."
    if _kind(config) in DEGRADATIONS:
        text += " `--degrade` first applies the degradation of the training data to the input."
    if source.get("palette"):
        labels = ", ".join(f"{_plain(label)} {_plain(colour)}" for label, colour in source["palette"].items())
        text += f" Labels: {labels}."
    return text


def _kind(config: Config) -> str | None:
    return config.input["source"]["kind"] if config.pipeline == "translate" else None


def metrics(training: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The valid scores in `config.training`."""
    found = training.get("metrics")
    return [
        metric
        for metric in (found if isinstance(found, list) else [])
        if isinstance(metric, dict) and "name" in metric and isinstance(metric.get("value"), (int, float))
    ]


def _protocol(metric: Mapping[str, Any]) -> dict[str, Any]:
    protocol = metric.get("protocol")
    return protocol if isinstance(protocol, dict) else {}


def _value(metric: Mapping[str, Any]) -> Any:
    return f"{_number(metric['value'])} ± {_number(metric['spread'])}" if "spread" in metric else metric["value"]


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(value: Any) -> str:
    """One line of text, escaped for Markdown and HTML."""
    if isinstance(value, dict):
        value = ", ".join(f"{name} {_number(item)}" for name, item in value.items())
    return re.sub(r"([\\`*_{}\[\]()#!|~$])", r"\\\1", html.escape(_line(_number(value)), quote=False))


def _line(value: Any) -> str:
    return " ".join(str(value).split())


def _number(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value


def _code(language: str, text: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"
