"""Parts of a page that Streamlit has not: a line of HTML, and the style sheet and script in this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent


def component(name: str, html: str) -> Callable[..., Any]:
    """What mounts `html` with name.css and name.js, given what a component of Streamlit's is given."""
    css, js = ((HERE / f"{name}{suffix}").read_text("utf-8") for suffix in (".css", ".js"))

    def mount(data: Mapping[str, Any], **given: Any) -> Any:
        # Whether a list or a dictionary is a table, Streamlit asks pandas and pyarrow, which takes 60 MB and half a
        # second; of a tuple, it knows that it is none.
        plain = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        # It is registered where it is mounted: Streamlit before 1.67 knows it in one runtime alone, and each AppTest
        # has its own, while this module is imported once.
        return st.components.v2.component(name, html=html, css=css, js=js)(data=plain, **given)

    return mount
