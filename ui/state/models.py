"""What the pages share: the choice of a checkpoint, the models in memory, and the one device they run on."""

from __future__ import annotations

import gc
import html
import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import streamlit as st
import torch

import pretrained
from pretrained import checkpoint, loading
from pretrained.pipelines.registry import Generate, Translate
from pretrained.system import server
from pretrained.system.errors import InputError
from ui.state import memory
from ui.state.comparisons import MOST
from ui.state.device_queue import DeviceQueue
from ui.state.download import pull

RUNS = Path("runs")
BASIC = {"noise"}  # what is offered while there is no checkpoint
ROOM = 2 * MOST  # models in memory; pages look theirs up as often as they draw, and must not push each other out
QUIET, FORGOTTEN = 5, 300  # seconds without work, until free memory is given back and until models are let go
# Sessions run in threads of one process, and share its device.
DEVICE = DeviceQueue()
# After each run of a page Streamlit collects garbage, while no other page can run: what is imported by now need not be
# looked through for it, which takes 0.2 s.
gc.freeze()

Item = TypeVar("Item")


@dataclass(frozen=True)
class Model:
    """A checkpoint; `key` (path, commit, time of change) is another one when its file is.

    It does not hold the network: Streamlit keeps the page of a visitor who has left.
    """

    id: str
    key: tuple[str, str, int]
    bytes: int

    @property
    def pipeline(self) -> Generate | Translate:
        """From memory, or read again if it was closed since; if the file has changed since, the page begins anew."""
        return _load(*self.key)

    @property
    def size(self) -> int:
        return self.pipeline.config.network["size"]


def choose_model() -> set[str]:
    """The sidebar's first line: choose a checkpoint, or type a Hub id -> what it can do, as `_abilities` says.

    It stands in main.py, so that pages share it.
    """
    local = local_models()
    if "model" not in st.session_state:
        st.session_state["model"] = st.query_params.get("model", local[0] if local else None)
    id = st.sidebar.selectbox(
        "Model",
        local,
        index=None,
        key="model",
        accept_new_options=True,
        placeholder="user/name",
        help="Choose one, or type a Hugging Face Hub repository, user/name or user/name@revision, and press Enter.",
    )
    # A bound widget leaves its default out of the link, whose meaning would change when a new run appears.
    if id and st.query_params.get("model") != id:
        st.query_params["model"] = id
    try:
        st.session_state["file"] = locate((id or "").strip()) if id else None
        return _abilities(st.session_state["file"][0]) if id else BASIC
    except InputError as error:
        st.session_state["file"] = error  # for the page to show, below its title
        return BASIC


def chosen_model(ability: str = "noise", lacks: str = "makes no pictures from seeds") -> Model:
    """The checkpoint of the sidebar, loaded and described there; a mistake ends the page in a sentence.

    Args:
        ability: what the page needs; without it, the page ends in a sentence that names checkpoints that have it.
        lacks: how that sentence goes on after the name of the checkpoint, e.g. "has no styles".
    """
    file = st.session_state["file"]
    if file is None:
        st.info("Type a Hugging Face Hub repository, user/name, in the sidebar; or train one: `python -m trainer`.")
        st.stop()
    with as_input_error():
        if isinstance(file, InputError):
            raise file
        model = load(st.session_state["model"].strip(), *file)
    with st.sidebar:
        _describe(model)
    if not model.pipeline.config.input.get(ability):
        able = [id for id in local_models() if ability in _abilities(locate(id)[0])]
        instead = (
            f"; choose {' or '.join(map(escape_markdown, able[:8]))}" if able else ", nor has any other checkpoint here"
        )
        st.info(f"{escape_markdown(model.pipeline.config.name)} {lacks}{instead}.")
        st.stop()
    return model


def _abilities(path: Path) -> set[str]:
    """What the config of a checkpoint says that it takes: noise, and perhaps style, text or encode; or a source."""
    try:
        return {ability for ability, said in checkpoint.read_config(path).input.items() if said}
    except InputError:
        return BASIC


@contextmanager
def as_input_error() -> Iterator[None]:
    """Show an InputError as a sentence in the page, and end the page there."""
    try:
        yield
    except InputError as error:
        st.error(error_text(error), icon=":material/error:")
        st.stop()


