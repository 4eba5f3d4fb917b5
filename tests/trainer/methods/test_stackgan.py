"""StackGAN: words in, images out; wrong words are negatives; stage I is left alone once stage II begins."""

import dataclasses
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pretrained import checkpoint, networks, pipelines
from pretrained.checkpoint import Config
from pretrained.inputs import text
from pretrained.media.files import list_images
from pretrained.networks import stackgan
from pretrained.system.errors import InputError
from trainer import data
from trainer.data import captions
from trainer.loop import train as loop
from trainer.loop.settings import Settings
from trainer.methods.recipes import RECIPES
from trainer.methods.stackgan import StackGAN, matching

CPU = torch.device("cpu")
RECIPE = RECIPES["stackgan-emoji"]
OPTIONS = dataclasses.replace(RECIPE.options, width=4, z_dim=8, text_dim=6, stage_one_kimg=0.016)
TINY = dataclasses.replace(RECIPE, options=OPTIONS, data="fake", size=32, batch_size=8, kimg=0.032)
WORDS = {"vocabulary": ["cat", "dog", "red"], "examples": ["red cat", "dog"]}
SPEC = {"class": "stackgan.Generator", "size": 32, "channels": 3, "z_dim": 8, "width": 4, "text_dim": 6, "num_words": 3}


@pytest.fixture(scope="module")
def blobs():
    return data.load("fake", 32, Path())


def make(stages=2, **given):
    torch.manual_seed(0)
    network = networks.build(SPEC)
    with torch.no_grad():
        network.read.weight.mul_(100)
        for stage in (network.first, network.second):
            stage.to_picture.weight.mul_(30)
        for _ in range(20):
            network(torch.randn(32, 8), torch.randint(4, (32, 5)))
    network.stages.fill_(stages)
    config = Config("tiny", "generate", SPEC, {"noise": "normal", "text": {**WORDS, **given}})
    return pipelines.make(network.eval(), config, CPU)


def test_words_are_found_whatever_their_case():
    row = text.encode("A RED, red Cat!", WORDS["vocabulary"])
    assert row == [3, 3, 1] + [0] * (text.MAX_WORDS - 3)
    assert text.encode("dog " * 100, WORDS["vocabulary"]) == [2] * text.MAX_WORDS


def test_unknown_words_alone_are_refused():
    with pytest.raises(InputError, match="cat, dog, red"):
        text.encode("blue fish", WORDS["vocabulary"])


def test_a_sentence_is_the_mean_of_its_words():
    reader = stackgan.reader(3, 6)
    y = torch.tensor([[1, 3, 0, 0]])
    torch.testing.assert_close(reader(y)[0], (reader.weight[1] + reader.weight[3]) / 2)


def test_conditioning_augmentation_by_hand():
    """mu 2, sigma e^(1/2): KL from N(0, 1) is (4 + e - 1 - 1) / 2."""
    condition = stackgan.Condition(1, 1)
    with torch.no_grad():
        condition.layer.weight.copy_(torch.tensor([[2.0], [1.0]]))
        condition.layer.bias.zero_()
    c, divergence = condition(torch.ones(1, 1), torch.full((1, 1), 3.0))
    assert c.item() == pytest.approx(2 + 3 * np.exp(0.5))
    assert divergence.item() == pytest.approx((4 + np.e - 2) / 2)


