"""Pictures from the visitor, within bounds that hold on the server too."""

from __future__ import annotations

import io

import streamlit as st
from PIL import Image
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pretrained.media.images import open_image
from pretrained.system.errors import InputError
from ui.state.models import DEVICE

MAX_MEGABYTES = 20
MAX_FILES = 32  # at once


def read(file: UploadedFile) -> Image.Image:
    """An uploaded picture, "RGB"; InputError names the file that is too large, or none that can be read."""
    name = file.name[:100]
    if file.size > MAX_MEGABYTES * 2**20:
        raise InputError(f"{name} has {file.size / 2**20:.0f} MB: at most {MAX_MEGABYTES}")
    try:
        return _open(file.getvalue())
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


# Of a visit, since it is nobody else's, and goes with it.
@st.cache_data(max_entries=MAX_FILES, show_spinner="Reading …", scope="session")
def _open(data: bytes) -> Image.Image:
    with DEVICE:  # one large picture is unpacked at a time
        return open_image(io.BytesIO(data))
