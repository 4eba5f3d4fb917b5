"""Play with a checkpoint in a browser: streamlit run app.py."""

from pathlib import Path

import streamlit as st

from ui.common import choose_model

UI = Path(__file__).parent / "ui"
# What the pages are called, and what the config's input of a checkpoint must name so that they are offered.
PAGES = {
    "samples": ("Samples", ":material/grid_view:", "noise"),
    "walk": ("Walk", ":material/conversion_path:", "noise"),
    "mix": ("Mix", ":material/blender:", "style"),
    "encode": ("Encode", ":material/image_search:", "encode"),
}

st.set_page_config(page_title="Ganvas", page_icon=str(UI / "icon.svg"), layout="wide")
st.logo(str(UI / "wordmark.svg"), size="medium")
st.html(UI / "style.css")
abilities = choose_model()
# A hidden page is still there for a link that leads to it.
page = st.navigation(
    [
        st.Page(UI / f"{name}.py", title=title, icon=icon, visibility="visible" if need in abilities else "hidden")
        for name, (title, icon, need) in PAGES.items()
    ],
    position="top",
)
page.run()
