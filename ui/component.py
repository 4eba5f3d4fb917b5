"""Parts of a page that Streamlit has not: a line of HTML, and the style sheet and script in this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent


def component(name: str, html: str) -> Callable[..., Any]:
    """What mounts `html` with name.css and name.js, given what a component of Streamlit's is given."""
    css, js = ((HERE / f"{name}{suffix}").read_text("utf-8") for suffix in (".css", ".js"))

    def mount(**given: Any) -> Any:
        # It is registered where it is mounted: Streamlit before 1.67 knows it in one runtime alone, and each AppTest
        # has its own, while this module is imported once.
        return st.components.v2.component(name, html=html, css=css, js=js)(**given)

    return mount
