"""Sentences as numbers: words that a checkpoint's vocabulary holds, in rows of one length."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pretrained.system.errors import InputError

MAX_WORDS = 16  # in a row; what follows is left out


def words(text: str) -> list[str]:
    """The words of a sentence, in lower case, without punctuation."""
    return re.findall(r"\w+", text.lower())


def encode(text: str, vocabulary: Sequence[str]) -> list[int]:
    """The known words of `text` as 1 + their places in `vocabulary`, filled up with 0 to MAX_WORDS.

    Raises:
        InputError: no word is known; names some that are.
    """
    known = {word: place for place, word in enumerate(vocabulary, start=1)}
    row = [known[word] for word in words(text) if word in known][:MAX_WORDS]
    if not row:
        raise InputError(f"no word of {text[:100]!r} is known: try {', '.join(vocabulary[:12])}, ...")
    return row + [0] * (MAX_WORDS - len(row))
