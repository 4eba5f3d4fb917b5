"""Components that hand over what the endpoints take: files, which are opened there with care, and labels."""

from __future__ import annotations

import gradio as gr
from gradio.components.base import server
from gradio.components.image_editor import AcceptBlobs, EditorData
from gradio.data_classes import ImageData

from gradio_ui.endpoints import save

MAX_BYTES = 20 * 2**20


class Labels(gr.Dropdown):
    """The names of labels, after a first choice that stands for none in particular -> the label, or None."""

    is_template = True  # the browser shows a gr.Dropdown

    def preprocess(self, payload: str | None) -> int | None:
        """Find the label of a name."""
        place = super().preprocess(payload)
        return place - 1 if place else None


class Upload(gr.Image):
    """A picture of the visitor's -> its file."""

    is_template = True

    def preprocess(self, payload: ImageData | None) -> gr.FileData | None:
        """Hand the file over as it is."""
        return gr.FileData(path=payload.path) if payload and payload.path else None


class Canvas(gr.ImageEditor):
    """A drawing -> the files of its parts: {"background", "layer", "composite"}, each a PNG or None."""

    is_template = True

    def preprocess(self, payload: EditorData | None) -> dict[str, gr.FileData | None]:
        """Collect what the browser has sent."""
        parts = self.blob_storage.pop(payload.id, None) if payload and payload.id else payload
        layers = parts.layers if parts else []
        found = {
            "background": parts and parts.background,
            "layer": layers[0] if layers else None,
            "composite": parts and parts.composite,
        }
        return {name: self._kept(name, part) if isinstance(part, bytes) else part for name, part in found.items()}

    def _kept(self, name: str, part: bytes) -> gr.FileData:
        file = save(part, f"{name}.png")
        self.temp_files.add(file.path)  # to be deleted with the others
        return file

    @server
    def accept_blobs(self, data: AcceptBlobs) -> None:
        """Take a part of a drawing; what is too large, or no part of one layer, is left aside."""
        if len(data.files[0][1]) <= MAX_BYTES and str(data.data["index"] or 0) in ("null", "0"):
            super().accept_blobs(data)
