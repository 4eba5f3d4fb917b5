"""Runs of the methods that translate: what is published, what is refused, what is measured."""

import json
import math
from dataclasses import replace
from statistics import mean

import numpy as np
import pytest
from helpers.recipes import extractor, make, shrink, train, weights
from helpers.small import save_squeezenet
from PIL import Image
from torch import nn

import pretrained
from pretrained.system.errors import InputError
from trainer.__main__ import main
from trainer.cli import evaluate
from trainer.loop import run_folder
from trainer.methods.recipes import RECIPES


def test_both_directions_are_published(tmp_path):
    train(shrink("cyclegan-emoji"), tmp_path)
    for folder, name in ((tmp_path, "cyclegan-emoji"), (tmp_path / "reverse", "cyclegan-emoji-reverse")):
        pipeline = pretrained.load(str(folder), "cpu")
        assert pipeline.config.name == name
        assert pipeline.translate(Image.new("RGB", (50, 40))).size == (32, 32)
        assert name in (folder / "README.md").read_text()
        with Image.open(folder / "samples.png") as samples:
            assert json.loads(samples.text["ganvas"]) == {"id": name, "columns": ["source", "output"]}
            assert samples.size == (2 * 32, 8 * 32)
    there, back = weights(tmp_path), weights(tmp_path / "reverse")
    assert not any(there[name].equal(back[name]) for name in there if there[name].dim() > 1)


