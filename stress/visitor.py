"""A visitor as the app's server sees one: a WebSocket that asks for a page, moves sliders, and is sent what to show."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

ROOT = Path(__file__).parents[1]
PATIENCE = 60  # seconds until a server must be up, or take a visitor


@dataclass
class Shown:
    """What a run of a page sends.

    Attributes:
        png: the sheet of pictures, if there is one.
        waiting: how many visitors were before this one at most.
        sliders: for each label the widget's id and the fragment that it belongs to ("" for the whole page).
        values: of the widgets with numbers, which a browser sends back with each change.
        part: whether a part of the page ran, and not all of it.
    """

    png: bytes | None = None
    errors: list[str] = field(default_factory=list)
    waiting: int = 0
    sliders: dict[str, tuple[str, str]] = field(default_factory=dict)
    values: list[WidgetState] = field(default_factory=list)
    part: bool = False


@dataclass
class Visitor:
    """A tab of a browser."""

    connection: ClientConnection
    query: str = ""
    page: str = ""  # what the server calls it
    values: dict[str, WidgetState] = field(default_factory=dict)

    async def open(self, query: str, page: str = "") -> Shown:
        """Ask for a page, by its name in the address."""
        ask, self.query, self.values = BackMsg(), query, {}
        ask.rerun_script.query_string, ask.rerun_script.page_name = query, page
        return await self._ask(ask)

    async def slide(self, slider: tuple[str, str], value: float) -> Shown:
        """Move one of `Shown.sliders`."""
        ask = BackMsg()
        id, ask.rerun_script.fragment_id = slider
        ask.rerun_script.query_string, ask.rerun_script.page_script_hash = self.query, self.page
        self.values[id] = WidgetState(id=id)
        self.values[id].double_array_value.data.append(value)
        ask.rerun_script.widget_states.widgets.extend(self.values.values())
        return await self._ask(ask)

    async def _ask(self, ask: BackMsg) -> Shown:
        await self.connection.send(ask.SerializeToString())
        shown = Shown()
        async for message in self.connection:
            told = ForwardMsg.FromString(message)
            match told.WhichOneof("type"):
                case "script_finished" if told.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    shown.part = told.script_finished == ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY
                    self.values = {state.id: state for state in shown.values} | self.values
                    return shown
                case "navigation":
                    self.page = told.navigation.page_script_hash
                case "delta" if told.delta.WhichOneof("type") == "new_element":
                    _look(told, shown)
        raise OSError("the server has hung up")


def _look(told: ForwardMsg, shown: Shown) -> None:
    element = told.delta.new_element
    match element.WhichOneof("type"):
        case "bidi_component" if (data := json.loads(element.bidi_component.json or "{}")).get("titles"):
            shown.png = base64.b64decode(data["source"].partition(",")[2])
        case "slider":
            shown.sliders[element.slider.label] = element.slider.id, told.delta.fragment_id
            shown.values.append(WidgetState(id=element.slider.id))
            given = element.slider.value if element.slider.set_value else element.slider.default
            shown.values[-1].double_array_value.data.extend(given)
        case "number_input":
            given = element.number_input.value if element.number_input.set_value else element.number_input.default
            shown.values.append(WidgetState(id=element.number_input.id, double_value=given))
        case "exception":
            shown.errors.append(element.exception.message)
        case "alert":
            shown.errors.append(element.alert.body)
        case "markdown" if "before you" in element.markdown.body:
            words = element.markdown.body.split()
            shown.waiting = max(shown.waiting, *(int(word) for word in words if word.isdecimal()), 1)


@asynccontextmanager
async def visit(address: str) -> AsyncIterator[Visitor]:
    """Come, and leave again."""
    url = f"ws://{address}/_stcore/stream"
    async with connect(url, max_size=None, open_timeout=PATIENCE, ping_timeout=None) as connection:
        yield Visitor(connection)


@contextmanager
def serve(folder: Path = ROOT, **environment: str) -> Iterator[tuple[str, int]]:
    """The app, run from `folder` (whose runs/ it offers) -> its address and the number of its process."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    host, port = address.split(":")
    command = ["streamlit", "run", str(ROOT / "app.py"), f"--server.port={port}", f"--server.address={host}"]
    with subprocess.Popen(
        [sys.executable, "-m", *command, "--server.headless=true", "--server.fileWatcherType=none"],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
    ) as server:
        try:
            _await(address)
            yield address, server.pid
        finally:
            server.terminate()


def _await(address: str) -> None:
    for _ in range(10 * PATIENCE):
        try:
            health(address)
            return
        except OSError:
            time.sleep(0.1)
    raise OSError("the app did not start")


def health(address: str) -> float:
    """Seconds until the server says that it is well."""
    start = time.perf_counter()
    with urllib.request.urlopen(f"http://{address}/_stcore/health", timeout=30) as answer:
        answer.read()
    return time.perf_counter() - start


def resident(process: int) -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
