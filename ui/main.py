"""What every page of the app begins with: the model, and the menu of what can be done with it."""

from pathlib import Path

import streamlit as st

from ui.state.models import choose_model

UI = Path(__file__).parent
# What the pages are called, and what the config's input of a checkpoint must name so that they are offered, or None.
PAGES = {
    "samples": ("Samples", ":material/grid_view:", "noise"),
    "walk": ("Walk", ":material/conversion_path:", "noise"),
    "explore": ("Explore", ":material/explore:", "noise"),
    "mix": ("Mix", ":material/blender:", "style"),
    "encode": ("Encode", ":material/image_search:", "encode"),
    "edit": ("Edit", ":material/tune:", "noise"),
    "translate": ("Translate", ":material/brush:", "source"),
    "gallery": ("Gallery", ":material/photo_library:", None),
    "compare": ("Compare", ":material/compare:", None),
    "train": ("Train", ":material/model_training:", None),
    "watch": ("Watch it learn", ":material/monitoring:", None),
}

st.set_page_config(page_title="Ganvas", page_icon=str(UI / "icon.svg"), layout="wide")
st.logo(str(UI / "wordmark.svg"), size="medium")
st.html(UI / "style.css")
abilities = choose_model()
visible = [name for name, (_, _, need) in PAGES.items() if need in {None, *abilities}]


def make_page(name: str, **where: object) -> st.Page:
    return st.Page(UI / "views" / f"{name}.py", title=PAGES[name][0], icon=PAGES[name][1], **where)


# The first page lies at the root, and a hidden one at its name; a page that is not offered is there for links too.
first, *others = visible
pages = {first: make_page(first, default=True, url_path="start")}
pages |= {
    name: make_page(name, visibility="visible" if name in others else "hidden") for name in PAGES if name != first
}
page = st.navigation([*pages.values(), make_page(first, visibility="hidden")], position="top")
if st.session_state.pop("open", False):  # a model was chosen in the gallery
    st.switch_page(pages[first], query_params={"model": st.session_state["model"]})
page.run()