def test_both_directions_are_pushed(hub, tmp_path):
    small = "--data fake --size 32 --width 4 --blocks 1 --discriminator-width 4 --layers 2 --batch-size 8 --kimg 0.008"
    words = f"cyclegan-emoji {small} --device cpu --threads 1 --push-to-hub --repo-id alice/emoji"
    done = hub.run("-m", "trainer", *words.split(), "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"{hub.url}/alice/emoji", f"{hub.url}/alice/emoji-reverse"]
    for name in ("emoji", "emoji-reverse"):
        folder = tmp_path / "run" / ("reverse" if "reverse" in name else "")
        assert hub.hub.content(f"alice/{name}", "model.safetensors") == (folder / "model.safetensors").read_bytes()
    again = hub.run("-m", "trainer", "push", str(tmp_path / "run"), "--repo-id", "alice/emoji")
    assert again.stdout == done.stdout


def test_no_path_of_the_user_is_published(tmp_path):
    recipe = shrink("style-transfer", kimg=0.008, **extractor(tmp_path, RECIPES["style-transfer"]))
    train(recipe, tmp_path / "run")
    for path in (tmp_path / "run").glob("*.*"):
        if not path.name.startswith("resume."):
            assert str(tmp_path).encode() not in path.read_bytes(), path
    config = pretrained.load(str(tmp_path / "run"), "cpu").config
    assert config.training["options"]["style"] == "style.png"


def test_samples_are_source_output_and_target(tmp_path):
    recipe = replace(shrink("pix2pix-facades"), kimg=0.008)
    train(recipe, tmp_path)
    data = recipe.method.read(recipe.options, "fake", 32, None, None)
    pipeline = pretrained.load(str(tmp_path), "cpu")
    with Image.open(tmp_path / "samples.png") as samples:
        assert samples.size == (3 * 32, 8 * 32)
        for row, example in enumerate(data.examples(8)):
            for column, image in enumerate((example.source, pipeline.translate(example.source), example.target)):
                cell = samples.crop((column * 32, row * 32, (column + 1) * 32, (row + 1) * 32))
                assert cell.tobytes() == image.tobytes()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("style-transfer", "--style must be an image file, got nothing"),
        ("style-transfer --style nowhere.png", "--style must be an image file, got nowhere.png"),
        ("style-transfer --style style.png --perceptual none", "--perceptual none"),
        ("style-transfer --style style.png --perceptual nowhere.npz", "--perceptual must be none, vgg16, squeezenet"),
        (
            "style-transfer --style style.png --perceptual broken.npz",
            "--perceptual must be an .npz file of arrays",
        ),
        ("style-transfer --style style.png --perceptual broken.pth", "--perceptual must hold VGG-16, got broken.pth"),
        ("style-transfer --style broken.pth --perceptual squeezenet.npz", "not an image"),
        ("pix2pix-facades --size 50", "multiple of 16"),
        ("pix2pix-facades --size 32 --layers 4", "--size must be >= 64 with --layers 4, got 32"),
        ("pix2pix-facades --degradation grey", "--direction has no effect with --degradation"),
        ("pix2pix-emoji --labels facades", "--labels has no effect with --degradation"),
        ("pix2pix-emoji --degradation sepia", "sketch"),
        ("cyclegan-emoji --data .", "trainA and trainB"),
        ("cyclegan-emoji --jitter 9", "--jitter must be 0 to 4, got 9"),
        ("srgan-x4 --size 16 --perceptual none", "--size must be >= 19 with --scale 4, got 16"),
        ("srgan-x4 --scale 3 --perceptual none", "power of two"),
        ("dncnn --low 300", "low is 300"),
        ("context-encoder --strokes 2", "strokes is 2"),
    ],
)
def test_mistakes_are_one_line(capsys, tmp_path, monkeypatch, typed, words):
    monkeypatch.chdir(tmp_path)
    extractor(tmp_path, RECIPES["style-transfer"])
    for name in ("broken.npz", "broken.pth"):
        (tmp_path / name).write_text("not weights")
    data = [] if "--data" in typed else ["--data", "fake"]
    size = [] if "--size" in typed else ["--size", "32"]
    with pytest.raises(SystemExit) as ended:
        main([*typed.split(), *data, *size, "--device", "cpu"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert words in line
    assert not (tmp_path / "runs").exists()


def test_evaluating_by_hand(tmp_path, capsys, monkeypatch):
    """A denoiser that does nothing scores what its sources score."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    method, data = make("dncnn")
    nn.init.zeros_(method.G.layers[-1].weight)
    nn.init.zeros_(method.G.layers[-1].bias)
    recipe = shrink("dncnn")
    training = {"recipe": "dncnn", "options": run_folder.describe(recipe)}
    config = pretrained.checkpoint.Config("dncnn", **method.checkpoint(), training=training)
    pretrained.checkpoint.save(tmp_path / "run", method.G, config)
    weights = save_squeezenet(tmp_path / "squeezenet.npz")
    main(["evaluate", str(tmp_path / "run"), "--data", "fake", "--device", "cpu", "--feature-weights", str(weights)])
    report = json.loads(capsys.readouterr().out)
    scores = report["scores"]
    assert scores["psnr"] == scores["psnr_source"]
    assert scores["ssim"] == scores["ssim_source"] < 1
    errors = []
    for example in data.examples(200):
        x, y = (np.asarray(image, np.float64) / 255 for image in (example.source, example.target))
        errors.append(-10 * math.log10(np.square(x - y).mean()))
    assert scores["psnr"] == pytest.approx(mean(errors), rel=1e-4)
    assert scores["distance"] > 0
    assert report["protocol"]["samples"] == f"{len(errors)} held-out pictures"
    assert "kid" not in scores, "too few images for that"


@pytest.mark.parametrize(
    ("name", "words"), [("style-transfer", "no targets"), ("pix2pix-emoji", "not record its recipe")]
)
def test_what_cannot_be_evaluated(tmp_path, name, words):
    recipe = shrink(name, **extractor(tmp_path, RECIPES[name]))
    training = {"recipe": name, "options": run_folder.describe(recipe)} if name == "style-transfer" else {}
    config = pretrained.checkpoint.Config(name, **make(name, tmp_path)[0].checkpoint(), training=training)
    with pytest.raises(InputError, match=words):
        evaluate.read_pairs(config, "fake", tmp_path)


def test_the_reverse_is_evaluated_the_other_way_round():
    method, data = make("cyclegan-emoji")
    training = {"recipe": "cyclegan-emoji", "options": run_folder.describe(shrink("cyclegan-emoji"))}
    for name, wanted in (("cyclegan-emoji", data), ("cyclegan-emoji-reverse", data.reversed())):
        config = pretrained.checkpoint.Config(name, **method.checkpoint(), training=training)
        assert evaluate.read_pairs(config, "fake", None).images.equal(wanted.images)


def test_snapshots_are_not_scored_by_seeds(tmp_path):
    weights = save_squeezenet(tmp_path / "squeezenet.npz")
    with pytest.raises(InputError, match="`feature_weights` scores generators only"):
        train(shrink("dncnn"), tmp_path / "run", feature_weights=weights)
