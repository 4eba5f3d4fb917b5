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
from pretrained.networks.sizes import sides
from pretrained.pipelines.registry import Generate, Translate
from pretrained.pipelines.write import characters
from pretrained.system import server
from pretrained.system.errors import InputError
from pretrained.titles import title_of
from pretrained.verbs.parameter import fields_of
from pretrained.verbs.shared import LACKS, Verb
from ui.menu import PAGES
from ui.state import memory
from ui.state.comparisons import MOST
from ui.state.device_queue import DeviceQueue
from ui.state.download import pull

RUNS = Path("runs")
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
    def frame(self) -> tuple[int, int]:
        """Width and height of the pictures that a generator draws, in px."""
        height, width = sides(self.pipeline.config.network["size"])
        return width, height


def choose_model(need: str) -> None:
    """The sidebar's first line: choose a checkpoint that can do what the page needs, or type a Hub id.

    It stands in main.py, so that pages share it. Where the present one cannot, the page opens with one that can: that
    of the last visit to such a page, or else the first.
    """
    state, link = st.session_state, st.query_params
    if link.get("model", state.get("told")) != state.get("told"):  # a link, not what was written there below
        state["model"] = link["model"]
    state["instead"] = ""
    able = [id for id in local_models() if need in abilities_of(id)]
    id = (state.get("model") or next(iter(able), "")).strip()
    if abilities_of(id) and id not in able and able:  # one that cannot be read is told about
        state["instead"] = f"{id} {LACKS[need]}: this is " if "model" in link else ""
        last = state.get(f"last {need}")
        id = last if last in able else able[0]
        state["instead"] = state["instead"] and f"{state['instead']}{id}."
    offered = able if id in able or not id else [*able, id]

    def take() -> None:
        state["model"] = state[f"model for {need}"] or id

    # Not cleared by Escape, since there is no empty choice; a new list of choices is a new widget.
    state[f"model for {need}"] = id
    st.sidebar.selectbox(
        "Model",
        offered,
        key=f"model for {need}",
        format_func=titled,
        on_change=take,
        accept_new_options=True,
        placeholder="user/name",
        help="Choose one, or type a Hugging Face Hub repository, user/name or user/name@revision, and press Enter.",
    )
    state["model"] = state["told"] = state[f"last {need}"] = id
    if id and link.get("model") != id:
        link["model"] = id
    try:
        state["file"] = locate(id) if id else None
    except InputError as error:
        state["file"] = error  # for the page to show, below its title


def chosen_model(ability: str = "noise") -> Model:
    """The checkpoint of the sidebar, loaded and described there; a mistake ends the page in a sentence.

    Args:
        ability: what the page needs, a key of LACKS.
    """
    file = st.session_state["file"]
    if file is None:
        st.info("Type a Hugging Face Hub repository, user/name, in the sidebar; or train one: `python -m trainer`.")
        st.stop()
    if instead := st.session_state["instead"]:
        st.info(escape_markdown(instead), icon=":material/swap_horiz:")
    with as_input_error():
        if isinstance(file, InputError):
            raise file
        model = load(st.session_state["model"], *file)
    with st.sidebar:
        _describe(model)
    abilities = _abilities(*model.key)
    if ability not in abilities:
        st.info(f"{escape_markdown(model.pipeline.config.name)} {LACKS[ability]}.")
        for entry in PAGES.values():
            if entry.need in abilities:
                st.page_link(entry.file, label=f"Open it in {entry.title}", icon=entry.icon)
        st.stop()
    return model


def abilities_of(id: str) -> set[str]:
    """What a checkpoint at hand can do, as `_abilities` says; nothing where there is none, or it cannot be read."""
    try:
        path, revision = locate(id) if id in local_models() else (None, "")
    except InputError:
        path, revision = None, ""
    return _abilities(str(path), revision, path.stat().st_mtime_ns) if path else set()


@st.cache_data(max_entries=256, show_spinner=False)
def _abilities(path: str, revision: str, modified: int) -> set[str]:
    """What the config of a checkpoint says that it takes: noise, and perhaps style, text or encode; or a source.

    Where its classes are single characters, it can write: "characters".
    """
    try:
        config = checkpoint.read_config(Path(path))
    except InputError:
        return set()
    return {name for name, said in config.input.items() if said} | ({"characters"} if characters(config) else set())


def titled(id: str) -> str:
    """A model as people choose it: its title, and the name that it has in links and commands."""
    title = _title(id)
    return title if title == id else f"{title} · {id}"


def _title(id: str) -> str:
    if id not in pretrained.available():
        return id
    return title_of(checkpoint.read_config(pretrained.resolve(id)[0])).title


@contextmanager
def as_input_error(verb: type[Verb] | None = None) -> Iterator[None]:
    """Show an InputError as a sentence in the page, as `error_text` has it, and end the page there."""
    try:
        yield
    except InputError as error:
        st.error(error_text(error, verb), icon=":material/error:")
        st.stop()


def error_text(error: InputError, verb: type[Verb] | None = None) -> str:
    """An error for st.error: the parameters of `verb` are called by the labels of their controls."""
    fields = fields_of(verb) if verb else {}
    label = lambda name: fields[name].label if name in fields else name.replace("_", " ")
    return escape_markdown(error.named(label))


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
    facts = {
        "Name": config.name,
        "Network": config.network["class"],
        "Pictures": f"{' × '.join(map(str, sides(config.size)[::-1]))} px" if config.size else "of any size",
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
