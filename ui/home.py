"""Home: what this is, a picture that moves, and three doors."""

import base64
from functools import cache
from pathlib import Path

import streamlit as st

from ui.menu import PAGES
from ui.train import limits
from ui.widgets.component import component

FILM = Path(__file__).with_name("home.mp4")  # made by docs/home.py

# What stands on each door, by the page that it opens.
DOORS = {
    "translate": ("Draw", "Scribble, and it turns into a picture"),
    "explore": ("Explore", "Pull a picture until it is another"),
    "gallery": ("Gallery", "All models, here and on the Hub"),
}

hero = component("hero", '<div class="hero"><video muted loop autoplay playsinline></video></div>')


@cache
def film() -> str:
    return "data:video/mp4;base64," + base64.b64encode(FILM.read_bytes()).decode()


with st.container(key="home"):
    st.title("Pictures that nobody has taken")
    st.markdown("Small networks that learnt to draw. Play with them here: what you see, they make up.")
    # It plays by itself, and follows the pointer while that is above it.
    hero(key="hero", data={"source": film(), "label": "Pictures of the bundled models, turning into one another"})
    with st.container(horizontal=True, key="doors"):
        for name, (title, line) in DOORS.items():
            with st.container(key=f"door-{name}"):
                label = f"**{title}** · {line}"
                st.page_link(PAGES[name].file, label=label, icon=PAGES[name].icon, width="stretch")
    if not limits.refusal():
        st.page_link(PAGES["train"].file, label="Train a model of your own images", icon=PAGES["train"].icon)
