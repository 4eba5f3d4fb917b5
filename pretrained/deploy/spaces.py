"""A checkpoint as a Space on the Hugging Face Hub: its files, written to a folder or sent in one commit."""

from __future__ import annotations

import html
import json
import logging
import math
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pretrained
from pretrained import checkpoint, hub, loading
from pretrained.checkpoint import Config
from pretrained.deploy import onnx_runtime_web
from pretrained.formats.export_onnx import export
from pretrained.hub.account import check_secrets
from pretrained.hub.errors import as_input_error, retry
from pretrained.hub.model_card import is_edited, is_signed, sign
from pretrained.inputs.text import MAX_WORDS
from pretrained.media.examples import examples
from pretrained.media.images import encode_png
from pretrained.networks.sizes import sides
from pretrained.pipelines import directions, image_grid
from pretrained.pipelines.registry import Generate, Translate
from pretrained.pipelines.translator_input import DRAWN, pen_for
from pretrained.pipelines.translator_input import KINDS as SOURCES
from pretrained.system.errors import InputError
from pretrained.system.files import expanded, write_atomic
from pretrained.system.symlinks import reject_escaping_symlink
from pretrained.titles import is_pixel_art, title_of

ROOT = Path(__file__).parents[2]
README, INDEX, PREVIEW, EXAMPLE = "README.md", "index.html", "preview.png", "example.png"
PREVIEW_SIDE = 128  # px of a picture in the preview, at least: links show it large
PREVIEW_SEEDS = range(32)
# Beside spaces/docker and spaces/zerogpu: the app, in Streamlit and in Gradio. Beside Streamlit's settings lie a user's
# secrets, so that folder is not taken whole.
APP = ("app.py", "ui", "pretrained", ".streamlit/config.toml")
GRADIO_APP = ("gradio_app.py", "gradio_ui", "pretrained", "ui/icon.svg")
WEIGHTS = "pretrained/weights"
# What the project's files are called where git cannot say which they are.
SUFFIXES = {".py", ".css", ".js", ".html", ".svg"}
RECORDED = ROOT / "ui" / "recorded"  # of which each file is
NAMES = {"Dockerfile", "README.md", "requirements.txt", "requirements.lock", "config.toml", "onnxruntime-LICENSE.txt"}
NAMES |= {"home.mp4", checkpoint.MODEL, checkpoint.CONFIG, checkpoint.SAMPLES, directions.FILE}
log = logging.getLogger(__name__)
# Of the app, what the page has in common with it.
SHARED = ("widgets/canvas.js", "widgets/canvas.css", "wordmark.svg", "icon.svg")


def build(id: str, kind: str) -> dict[str, bytes]:
    """The files of a Space that plays a checkpoint -> their contents by path.

    Args:
        id: a bundled name, a folder or a file, or a Hub repository.
        kind: a key of KINDS.

    Raises:
        InputError: there is no such checkpoint, it cannot be exported, a file of it is a link that leads elsewhere, or
            this is no checkout of Ganvas.
    """
    template = ROOT / "spaces" / kind
    if not template.is_dir():
        raise InputError(
            f"deploy needs the project's folder spaces/{kind}, which an installed package has not: clone it"
        )
    path = pretrained.resolve(id)[0]
    if not expanded(id).is_file():  # a file that is named is meant, link or not
        reject_escaping_symlink(path)
    pipeline = pretrained.load(id, "cpu")
    files = {name: path.read_bytes() for name, path in _below(template)} | KINDS[kind].files(id, pipeline)
    files[README] = _readme(files[README].decode(), pipeline.config.name, _repository(id), PREVIEW in files).encode()
    return files


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    """The project's own files in a folder, or that file itself, with their paths there.

    What else lies there, such as somebody's credentials, is left out, and said.

    Raises:
        InputError: one of them is a link, or lies in a folder that is one.
    """
    for path in _own(folder):
        if path.resolve() != ROOT.resolve() / path.relative_to(ROOT):
            raise InputError(f"{path} is a link: nothing is published through links, put the file itself there")
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def _own(folder: Path) -> list[Path]:
    """What git tracks there; in a copy of the project without git, what has the name of such a file."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--", str(folder.relative_to(ROOT))]
    there = [folder] if not folder.is_dir() else sorted(path for path in folder.rglob("*") if not _is_litter(path))
    try:
        listed = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode().split("\0")
        tracked = {ROOT / name for name in listed if name}
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        tracked = set()
    if tracked:
        own = [path for path in there if path in tracked]
    else:
        known = lambda path: path.suffix in SUFFIXES or path.name in NAMES or path.is_relative_to(RECORDED)
        own = [path for path in there if path.is_symlink() or known(path)]
    if left := [str(path.relative_to(ROOT)) for path in there if path.is_file() and path not in own]:
        log.warning("%d files that are not the project's stay here: %s", len(left), ", ".join(left[:10]))
    return own


def _is_litter(path: Path) -> bool:
    """What Python or an editor leaves."""
    parts = path.relative_to(ROOT).parts
    return (
        path.is_dir() or path.suffix == ".pyi" or any(part == "__pycache__" or part.startswith(".") for part in parts)
    )


def listing(files: Mapping[str, bytes]) -> str:
    """What is sent, a line for each file."""
    return "\n".join(f"{len(data):>12,}  {name}" for name, data in sorted(files.items()))


def _page(pipeline: Generate | Translate) -> bytes:
    """The page, which says in its head what the model is called: whoever previews a link runs no script."""
    title, caption = title_of(pipeline.config)
    said = {"title": f"{title} · Ganvas", "description": caption or "Images made in your browser, by a small network."}
    page = (ROOT / "spaces/static/index.html").read_text("utf-8")
    for name, text in said.items():
        before, start, after = page.partition(f'<meta property="og:{name}" content="')
        page = before + start + html.escape(text) + after[after.index('"') :]
    return page.encode()


def _with_address(page: bytes, repo_id: str) -> bytes:
    """The page as a Space, where the image for previews has a whole address: crawlers follow no other."""
    host = re.sub(r"[^a-z0-9]+", "-", repo_id.lower())
    address = f"https://{host}.static.hf.space/{PREVIEW}"
    return page.replace(f'content="{PREVIEW}"'.encode(), f'content="{address}"'.encode())


def _static(id: str, pipeline: Generate | Translate) -> dict[str, bytes]:
    """A page that plays the checkpoint in the visitor's browser: model, runtime, what they have of the app."""
    model, _ = export(pipeline)
    shared = {Path(name).name: (ROOT / "ui" / name).read_bytes() for name in SHARED}
    example = _example(id, pipeline) if isinstance(pipeline, Translate) else {}
    facts = json.dumps(_facts(id, pipeline), indent=1, ensure_ascii=False).encode()
    return {
        INDEX: _page(pipeline),
        "model.onnx": model,
        "model.json": facts,
        **_preview(id, pipeline),
        **example,
        **shared,
        **onnx_runtime_web.files(),
    }


