"""What every page of the app begins with: the menu, and the model where a page needs one."""

from pathlib import Path

import streamlit as st

from ui.menu import FIRST, PAGES, first_page
from ui.state.models import abilities_of, choose_model

UI = Path(__file__).parent


def make_page(name: str) -> st.Page:
    entry = PAGES[name]
    return st.Page(UI / entry.file, title=entry.title, icon=entry.icon, url_path=name, default=name == "home")


st.set_page_config(page_title="Ganvas", page_icon=str(UI / "icon.svg"), layout="wide")
st.logo(str(UI / "wordmark.svg"), size="medium")
st.html(UI / "style.css")
pages = {name: make_page(name) for name in PAGES}
more = [pages[name] for name in PAGES if name not in FIRST]
page = st.navigation({"": [pages[name] for name in FIRST], "More": more}, position="top")
if page is pages["home"] and "model" in st.query_params:  # a link of before there was a home, or from outside
    found = first_page(abilities_of(st.query_params["model"]))
    given = {name: st.query_params.get_all(name) for name in st.query_params}
    st.switch_page(pages[found], query_params=given)
need = next(PAGES[name].need for name, made in pages.items() if made is page)
if need:
    choose_model(need)
page.run()
