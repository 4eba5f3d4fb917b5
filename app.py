"""Play with a checkpoint in a browser: streamlit run app.py."""

from pathlib import Path

import streamlit as st

from ui.common import choose_model

UI = Path(__file__).parent / "ui"

st.set_page_config(page_title="Ganvas", page_icon=str(UI / "icon.svg"), layout="wide")
st.logo(str(UI / "wordmark.svg"), size="medium")
st.html(UI / "style.css")
page = st.navigation(
    [
        st.Page(UI / "samples.py", title="Samples", icon=":material/grid_view:", default=True),
        st.Page(UI / "walk.py", title="Walk", icon=":material/conversion_path:"),
    ],
    position="top",
)
choose_model()
page.run()