def _docker(id: str, pipeline: Generate | Translate) -> dict[str, bytes]:
    """The app, with the checkpoint among those that are bundled."""
    return project_files(APP) | ({} if id in pretrained.available() else _bundled(id, pipeline))


def _zerogpu(id: str, pipeline: Generate | Translate) -> dict[str, bytes]:
    """The Gradio app, with the checkpoint as the only one that is bundled."""
    files = {name: data for name, data in project_files(GRADIO_APP).items() if not name.startswith(f"{WEIGHTS}/")}
    return files | _bundled(id, pipeline)


def project_files(names: Sequence[str]) -> dict[str, bytes]:
    """The project's own files that have these names or lie in folders of these names -> contents by path."""
    files = {}
    for name in names:
        path = ROOT / name
        files |= {f"{name}/{inner}".removesuffix("/."): file.read_bytes() for inner, file in _below(path)}
    return files


def _bundled(id: str, pipeline: Generate | Translate) -> dict[str, bytes]:
    """The checkpoint where the app finds it, with its images and its directions where it has some."""
    folder, file = f"{WEIGHTS}/{_slug(pipeline.config.name)}", pretrained.resolve(id)[0]
    samples, named = (reject_escaping_symlink(file.with_name(name)) for name in (checkpoint.SAMPLES, directions.FILE))
    beside = [samples] if samples.exists() else []
    if directions.read(named, pipeline.config):  # refused here rather than by the Space
        beside.append(named)
    return {
        f"{folder}/{checkpoint.MODEL}": file.read_bytes(),
        f"{folder}/{checkpoint.CONFIG}": pipeline.config.to_json().encode() + b"\n",
        **{f"{folder}/{path.name}": path.read_bytes() for path in beside},
    }


class Kind(NamedTuple):
    """How a Space is made: its files, and what the Hub is told when it is created."""

    files: Callable[[str, Generate | Translate], dict[str, bytes]]
    sdk: str
    hardware: str | None = None


# What `--space` may say; each is also a folder of spaces/.
KINDS = {
    "static": Kind(_static, "static"),
    "docker": Kind(_docker, "docker"),
    "zerogpu": Kind(_zerogpu, "gradio", "zero-a10g"),
}


