"""The pages of the app: what each is called, and what a model must be able to do to fill it."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A page: its file below ui/, its title and icon, and the ability that its model needs, or None for no model."""

    file: str
    title: str
    icon: str
    need: str | None = None


# By the name in the link. The menu shows all of them, whatever the model; those after FIRST lie below "More".
PAGES = {
    "home": Entry("home.py", "Home", ":material/home:"),
    "translate": Entry("views/translate.py", "Draw", ":material/brush:", "source"),
    "explore": Entry("views/explore.py", "Explore", ":material/explore:", "noise"),
    "write": Entry("views/write.py", "Write", ":material/text_fields:", "characters"),
    "samples": Entry("views/samples.py", "Samples", ":material/grid_view:", "noise"),
    "walk": Entry("views/walk.py", "Walk", ":material/conversion_path:", "noise"),
    "gallery": Entry("views/gallery.py", "Gallery", ":material/photo_library:"),
    "mix": Entry("views/mix.py", "Mix", ":material/blender:", "style"),
    "encode": Entry("views/photos/encode.py", "Encode", ":material/image_search:", "encode"),
    "edit": Entry("views/photos/edit.py", "Edit a photo", ":material/tune:", "noise"),
    "compare": Entry("views/compare.py", "Compare", ":material/compare:"),
    "train": Entry("views/train.py", "Train", ":material/model_training:"),
    "watch": Entry("views/watch.py", "Watch it learn", ":material/monitoring:"),
}
FIRST = ("home", "translate", "explore", "write", "samples", "walk", "gallery")


def first_page(abilities: set[str]) -> str:
    """Where a model is opened: the name of a page that it fills."""
    return "translate" if "source" in abilities else "samples"
