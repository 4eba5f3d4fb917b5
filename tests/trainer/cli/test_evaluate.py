"""Evaluating a checkpoint: what is measured, what stands beside it, what is written where, and what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import filelock
import numpy as np
import pytest
import safetensors.torch
import torch
import yaml
from helpers.small import save_small
from PIL import Image

import pretrained
from pretrained import checkpoint
from pretrained.hub import model_card
from pretrained.system.errors import InputError
from trainer import data
from trainer.__main__ import main
from trainer.cli import evaluate
from trainer.cli.evaluate import Command
from trainer.loop import train as loop
from trainer.loop.settings import Settings
from trainer.methods.recipes import RECIPES
from trainer.metrics import best, features, fid_kid, score
from trainer.metrics.features import KINDS, RESIZER, Features

CPU = torch.device("cpu")
SCORES = {"fid", "kid", "kid_spread", "precision", "recall", "density", "coverage"}


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """A folder of 60 images."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.RandomState(0)
    for i in range(60):
        Image.fromarray(random.randint(0, 256, (20, 20, 3), np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(autouse=True)
def cheap(monkeypatch, tmp_path):
    """A cache of our own, and a SqueezeNet that looks at smaller images than it should."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(KINDS, "squeezenet", replace(KINDS["squeezenet"], size=32))
    monkeypatch.setattr(best, "QUICK_SAMPLES", 50)


@pytest.fixture
def run(tmp_path):
    """The folder of a checkpoint."""
    return save_small(tmp_path / "run", channels=1, size=16)


def extractor(seen=None):
    """Features that are 16 of the pixels; `seen` notes what they are shown."""

    def network(x):
        if seen is not None:
            seen.append(x)
        return torch.nn.functional.avg_pool2d(x.float(), 8).mean(1).flatten(1)

    return Features("Pixels 1", "all", 32, "0" * 64, network, CPU)


def test_json_carries_its_protocol(run, images, squeezenet, tmp_path, capsys):
    arguments = ["evaluate", run, "--data", images, "--samples", 50, "--feature-weights", squeezenet]
    main([str(word) for word in [*arguments, "--device", "cpu", "--out", tmp_path / "out.json"]])
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads((tmp_path / "out.json").read_text())
    assert report["scores"].keys() == SCORES
    assert all(np.isfinite(value) for value in report["scores"].values())
    assert report["kimg"] == 0.5
    protocol = report["protocol"]
    assert protocol["features"] == "SqueezeNet 1.0"
    assert "features.12" in protocol["layer"]
    assert len(protocol["weights"]) == 64
    assert protocol["samples"] == 50
    assert protocol["seeds"].startswith("0 to 49, untruncated")
    assert protocol["reference"] == "60 of 60 pictures at 16 px"
    assert protocol["data"] == images.name
    assert protocol["resizer"] == f"to 32 px, {RESIZER}"
    assert protocol["revision"] == "local"
    assert "25" in protocol["KID"]
    assert f"torch-fidelity {score.version('torch-fidelity')}" in protocol["versions"]
    assert not model_card.metrics(checkpoint.read_config(run / "model.safetensors").training)


def test_what_is_measured_are_the_images_that_everybody_draws(run):
    pipeline = pretrained.load(str(run), "cpu")
    drawn = torch.cat(list(score.draw(pipeline, 50, batch_size=7)))
    assert drawn.equal(torch.from_numpy(pipeline.sample(range(50))).permute(0, 3, 1, 2))
    dataset = data.load("fake", 16, Path())
    result = score.measure(pipeline, dataset, "", extractor(), num_samples=50, num_reference=80)
    expected = fid_kid.scores(extractor().extract([drawn]), extractor().extract([score.choose(dataset, 80)]))
    assert result.scores == pytest.approx(expected, rel=1e-5)


def test_real_and_generated_images_are_seen_alike():
    seen = []
    grey = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    extractor(seen).extract([grey, grey.expand(1, 3, 16, 16)])
    first, second = seen
    assert first.dtype == torch.uint8
    assert first.shape == (1, 3, 32, 32)
    assert first.equal(second)
    assert first[0, 0].equal(first[0, 1])


def test_resizing_is_antialiased():
    stripes = (torch.arange(64) % 2 * 255).to(torch.uint8).expand(1, 1, 64, 64)
    assert features.resize(stripes, 16).float().std() < 20  # without, these stripes would stay or vanish by chance


def test_reference_features_are_kept_by_what_they_depend_on(tmp_path):
    seen, dataset = [], data.load("fake", 16, Path())
    first, other = score.choose(dataset, 60), score.choose(dataset, 61)
    kept = score.extract_once(first, extractor(seen))
    assert len(seen) == 1
    assert score.extract_once(first, extractor(seen)).equal(kept)
    assert len(seen) == 1
    for images, network in [
        (other, extractor(seen)),
        (first, replace(extractor(seen), sha256="1" * 64)),
    ]:
        before = len(seen)
        score.extract_once(images, network)
        assert len(seen) == before + 1
    assert {path.suffix for path in (tmp_path / "cache/ganvas").iterdir()} == {".safetensors"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_written_scores(run, images, squeezenet, dtype):
    network, config = checkpoint.load(run / "model.safetensors")
    metrics_before = [{"name": "FID", "value": 7.0, "data": "x"}]
    checkpoint.save(run, network, replace(config, training={**config.training, "metrics": metrics_before}), dtype)
    before = safetensors.torch.load_file(run / "model.safetensors")
    command = Command(str(run), str(images), samples=50, feature_weights=squeezenet, device="cpu", write=True)
    report = evaluate.run(command)
    evaluate.run(command)  # again: rows are replaced
    after = safetensors.torch.load_file(run / "model.safetensors")
    assert all(after[name].dtype == tensor.dtype and after[name].equal(tensor) for name, tensor in before.items())
    written = checkpoint.read_config(run / "model.safetensors")
    assert written.to_json() == checkpoint.Config.from_json((run / "config.json").read_text()).to_json()
    rows = {row["name"]: row for row in written.training["metrics"]}
    assert len(rows) == len(written.training["metrics"]) == 7
    assert rows["FID"] == metrics_before[0]
    assert rows["FID (SqueezeNet)"]["value"] == report["scores"]["fid"]
    assert rows["KID (SqueezeNet)"]["spread"] == report["scores"]["kid_spread"]
    assert all(row["protocol"] == report["protocol"] for name, row in rows.items() if name != "FID")
    text = (run / "README.md").read_text()
    assert "KID (SqueezeNet)" in text.replace("\\", "")
    assert report["protocol"]["weights"] in text
    results = yaml.safe_load(text.split("---\n")[1])["model-index"][0]["results"]
    found = {metric["name"]: metric for result in results for metric in result["metrics"]}
    assert found["Recall (SqueezeNet)"]["value"] == report["scores"]["recall"]
    assert found["Recall (SqueezeNet)"]["args"] == report["protocol"]


def test_a_card_that_a_person_wrote_stays(run, images, squeezenet):
    (run / "README.md").write_text("mine")
    evaluate.run(Command(str(run), str(images), samples=50, feature_weights=squeezenet, device="cpu", write=True))
    assert (run / "README.md").read_text() == "mine"
    assert model_card.metrics(checkpoint.read_config(run / "model.safetensors").training)


def test_scores_are_not_written_while_a_training_runs(run, images, squeezenet):
    command = Command(str(run), str(images), samples=50, feature_weights=squeezenet, write=True)
    with filelock.FileLock(run / ".lock"), pytest.raises(InputError, match="a training is running"):
        evaluate.run(command)


def test_scores_are_written_to_a_folder_only(run, images, squeezenet):
    command = Command(str(run / "model.safetensors"), str(images), feature_weights=squeezenet, write=True)
    with pytest.raises(InputError, match="`write` needs the folder of a run"):
        evaluate.run(command)


def test_a_few_images_are_not_enough(run, tmp_path, squeezenet):
    with pytest.raises(InputError, match="`samples` must be >= 50, got 3"):
        Command("x", "fake", samples=3)
    folder = tmp_path / "few"
    folder.mkdir()
    Image.new("L", (16, 16)).save(folder / "0.png")
    with pytest.raises(InputError, match="got few with 1"):
        evaluate.run(Command(str(run), str(folder), feature_weights=squeezenet, device="cpu"))
    recipe = replace(RECIPES["dcgan-plain"], data=str(folder), size=16)
    with pytest.raises(InputError, match="got few with 1"):
        loop.train(recipe, Settings(device="cpu", feature_weights=squeezenet), tmp_path / "new", "")
    assert not (tmp_path / "new/model.safetensors").exists()


def test_a_mistake_is_one_line(run, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", str(run), "--data", "fake", "--samples", "3"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--samples must be >= 50, got 3" in line


def test_the_best_snapshot_is_kept(tmp_path):
    """Grey images are far from `fake`, those of a bright spot less so."""
    dataset = data.load("fake", 16, Path())
    kids = {}
    for name, gain in (("grey", 0.01), ("lively", 1.0)):
        folder = save_small(tmp_path / name, channels=1, size=16)
        network, config = checkpoint.load(folder / "model.safetensors")
        for weight in network.parameters():
            weight.mul_(gain)
        checkpoint.save(folder, network, config)
        kids[name] = best.keep(folder, dataset, extractor())
    assert kids["grey"] != kids["lively"]
    for order in (["grey", "lively"], ["lively", "grey"]):
        folder = tmp_path / "-".join(order)
        for name in order:
            shutil.copytree(tmp_path / name, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("best"))
            assert best.keep(folder, dataset, extractor()) == kids[name]
        kept = checkpoint.read_config(folder / "best/model.safetensors")
        assert kept.name == min(kids, key=kids.get)
        assert [row["value"] for row in model_card.metrics(kept.training)] == [min(kids.values())]


def test_each_snapshot_of_a_run_is_scored(tmp_path, images, squeezenet):
    recipe = RECIPES["dcgan-plain"]
    recipe = replace(
        recipe, options=replace(recipe.options, width=4, z_dim=8), data=str(images), size=16, batch_size=8, kimg=0.032
    )
    settings = Settings(device="cpu", threads=1, snapshots=2, feature_weights=squeezenet)
    loop.train(recipe, settings, tmp_path / "run", "python -m trainer tiny")
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    kids = {line["kimg"]: line["KID"] for line in lines if "KID" in line}
    assert list(kids) == [0, 0.016, 0.032]
    best = checkpoint.read_config(tmp_path / "run/best/model.safetensors").training
    assert best["kimg"] == min(kids, key=kids.get)
    (row,) = model_card.metrics(best)
    assert (row["name"], row["value"]) == ("KID (SqueezeNet)", pytest.approx(min(kids.values()), rel=1e-4))
    assert {path.name for path in (tmp_path / "run/best").iterdir()} == {
        "model.safetensors",
        "config.json",
        "README.md",
        "samples.png",
    }
    assert pretrained.load(str(tmp_path / "run/best"), "cpu").sample([0]).shape == (1, 16, 16, 3)
    plain = replace(settings, feature_weights=None)
    loop.train(recipe, plain, tmp_path / "plain", "python -m trainer tiny")
    states = [safetensors.torch.load_file(tmp_path / name / "model.safetensors") for name in ("run", "plain")]
    assert all(states[0][name].equal(states[1][name]) for name in states[0])  # to look at a run does not change it
