"""Images from the visitor, within bounds that hold on the server too."""

from __future__ import annotations

import io

import streamlit as st
from PIL import Image
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pretrained.media.images import Levels, LevelsUnknown, open_image
from pretrained.system.errors import InputError
from ui.state.models import DEVICE, escape_markdown

MAX_MEGABYTES = 20
MAX_FILES = 32  # at once


def read(file: UploadedFile) -> Image.Image:
    """An uploaded image, "RGB"; InputError names the file that is too large, or none that can be read.

    Where the format of a deep image leaves open what black and white are, two fields ask for their values.
    """
    name = file.name[:100]
    if file.size > MAX_MEGABYTES * 2**20:
        raise InputError(f"{name} has {file.size / 2**20:.0f} MB: at most {MAX_MEGABYTES}")
    try:
        try:
            return _open(file.getvalue())
        except LevelsUnknown as error:
            if levels := _ask_levels(file.file_id, name, error):
                return _open(file.getvalue(), levels)
            raise
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _ask_levels(id: str, name: str, error: LevelsUnknown) -> Levels | None:
    """The values of black and white in a deep image, once both are given."""
    with st.container(horizontal=True):
        black, white = (
            st.number_input(
                f"{level} in {escape_markdown(name)}",
                value=None,
                placeholder=f"{found:g}",
                key=f"{level} {id}",
                width=240,
            )
            for level, found in zip(("Black", "White"), error.found)
        )
    return (black, white) if black is not None and white is not None and black < white else None


# Of a visit, since it is nobody else's, and goes with it.
@st.cache_data(max_entries=MAX_FILES, show_spinner="Reading …", scope="session")
def _open(data: bytes, levels: Levels | None = None) -> Image.Image:
    with DEVICE:  # one large image is unpacked at a time
        return open_image(io.BytesIO(data), levels=levels)
