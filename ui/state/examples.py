"""The sources that came with a translator, read once."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from PIL import Image

from pretrained.media import examples as reader
from ui.state.models import Model


def examples(model: Model) -> list[tuple[Image.Image, dict[str, Image.Image]]]:
    """Sources, and what goes with each, by name."""
    return _read(Path(model.key[0]), model.key, model.pipeline.scale)


@st.cache_data(max_entries=16, show_spinner=False)
def _read(path: Path, key: tuple, scale: int) -> list[tuple[Image.Image, dict[str, Image.Image]]]:
    return reader.examples(path, scale)