@pytest.mark.parametrize("size", [16, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(size, channels):
    G = networks.build({**SPEC, "size": size, "channels": channels})
    shape = {"channels": channels, "width": 4, "text_dim": 6, "num_words": 3}
    z, y = torch.randn(2, 8), torch.tensor([[1, 2], [3, 0]])
    small, large = G.draw_first(z, y)[0], G.draw_second(z, y)[0]
    assert small.shape == (2, channels, size // 4, size // 4)
    assert large.shape == (2, channels, size, size)
    for image in (small, large):
        D = networks.build({"class": "stackgan.Discriminator", "size": image.shape[-1], **shape})
        assert D(image, y).shape == (2,)


def test_the_discriminator_hears_real_wrong_and_fake():
    """softplus(0) is log 2: real counts once, wrong words and fakes half each, the same words not at all."""
    zero, sure = torch.zeros(4), torch.full((4,), 50.0)
    different, same = torch.ones(4, dtype=torch.bool), torch.zeros(4, dtype=torch.bool)
    log2 = np.log(2)
    assert matching(zero, zero, zero, different).item() == pytest.approx(2 * log2)
    assert matching(sure, -sure, -sure, different).item() == pytest.approx(0.0, abs=1e-6)
    assert matching(sure, sure, -sure, different).item() == pytest.approx(25.0)
    assert matching(sure, sure, -sure, same).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("images_seen", "names"), [(0, ["D1", "G"]), (8, ["D1", "G"]), (16, ["D2", "G"])])
def test_each_update_moves_only_its_own_network(blobs, images_seen, names):
    torch.manual_seed(0)
    method, batches = StackGAN(OPTIONS, blobs), data.Batches(blobs, 8, 0, CPU)
    batches.images_seen = images_seen
    untouched = ("second.",) if images_seen < 16 else ("first.", "read.")
    moved = []
    method.schedule(batches)
    for network, terms in method.updates(batches):
        before = {name: weight.clone() for name, weight in method.named_parameters()}
        statistics = {name: buffer.clone() for name, buffer in method.G.first.named_buffers()}
        assert all(torch.isfinite(term) for term in terms.values())
        sum(terms.values()).backward(inputs=list(network.parameters()))
        torch.optim.SGD(network.parameters(), 1e-2).step()
        changed = {name for name, weight in method.named_parameters() if not before[name].equal(weight)}
        (name,) = {name.partition(".")[0] for name in changed}
        moved.append(name)
        assert not any(name.removeprefix("G.").startswith(untouched) for name in changed if name.startswith("G."))
        network.zero_grad()
    assert moved == names
    if images_seen >= 16:
        assert all(buffer.equal(statistics[name]) for name, buffer in method.G.first.named_buffers())


def test_words_follow_their_images(blobs):
    method, batches = StackGAN(OPTIONS, blobs), data.Batches(blobs, 8, 0, CPU)
    _, labels = next(batches)
    assert [blobs.captions[index] for index in batches.indices] == [
        f"a {blobs.classes[label]} blob" for label in labels
    ]
    assert method.vocabulary == ["a", "blob", "narrow", "wide"]
    assert method.rows[batches.indices][:, 1].tolist() == [3 + label for label in labels]


def test_captions_are_needed(blobs):
    with pytest.raises(InputError, match=r"captions\.jsonl"):
        StackGAN(OPTIONS, dataclasses.replace(blobs, captions=None))


@pytest.mark.parametrize("stages", [1, 2])
def test_one_seed_and_sentence_is_one_image(stages):
    pipeline = make(stages)
    together = pipeline.sample(range(64), text="red cat")
    assert together.shape == (64, 32, 32, 3)
    assert together.std() > 10
    for seed in (0, 17, 63):
        np.testing.assert_array_equal(pipeline.sample([seed], text="red cat")[0], together[seed])
    assert not np.array_equal(pipeline.sample([3], text="dog"), together[3:4])
    np.testing.assert_array_equal(pipeline.sample([4]), pipeline.sample([4], text="red cat"))  # examples take turns
    np.testing.assert_array_equal(pipeline.sample([5]), pipeline.sample([5], text="dog"))
    first, *_ = pipeline.walk([7, 8], num_frames=4, text="dog")
    np.testing.assert_array_equal(first, pipeline.sample([7], text="dog")[0])


@pytest.mark.parametrize(
    "given", [{"vocabulary": ["cat"]}, {"vocabulary": "cat"}, {"vocabulary": [1, 2, 3]}, {"examples": []}]
)
def test_a_strangers_vocabulary_is_checked(given):
    with pytest.raises(InputError, match="vocabulary"):
        make(**given)


def test_text_needs_a_reader():
    spec = {"class": "dcgan.Generator", "size": 16, "channels": 1, "z_dim": 8, "width": 4}
    pipeline = pipelines.make(networks.build(spec).eval(), Config("plain", "generate", spec, {"noise": "normal"}), CPU)
    with pytest.raises(InputError, match="`text`"):
        pipeline.sample([1], text="cat")


@pytest.mark.parametrize("num_steps", [1, 3])
def test_a_checkpoint_comes_back_to_the_bit(tmp_path, num_steps):
    trainer = loop.Trainer(TINY, Settings(device="cpu", threads=1))
    for _ in range(num_steps):
        trainer.step()
    average = trainer.average.network
    assert int(average.stages) == (1 if num_steps == 1 else 2)
    checkpoint.save(tmp_path, average, Config("tiny", **trainer.method.checkpoint()))
    network, config = checkpoint.load(tmp_path / checkpoint.MODEL)
    for name, tensor in average.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name]), name
    assert pipelines.make(network, config, CPU).sample([0, 1], text="wide").shape == (2, 32, 32, 1)