def _facts(id: str, pipeline: Generate | Translate) -> dict[str, Any]:
    """What the page must know of a checkpoint beside its ONNX file."""
    config, repository = pipeline.config, _repository(id)
    title, caption = title_of(config)
    facts = {"name": config.name, "title": title, "caption": caption, "pixel_art": is_pixel_art(config)}
    facts |= {"pipeline": config.pipeline}
    facts["recipe"] = image_grid.recipe_of(pipeline, _public(id, config))  # of what is saved there
    facts["link"] = f"https://huggingface.co/{repository}" if repository else ""
    if isinstance(pipeline, Generate):
        text = config.input.get("text")
        return facts | {
            "noise": config.input["noise"],
            "z_dim": config.network["z_dim"],
            "classes": config.classes,
            "text": text and {**text, "num_words": MAX_WORDS},
        }
    second, pen, has_example = config.input.get("second"), pen_for(config), bool(_example(id, pipeline))
    return facts | {
        "about": f"It reads {SOURCES[pipeline.kind]}",
        "kind": pipeline.kind,
        "frame": pipeline.frame,
        "multiple": pipeline.network.multiple,
        "channels": pipeline.inputs,
        "second": second["channels"] if second else 0,
        "mask": bool(config.input.get("mask")),
        "strength": bool(config.input.get("strength")),
        "pen": pen and pen._asdict(),
        "example": EXAMPLE if has_example else None,
        "drawn": pipeline.kind in DRAWN,
    }


def _example(id: str, pipeline: Translate) -> dict[str, bytes]:
    """The first of the sources that came with a translator which needs nothing beside one."""
    found = examples(pretrained.resolve(id)[0], pipeline.scale)
    return {EXAMPLE: encode_png(found[0][0])} if found and not found[0][1] else {}


def _preview(id: str, pipeline: Generate | Translate) -> dict[str, bytes]:
    if isinstance(pipeline, Generate):
        scale = math.ceil(PREVIEW_SIDE / max(sides(pipeline.config.size or PREVIEW_SIDE)))
        name = _public(id, pipeline.config)
        return {PREVIEW: image_grid.render(pipeline, name, PREVIEW_SEEDS, columns=8, scale=scale)}
    samples = reject_escaping_symlink(pretrained.resolve(id)[0].with_name(checkpoint.SAMPLES))
    return {PREVIEW: samples.read_bytes()} if samples.exists() else {}


def _repository(id: str) -> str:
    """ "user/name" of a checkpoint that lies on the Hub, else ""."""
    match = loading.HUB_ID.fullmatch(id)
    return match["repo_id"] if match and not expanded(id).exists() else ""


def _public(id: str, config: Config) -> str:
    """What may be said of a checkpoint: a bundled name or a repository; of a folder here, not where it lies."""
    return id if id in pretrained.available() or _repository(id) else config.name


def default_name(id: str) -> str:
    """What a Space is called after its checkpoint."""
    return _slug(checkpoint.read_config(pretrained.resolve(id)[0]).name)


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.") or "ganvas"


def _readme(template: str, name: str, repository: str, preview: bool) -> str:
    """The README.md of a Space: its front matter names the checkpoint, and links it."""
    from huggingface_hub import SpaceCard

    card = SpaceCard(template)
    card.data.title = name
    card.data.models = [repository] if repository else None
    if preview:
        card.text += f"\n![Images that it made]({PREVIEW})\n"
    if repository:
        card.text += f"\nThe model: [{repository}](https://huggingface.co/{repository}).\n"
    return sign(str(card))


def write(files: dict[str, bytes], folder: Path) -> None:
    """Write the files of a Space into a new or empty folder; InputError when there is something in it."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"folder {folder} is not empty: give the name of a new folder")
    for name, data in files.items():
        write_atomic(folder / name, data)


def publish(files: dict[str, bytes], repo_id: str, kind: str, private: bool = False) -> str:
    """Send the files of a Space as one commit, creating it if need be -> its link.

    A README.md that was edited on the Hub stays as it is.

    Raises:
        InputError: the Space is another's work, or the Hub refuses or is out of reach.
    """
    check_secrets(files)
    if INDEX in files:
        files = files | {INDEX: _with_address(files[INDEX], repo_id)}
    with as_input_error(repo_id, remedy="the same command sends it again"):
        return retry(lambda: _publish(files, repo_id, kind, private), "publish")


def _publish(files: dict[str, bytes], repo_id: str, kind: str, private: bool) -> str:
    from huggingface_hub import CommitOperationAdd

    api, what = hub.api(), {"repo_id": repo_id, "repo_type": "space"}
    _, sdk, hardware = KINDS[kind]
    link = api.create_repo(**what, space_sdk=sdk, space_hardware=hardware, private=private or None, exist_ok=True)
    info = api.space_info(repo_id)
    card = Path(api.hf_hub_download(**what, filename=README, revision=info.sha)) if _has(info, README) else None
    text = card.read_text("utf-8") if card else ""
    # A Space that was just created has one commit, of files that the Hub puts there.
    if not is_signed(text) and len(api.list_repo_commits(**what)) > 1:
        raise InputError(f"{repo_id} is another Space already: choose another `repo_id`")
    if is_signed(text) and is_edited(text):
        files = {name: data for name, data in files.items() if name != README}
    api.create_commit(
        **what,
        operations=[CommitOperationAdd(name, data) for name, data in files.items()],
        commit_message="Deploy a Ganvas checkpoint",
        parent_commit=info.sha,
    )
    return str(link)


def _has(info: Any, name: str) -> bool:
    return any(file.rfilename == name for file in info.siblings)
