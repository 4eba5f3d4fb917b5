"""translate and evaluate read folders as training does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.folders import FORMS, encode, image, named, pairs, with_ghosts, write_folder
from helpers.recipes import shrink, train
from helpers.translating import save
from PIL import Image

from pretrained.__main__ import main
from trainer.cli import evaluate


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def translate(model: Path, source: Path, out: Path, *more: str) -> list[str]:
    main(["translate", str(model), "--input", str(source), "--out", str(out), *more])
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))


def test_translate_reads_what_training_reads(tmp_path, capsys):
    model = save(tmp_path / "model", "clean")
    files = named("cat", 2) | {"cat/0.JPG": encode(image(7), "JPEG"), "one.jfif": encode(image(8), "JPEG")}
    ramp = np.tile(np.linspace(0, 4095, 16), (16, 1)).astype(np.uint16)
    files |= {"deep.png": encode(Image.fromarray(ramp)), "movie.mp4": b"x"}
    source = write_folder(tmp_path / "set", with_ghosts(files))
    made = translate(model, source, tmp_path / "out")
    assert made == ["cat/0.JPG.png", "cat/0.png.png", "cat/1.png", "one.png"]
    said = capsys.readouterr().err
    assert "left out 1 files that are no images Pillow reads here (1 .mp4)" in said
    assert "left out 1 of 5 images: deep.png: 16-bit values from 0 to 4095 may be of 12 bits: set --levels" in said
    again = translate(model, source, tmp_path / "out", "--levels", "0", "4095")
    assert again == sorted([*made, "deep.png"])
    assert np.asarray(Image.open(tmp_path / "out" / "deep.png")).mean() > 60


def test_a_pointer_in_place_of_weights_is_a_sentence(tmp_path, capsys):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    (tmp_path / "model.safetensors").write_text(pointer)
    with pytest.raises(SystemExit) as ended:
        main(["info", str(tmp_path)])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "git-LFS pointer" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("form", ["plain", "wrapped zip with ghosts"])
def test_evaluate_takes_the_held_out_pairs(tmp_path, form):
    files = pairs("A/train", "B/train", 5) | pairs("A/val", "B/val", 3, 10)
    data = FORMS[form](tmp_path / "set", files)
    recipe = replace(shrink("pix2pix-facades", 0.008, labels="none", network="resnet"), data=str(data), size=16)
    train(recipe, tmp_path / "run")
    report = evaluate.run(evaluate.Command(str(tmp_path / "run"), str(data), device="cpu"))
    assert report["protocol"]["samples"] == "3 held-out pictures"
    assert set(report["scores"]) == {"psnr", "ssim"}
