"""Play with a checkpoint in a browser: streamlit run app.py."""

from pathlib import Path

import streamlit as st

from ui.common import choose_model

UI = Path(__file__).parent / "ui"
# What the pages are called, and what the config's input of a checkpoint must name so that they are offered, or None.
PAGES = {
    "samples": ("Samples", ":material/grid_view:", "noise"),
    "walk": ("Walk", ":material/conversion_path:", "noise"),
    "explore": ("Explore", ":material/explore:", "noise"),
    "mix": ("Mix", ":material/blender:", "style"),
    "encode": ("Encode", ":material/image_search:", "encode"),
    "edit": ("Edit", ":material/tune:", "noise"),
    "translate": ("Translate", ":material/brush:", "source"),
    "browse": ("Gallery", ":material/photo_library:", None),
    "compare": ("Compare", ":material/compare:", None),
    "watch": ("Watch it learn", ":material/monitoring:", None),
}

st.set_page_config(page_title="Ganvas", page_icon=str(UI / "icon.svg"), layout="wide")
st.logo(str(UI / "wordmark.svg"), size="medium")
st.html(UI / "style.css")
abilities = choose_model()
# A hidden page is still there for a link that leads to it.
visible = [name for name, (_, _, need) in PAGES.items() if need in {None, *abilities}]
pages = {
    name: st.Page(
        UI / f"{name}.py",
        title=title,
        icon=icon,
        default=visible[:1] == [name],
        visibility="visible" if name in visible else "hidden",
    )
    for name, (title, icon, _) in PAGES.items()
}
page = st.navigation(list(pages.values()), position="top")
if st.session_state.pop("open", False):  # a model was chosen in the gallery
    st.switch_page(pages[visible[0]], query_params={"model": st.session_state["model"]})
page.run()
