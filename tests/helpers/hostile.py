"""What a stranger may write into a link to a page or into a call of the API, and what is answered."""

from __future__ import annotations

# What stands for a number or a word in a link -> what it is.
VALUES = {
    "beyond all bounds": str(10**30),
    "a large number": str(10**9),
    "below zero": "-1",
    "no number": "NaN",
    "beyond all floats": "1e999",
    "infinite": "-inf",
    "nothing": "",
    "long": "x" * 100_000,
    "many digits": "9" * 100_000,
    "a path": "../../etc/passwd",
    "a path from the root": "/etc/passwd",
    "a NUL": "a\0b",
    "a folder above": "user/..",
    "turned letters": "\u202e7",
    "a script": "<script>alert(1)</script>",
    "Markdown": "[x](javascript:alert(1)) ![x](http://evil.example/x.png) :red[x]",
}
# Seeds of a walk, 32 at most, and how the pages and the API refuse them.
SEEDS = {
    "0-999999999": "seeds must name at most 65,536 seeds, got '0-999999999'",
    "0-99": "seeds must name at most 32 seeds here, got 100",
    "-1": "seeds must be numbers and ranges from 0 to 4294967295, as in 0-63 or 1,2,5-9, got '-1'",
    **{
        seeds: f"1,2,5-9, got {seeds!r}"
        for seeds in (
            *("NaN", "4294967296", "\u202e7", "\u0663", "a\0b", "<script>", "![x](http://evil.example/x.png)"),
        )
    },
}
# Calls of the API: an endpoint, what it is given, and the sentence.
MISTAKES = [
    *(("walk", {"seeds": seeds}, sentence) for seeds, sentence in SEEDS.items()),
    ("sample", {"model": "../../etc"}, "'../../etc' is not offered here: one of labelled"),
    ("sample", {"model": "fill"}, "fill makes no images from seeds"),
    ("sample", {"seeds": "0-999"}, "seeds must name at most 256 seeds here, got 1,000"),
    ("sample", {"seeds": "1," * 600}, "seeds must be a text of at most 1000 characters"),
    ("sample", {"seeds": None}, "seeds is missing"),
    ("sample", {"columns": 10**9}, "columns must be 1 to 32, got 1000000000"),
    ("sample", {"label": 10**9}, "label must be 0 to 9999, got 1000000000"),
    ("sample", {"label": ["<b>"]}, "label must be 0 to 9999, got ["),
    ("sample", {"truncation": -1.0}, "truncation must be 0 to 2, got -1.0"),
    ("sample", {"truncation": 1e308}, "truncation must be 0 to 2, got 1e+308"),
    ("sample", {"truncation": "NaN"}, "truncation must be 0 to 2, got NaN"),
    ("sample", {"truncation": "Infinity"}, "truncation must be 0 to 2, got Infinity"),
    ("sample", {"label": -1}, "label must be 0 to 9999, got -1"),
    ("sample", {"seeds": {"$": [1]}}, "seeds must be a text of at most"),
    ("sample", {"columns": 1.5}, "columns must be 1 to 32, got 1.5"),
    ("sample", {"text": "x" * 2000}, "text must be a text of at most 1000 characters"),
    ("sample", {"model": "x\0" * 10**6}, "model must be a text of at most 1000 characters"),
    ("sample", {"text": "a cat"}, "labelled takes no text"),
    ("walk", {"fps": 0}, "fps must be 1 to 60, got 0"),
    ("walk", {"frames": -(10**30)}, "frames must be 1 to 600, got -1"),
    ("walk", {"loop": "maybe"}, "loop must be true or false, got maybe"),
    ("walk", {"frames": 10**9}, "frames must be 1 to 600, got 1000000000"),
    ("mix", {"model": "styled", "layers": 9}, "layers must be 0 to 8, got 9"),
    ("mix", {}, "labelled has no styles to mix"),
    ("mix", {"model": "styled", "rows": "0-99"}, "rows must name at most 16 seeds here, got 100"),
    ("translate", {"model": "style", "picture": None}, "picture is missing"),
    ("translate", {"model": "style", "picture": "photo.png", "strength": 10**9}, "strength must be 0 to 1, got 1"),
    ("translate", {"model": "style", "picture": "photo.png", "strength": "nan"}, "strength must be 0 to 1, got nan"),
    (
        "translate",
        {"model": "style", "picture": "photo.png", "seed": 10**12},
        "seed must be 0 to 4294967295, got 1000000000000",
    ),
    (
        "translate",
        {"model": "style", "picture": "photo.png", "fit": "melt"},
        "fit must be one of crop, tile, stretch, got melt",
    ),
    ("translate", {"model": "style", "picture": "log"}, "not an image that can be read"),
    ("translate", {"model": "style", "picture": "large.png"}, "8000 x 8000 px is too large"),
    ("translate", {"model": "fill", "picture": "photo.png"}, "fill fills holes: give either mask"),
    ("draw", {"model": "fill", "drawing": "photo.png"}, "fill takes no drawings"),
    ("reconstruct", {"picture": "photo.png"}, "labelled has no encoder"),
]
