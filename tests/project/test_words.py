"""Code and documentation use the standard terms of the field: words that only this project used stay out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("pretrained", "trainer", "ui", "gradio_ui", "spaces", "docs", "benchmarks", "stress")
SUFFIXES = {".py", ".md", ".js", ".html"}
STANDARD = {
    r"(whose|by the|these|wants?_|open_) ?eyes": "feature extractor",
    r"\bfellows?\b(?! et al)": "others, neighbours",
    r"(learnt|learn|learned) (\w+ )?by heart": "memorised",
    r"means? nothing to --": "has no effect with",
    r"[Hh]ub gives no more": "Hub unavailable; using the cached copy",
    r"\bPatience\b(?! *=)": "RetryPolicy",
    r"\blet_go\b": "release_pages",
    r"not as asked for; says": "is invalid; the message says",
    r"learnt late, if at all": "often ignored",
    r"\bknobs?\b(?!\")": "controls",
    r"\bwithout doubt\b": "recognised, with a confidence of 0.9 or more",
    r"not a picture that|holds no picture|turns pictures into": "image",
    r"\ba film (needs|cannot|of)\b": "a video",
}
# In prose alone: in code a name may be as short as this.
IN_PROSE = {
    r"\bfilms?\b": "video",
    r"(?<!contact )\bsheets?\b": "grid of images, contact sheet",
    r"\bspoilt\b": "corrupted",
    r"\bat rest\b": "stored",
    r"\bby turns\b": "alternately",
    r"\bheed\b": "follow",
    r"\bwhat it takes?\b": "cost",
    r"\bin peace\b": "without faults",
}
PROSE = {".md", ".html"}
FILES = [
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("*.py"), *(p for room in ROOMS for p in (ROOT / room).rglob("*"))]
    if path.suffix in SUFFIXES
]


def coined(text: str, words: Mapping[str, str] = STANDARD | IN_PROSE) -> list[str]:
    """What is found in a text, with the standard term for it."""
    text = " ".join(text.split())
    return [f"{found[0]!r}: {term}" for word, term in words.items() for found in re.finditer(word, text)]


@pytest.mark.parametrize(
    "text",
    [
        "by whose eyes",
        "a network that has learnt\n images by heart",
        "--real-label and its fellows",
        "let_go()",
        "a film of 60 frames",
    ],
)
def test_they_are_found(text):
    assert coined(text)


@pytest.mark.parametrize("text", ["Goodfellow 2014", "torch.eye(3)", "a heart", "a contact sheet"])
def test_other_words_are_not(text):
    assert not coined(text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_standard_terms(path):
    words = STANDARD | IN_PROSE if path.suffix in PROSE else STANDARD
    assert coined(path.read_text("utf-8"), words) == []
