"""`python -m pretrained directions`, and what moves along what it keeps."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.small import save_small
from helpers.written import complaint, read_png

import pretrained
from pretrained.__main__ import main
from pretrained.media.images import grid
from pretrained.pipelines.directions import find, move


def test_the_command_finds_shows_keeps_and_lists(tmp_path, capsys):
    folder = save_small(tmp_path / "mine")
    pipeline, sheet = pretrained.load(str(folder), "cpu"), tmp_path / "sheet.png"
    show = ["--count", "3", "--seed", "5", "--reach", "2", "--out", str(sheet)]
    main(["directions", str(folder), "--method", "sefa", *show])
    drawn, recipe = read_png(sheet)
    rows = find(pipeline, "sefa")[:3]
    images = [
        pipeline.sample([5], move=np.float32(strength) * row)[0] for row in rows for strength in np.linspace(-2, 2, 9)
    ]
    assert np.array_equal(drawn, grid(np.stack(images), 9))
    assert recipe["rows"] == [{f"sefa-{index}": 1.0} for index in (1, 2, 3)]

    main(["directions", str(folder), "--method", "sefa", "--save", "slant=2", "two words=1"])
    main(["directions", str(folder), *show])
    kept, recipe = read_png(sheet)
    assert np.array_equal(kept, np.concatenate([drawn[32:64], drawn[:32]]))
    listed = capsys.readouterr().out.splitlines()
    assert [line.split() for line in listed if "1 sefa" in line] == [
        ["slant", "1", "sefa-2"],
        ["two", "words", "1", "sefa-1"],
    ]

    main(["directions", str(folder), "--rows", "sefa-3", "two words", *show])
    chosen, _ = read_png(sheet)
    assert np.array_equal(chosen[32:], kept[32:])
    assert not np.array_equal(chosen[:32], kept[:32])

    out = tmp_path / "out.png"
    main(["sample", str(folder), "--seeds", "3-4", "--move", "slant=1.5", "seed-7=-1", "--out", str(out)])
    drawn, recipe = read_png(out)
    offset = move(pipeline, {"sefa-2": 1.5, "seed-7": -1})
    assert np.array_equal(drawn, grid(pipeline.sample([3, 4], move=offset)))
    assert recipe["moves"] == {"slant": 1.5, "seed-7": -1.0}

    elsewhere = tmp_path / "kept.safetensors"
    main(["directions", "icgan-mnist", "--method", "sefa", "--directions", str(elsewhere), "--save", "tilt=1"])
    tilted = ["--move", "tilt=2", "--directions", str(elsewhere)]
    main(["sample", "icgan-mnist", "--seeds", "3", *tilted, "--out", str(out)])
    bundled = pretrained.load("icgan-mnist", "cpu")
    assert np.array_equal(read_png(out)[0], bundled.sample([3], move=move(bundled, {"sefa-1": 2}))[0, ..., 0])


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["directions", "dcgan-mnist", "--method", "sefa", "--save", "slant=1"], "name a file with --directions"),
        (["directions", "dcgan-mnist", "--method", "sefa"], "--out FILE to show, or --save"),
        (["directions", "dcgan-mnist", "--save", "slant=1"], "--save needs --method"),
        (["directions", "bare", "--out", "sheet.png"], "keeps no directions: find some"),
        (
            ["directions", "dcgan-mnist", "--method", "sefa", "--directions", "x", "--save", "a=65"],
            "--save must be 1 to 64, got a=65",
        ),
        (["directions", "dcgan-mnist", "--method", "sefa", "--save", "slant"], "must be NAME=NUMBER, as in slant=2"),
        (["sample", "dcgan-mnist", "--move", "slant=fast", "--out", "x.png"], "must be NAME=NUMBER, as in slant=2"),
        (["sample", "bare", "--move", "slant=1", "--out", "x.png"], "no direction 'slant'"),
    ],
)
def test_a_command_that_cannot_be_carried_out_is_one_line(tmp_path, monkeypatch, capsys, command, words):
    monkeypatch.chdir(tmp_path)
    save_small(tmp_path / "bare")
    assert words in complaint(capsys, *command)
    assert [path.name for path in tmp_path.iterdir()] == ["bare"]