@pytest.mark.parametrize(
    ("stem", "caption"),
    [
        ("emoji_u1f600", "grinning face"),
        ("emoji_u0031_20e3", "digit one combining enclosing keycap"),
        ("emoji_u1f469_1f3fb_200d_2695_fe0f", "woman light skin staff of aesculapius"),
        ("red_car-2", "red car 2"),
        ("emoji_unknown", "emoji unknown"),
    ],
)
def test_captions_from_file_names(stem, caption):
    assert captions.from_name(stem) == caption


def images(folder):
    for name in ("emoji_u1f600.png", "sub/red_car.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(folder / name)
    return folder


def test_captions_come_with_the_images(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = images(tmp_path / "set")
    assert data.load(str(folder), 16, Path()).captions is None
    assert captions.write(folder) == 2
    assert data.load(str(folder), 16, Path()).captions == ["grinning face", "red car"]
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in folder.rglob("*.*"):
            archive.write(file, file.relative_to(folder))
    assert data.load(str(tmp_path / "set.zip"), 16, Path()).captions == ["grinning face", "red car"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("not json", "line 1"),
        ('{"file": "emoji_u1f600.png"}', "line 1"),
        ("[1]", "line 1"),
        (
            json.dumps({"file": "emoji_u1f600.png", "caption": "face"}),
            "no caption for 1 of 2 images: sub/red_car",
        ),
    ],
)
def test_broken_captions_are_refused(tmp_path, line, words):
    folder = images(tmp_path)
    (folder / captions.FILE).write_text(line + "\n")
    with pytest.raises(InputError, match=words):
        captions.read(list_images(folder), ["emoji_u1f600.png", "sub/red_car.png"])


def test_the_captions_command_overwrites_nothing(tmp_path):
    folder = images(tmp_path)
    command = [sys.executable, "-m", "trainer", "captions", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 captions" in done.stdout
    before = (folder / captions.FILE).read_bytes()
    again = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert (folder / captions.FILE).read_bytes() == before


def test_stage_two_begins_as_the_enlarged_small_image():
    torch.manual_seed(0)
    G = networks.build(
        {"class": "stackgan.Generator", "size": 32, "z_dim": 8, "width": 4, "text_dim": 6, "num_words": 3}
    )
    torch.nn.init.zeros_(G.second.to_picture.weight)
    z, y = torch.randn(4, 8), torch.tensor([[1], [2], [3], [1]])
    small, large = G.eval().draw_first(z, y)[0], G.draw_second(z, y)[0]
    enlarged = torch.nn.functional.interpolate(small, scale_factor=4, mode="bilinear")
    torch.testing.assert_close(large, 0.98 * enlarged)
