"""What a command has written, and what it has complained of."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from pretrained.__main__ import main
from pretrained.pipelines import image_grid


def read_png(path: Path) -> tuple[np.ndarray, dict]:
    """The pixels of a PNG, and the recipe in its metadata."""
    with Image.open(path) as image:
        return np.asarray(image), json.loads(image.text[image_grid.METADATA])


def read_film(path: Path) -> list[np.ndarray]:
    with av.open(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def complaint(capsys, *arguments: str) -> str:
    """The one line on stderr with which a command ends in exit status 2."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    return err
