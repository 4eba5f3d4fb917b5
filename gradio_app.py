"""Play with checkpoints through Gradio, a page and an API, here or on ZeroGPU: python gradio_app.py."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from gradio_ui.line import take_turns
from gradio_ui.page import build
from pretrained.system import server
from pretrained.system.errors import InputError, fail
from pretrained.system.visitors import UploadLimit

HERE = Path(__file__).parent
MAX_FILE_SIZE = "20mb"
MAX_WAITING = 64  # calls in the queue; who comes later is told so
ACCENT = gr.themes.Color(
    *("#fdf3f0", "#fbe4de", "#f6c8bc", "#efa491", "#e57f64", "#d9603f"),
    *("#b8432a", "#9c3823", "#7f2f1f", "#66281c", "#3b150e"),
)
# No font is fetched from elsewhere.
FONTS = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}


def launch(**options: Any) -> None:
    """Serve until stopped; `options` are those of gr.Blocks.launch, e.g. server_port.

    Raises:
        InputError: a checkpoint is not there, or $GANVAS_MCP asks for what is not installed.
    """
    mcp = os.environ.get("GANVAS_MCP", "") not in ("", "0")
    if mcp and importlib.util.find_spec("mcp") is None:
        raise InputError("GANVAS_MCP asks for an MCP server, which needs one more package: pip install 'gradio[mcp]'")
    server.listen_on(options.get("server_name") or os.environ.get("GRADIO_SERVER_NAME") or "localhost")
    page = build().queue(max_size=MAX_WAITING)
    take_turns(page)
    page.launch(
        share=False,
        app_kwargs={"middleware": [Middleware(UploadLimit)]},
        show_error=False,
        max_file_size=MAX_FILE_SIZE,
        mcp_server=mcp,
        theme=gr.themes.Default(primary_hue=ACCENT, neutral_hue="stone", **FONTS),
        css_paths=HERE / "gradio_ui" / "style.css",
        favicon_path=HERE / "ui" / "icon.svg",
        footer_links=["api"],
        _frontend=False,  # or it ends where a busy machine does not answer itself in 3 seconds
        **options,
    )


if __name__ == "__main__":
    try:
        launch()
    except InputError as error:
        fail(error)
