"""Gallery: all checkpoints at hand, and those that somebody offers on the Hub, as cards; one click opens one."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pretrained import hub
from pretrained.system.errors import InputError
from pretrained.titles import title_of
from ui.menu import PAGES, first_page
from ui.state.dropped import SUFFIXES, open_where_it_was_made
from ui.state.models import error_text, escape_markdown
from ui.widgets.model_cards import MOST, Card, at_hand, facts, licence, offered, preview
from ui.widgets.upload import MAX_MEGABYTES


def show(card: Card) -> None:
    """A card: its picture, its name, what it is, and the button that opens it."""
    with st.container(border=True):
        if not card.config:
            st.markdown(f"**{escape_markdown(card.id)}**")
            st.caption(escape_markdown(card.problem))
            return
        if shown := preview(card):
            st.image(shown, width="stretch", output_format="PNG", alt=f"Pictures of {card.id}")
        else:
            st.caption("It has no picture.")
        title, caption = title_of(card.config)
        st.markdown(f"**{escape_markdown(card.id if title == card.config.name else title)}**")
        if caption:
            st.caption(escape_markdown(caption))
        st.caption(f"{escape_markdown(facts(card.config))}  \n{escape_markdown(licence(card.config))}")
        st.button(
            f"Open {escape_markdown(card.id)}",
            key=f"open {card.id}",
            on_click=st.session_state.update,
            args=({"model": card.id, "open": first_page(set(card.config.input))},),
            help=f"Choose {escape_markdown(card.id)}, and go to the first page that it fills",
            icon=":material/open_in_new:",
            width="stretch",
        )


def show_all(cards: Sequence[Card], key: str) -> None:
    with st.container(key=f"cards-{key}"):
        for card in cards:
            show(card)


def drop() -> None:
    """A field for a picture; one that carries its recipe opens the page where it was made, as it was set there."""
    file = st.file_uploader(
        "A picture that Ganvas made",
        SUFFIXES,
        max_upload_size=MAX_MEGABYTES,
        help="It is opened where it was made, by the recipe in its metadata. The picture itself is not looked at.",
    )
    if file is None:
        return
    try:
        page, link = open_where_it_was_made(file.name, file.getvalue())
    except InputError as error:
        st.error(error_text(error), icon=":material/error:")
    else:
        st.session_state["model"] = link["model"]
        st.switch_page(PAGES[page].file, query_params=link)


if page := st.session_state.pop("open", None):  # a model was chosen
    st.switch_page(PAGES[page].file, query_params={"model": st.session_state["model"]})

st.title("Gallery")
st.caption("All checkpoints at hand, and those on the Hugging Face Hub. Open one, and play.")
drop()
name = st.text_input(
    "On the Hub",
    key="hub",
    bind="query-params",
    max_chars=100,
    placeholder="a user, or a tag",
    width=320,
    icon=":material/search:",
    help="Whose checkpoints to show: a user or an organisation on the Hugging Face Hub, or a tag, such as dcgan; "
    f"{hub.TAG} is that of all. The newest {MOST} are shown.",
)
if name := (name or "").strip():
    st.subheader(escape_markdown(name))
    try:
        cards = offered(name)
    except InputError as error:
        st.error(error_text(error), icon=":material/error:")
    else:
        show_all(cards, "hub")
        if not cards and hub.is_offline():
            st.info(
                f"HF_HUB_OFFLINE=1 is set, and nothing called {escape_markdown(name)} was pulled before: "
                "unset it to look there."
            )
        elif not cards:
            st.info(
                f"Nobody called {escape_markdown(name)} offers a checkpoint on the Hub, and none there has such a tag."
            )
    st.subheader("Here")
show_all(at_hand(), "here")
