"""Home: what this is, a picture that moves, and three doors."""

import streamlit as st

from ui.menu import PAGES
from ui.widgets.hero import hero

# What stands on each door, by the page that it opens.
DOORS = {
    "translate": ("Draw", "Scribble, and it turns into a picture"),
    "explore": ("Explore", "Pull a picture until it is another"),
    "gallery": ("Gallery", "All models, here and on the Hub"),
}

with st.container(key="home"):
    st.title("Pictures that nobody has taken")
    st.markdown("Small networks that learnt to draw. Play with them here: what you see, they make up.")
    hero()
    with st.container(horizontal=True, key="doors"):
        for name, (title, line) in DOORS.items():
            with st.container(key=f"door-{name}"):
                st.page_link(PAGES[name].file, label=f"**{title}**", icon=PAGES[name].icon, help=line, width="stretch")
                st.caption(line)