def error_text(error: InputError) -> str:
    """An error for st.error, its arguments in plain words: "fps" or "batch size"."""
    return escape_markdown(error.named(lambda argument: argument.replace("_", " ")))


def escape_markdown(text: str) -> str:
    """Text that Markdown leaves alone."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))


def alone(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, each made while nobody else uses the device."""
    items = iter(items)
    while True:
        with DEVICE:
            item = next(items, None)
        if item is None:
            return
        yield item


def local_models() -> list[str]:
    """The bundled checkpoints, or those of $GANVAS_MODELS, then runs, the newest first, then those in folders below.

    Visitors of a server see its runs only where its owner allows it.
    """
    offered = server.listed() or pretrained.available()
    if not server.allows_folder(str(RUNS)):
        return offered
    found = [*RUNS.glob(f"*/{checkpoint.MODEL}"), *RUNS.glob(f"*/*/{checkpoint.MODEL}")]
    models = sorted(found, key=lambda model: (len(model.parts), -model.stat().st_mtime))
    return [*offered, *(str(model.parent) for model in models)]


def locate(id: str) -> tuple[Path, str]:
    """The file of a model and its commit. What a visitor types is looked up on the Hub only, never as a path."""
    match = loading.HUB_ID.fullmatch(id)
    if id in local_models():
        if id in server.listed() and match and not Path(id).exists():
            return pull(match["repo_id"], match["revision"])
        return pretrained.resolve(id)
    if not match:
        raise InputError(f"{id[:100]!r} is no model: choose one, or type a Hugging Face Hub repository, user/name")
    if not server.allows(id):
        raise InputError(f"{id[:100]!r} is not offered here: choose one of the list")
    return pull(match["repo_id"], match["revision"], as_guest=server.has_strangers())


def load(id: str, path: Path, revision: str) -> Model:
    """The model that `locate` has found, from memory if its file is the same."""
    file = path.stat()
    model = Model(id, (str(path), revision, file.st_mtime_ns), file.st_size)
    _load(*model.key)
    return model


@st.cache_resource(max_entries=ROOM, show_spinner="Loading the model …")
def _load(path: str, revision: str, modified: int) -> Generate | Translate:
    if not Path(path).exists() or Path(path).stat().st_mtime_ns != modified:
        st.rerun()
    return replace(pretrained.load(path), revision=revision)


def _forget() -> None:
    _load.clear()
    torch.cuda.empty_cache()


memory.keep_low(DEVICE.idle, _forget, QUIET, FORGOTTEN)


def _describe(model: Model) -> None:
    config, training = model.pipeline.config, model.pipeline.config.training
    kimg = training.get("kimg")
    side = config.input.get("size") if "source" in config.input else config.network["size"]
    facts = {
        "Name": config.name,
        "Network": config.network["class"],
        "Pictures": f"{side} × {side} px" if side else "of any size",
        "Labels": len(config.classes) or None,
        "Data": training.get("data"),
        "Trained on": f"{kimg * 1000:,.0f} pictures" if isinstance(kimg, (int, float)) else None,
        "Licence": training.get("licence"),
        "File": f"{model.bytes / 1e6:.1f} MB",
        "Commit": model.pipeline.revision[:7],
        "Runs on": str(model.pipeline.device).upper(),
    }
    rows = "".join(f"<dt>{name}</dt><dd>{html.escape(str(value)[:200])}</dd>" for name, value in facts.items() if value)
    st.html(f"<dl class='facts'>{rows}</dl>")


def file_name(model: Model, what: str, suffix: str) -> str:
    """A name for a download that any file system takes."""
    return re.sub(r"[^\w.-]+", "-", f"{model.pipeline.config.name}-{what}")[:100] + suffix


def shell(verb: str, model: Model, out: str, **flags: object) -> None:
    """The command that does the same as the page; a flag that is None or False is left out, True stands alone.

    A list is several values of one flag.
    """
    command = ["python", "-m", "pretrained", verb, model.id]
    for name, value in flags.items():
        if value is not None and value is not False:
            values = [] if value is True else value if isinstance(value, list) else [value]
            command += [f"--{name}", *map(str, values)]
    with st.expander("The same from a shell", icon=":material/terminal:"):
        st.code(shlex.join([*command, "--out", out]), "bash", wrap_lines=True)
