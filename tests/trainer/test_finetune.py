"""Fine-tuning: what is taken, grown or made anew; what stays frozen; what the card says of the base."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.recipes import TRANSLATORS, extractor, logged, same, shrink, train, weights
from PIL import Image

import pretrained
from pretrained import checkpoint
from pretrained.checkpoint import Config
from pretrained.hub.model_card import model_card
from pretrained.media.images import grid
from pretrained.networks import stylegan
from pretrained.system.errors import InputError
from trainer import base as base_of
from trainer import finetune
from trainer.cli.parse import parse
from trainer.loop import train as loop
from trainer.loop.run_folder import Run
from trainer.loop.settings import Settings
from trainer.methods.recipes import RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_begins_where_its_own_run_ended(tmp_path, name):
    options = {}
    if hasattr(RECIPES[name].options, "generator"):
        train(shrink("dcgan-mnist"), tmp_path / "generator")
        options["generator"] = str(tmp_path / "generator")
    if name in TRANSLATORS:
        options |= extractor(tmp_path, RECIPES[name])
    recipe = shrink(name, kimg=0.016, **options)
    train(recipe, tmp_path / "base")
    tuned = replace(recipe, base=str(tmp_path / "base"), seed=1)
    torch.manual_seed(0)
    trainer = loop.Trainer(tuned, Settings(device="cpu", threads=1))
    trainer.begin_from(tuned.base)
    assert same(trainer.average.network.state_dict(), weights(tmp_path / "base"))
    assert trainer.alone_since is None
    kept = Run(tmp_path / "base", recipe, "").load_state()["method"]
    for root, network in trainer.judges.items():
        for part, tensor in network.state_dict().items():
            assert torch.equal(tensor, kept[f"{root}.{part}"]), f"{root}.{part}"
    train(tuned, tmp_path / "tuned", snapshots=2)
    first = sorted((tmp_path / "tuned/snapshots").iterdir())[0]
    base = (tmp_path / "base/samples.png").read_bytes()
    assert first.name == "0000000000.png"
    assert first.read_bytes() == base, "the samples at 0 kimg are those of the base"
    assert not same(weights(tmp_path / "base"), weights(tmp_path / "tuned"))
    said = checkpoint.read_config(tmp_path / "tuned/model.safetensors").training["base"]
    assert said["id"] == "base"
    assert ", 0 new" in said["tensors"]


def write_clothes(root):
    """Fashion-MNIST with three images of each class."""
    random, folder = np.random.RandomState(0), root / "fashion-mnist/raw"
    folder.mkdir(parents=True)
    for name, values in (
        ("images-idx3", random.randint(0, 256, (30, 28, 28))),
        ("labels-idx1", np.arange(30) % 10),
    ):
        header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
        (folder / f"train-{name}-ubyte").write_bytes(header + values.astype(np.uint8).tobytes())


def typed(*words, **options):
    """A recipe as the command line makes it."""
    recipe = parse([*words, "--batch-size", "8", "--kimg", "0.016"]).recipe
    return replace(recipe, options=replace(recipe.options, **options))


@pytest.mark.parametrize("id", ["dcgan-fashion", "stylegan-fashion"])
def test_samples_at_the_start_are_those_of_a_bundled_base(tmp_path, id):
    write_clothes(tmp_path)
    train(typed("--from", id, "--data", "fashion-mnist"), tmp_path / "run", snapshots=1, data_root=tmp_path)
    bundled = pretrained.load(id, "cpu")
    first = sorted((tmp_path / "run/snapshots").iterdir())[0]
    assert first.name == "0000000000.png"
    with Image.open(first) as samples:
        np.testing.assert_array_equal(np.asarray(samples), grid(bundled.sample(range(64)))[..., 0])
    assert not same(weights(tmp_path / "run"), bundled.network.state_dict())
    card = (tmp_path / "run/README.md").read_text()
    assert f"Fine-tuned from | id {id}" in card
    assert "base_model" not in card, "a bundled model is no repository on the Hub"


def test_options_come_from_the_base_unless_said_otherwise():
    recipe = typed("--from", "stylegan-fashion", "--data", "fake")
    assert recipe.name == "stylegan-mnist"
    assert (recipe.size, recipe.channels, recipe.options.width, recipe.options.z_dim) == (32, 1, 16, 64)
    assert recipe.options.conditional
    assert recipe.options.penalty_every == 8
    recipe = typed("stylegan-64", "--from=stylegan-fashion", "--data", "fake", "--width", "24", "--channels", "3")
    assert (recipe.size, recipe.channels, recipe.options.width, recipe.options.z_dim) == (32, 3, 24, 64)


def test_a_strangers_config_gives_no_texts_and_no_numbers_out_of_bounds():
    options = {"generator": "evil/repo", "z_dim": 10**9, "width": -4, "critic_steps": "9", "penalty": "r1", "loss": "x"}
    network = {"class": "dcgan.Generator", "size": 16, "channels": 1, "z_dim": 8, "width": 4}
    config = Config("x", "generate", network, {"noise": "normal"}, None, {"options": {**options, "learning_rate": 9.0}})
    base = base_of.Base("x", None, "", config, None)
    recipe = base_of.defaults(RECIPES["dcgan-plain"], base)
    assert recipe.options.penalty == "r1"
    assert (recipe.options.z_dim, recipe.options.width, recipe.options.loss) == (8, 4, "non-saturating")
    assert recipe.options.critic_steps is None
    assert recipe.learning_rate is None


def test_nothing_in_common_is_refused(tmp_path):
    recipe = replace(shrink("dcgan-plain"), base="stylegan-fashion")
    with pytest.raises(InputError, match="no layer that fits"):
        train(recipe, tmp_path)


def trainer_of(recipe):
    trainer = loop.Trainer(recipe, Settings(device="cpu", threads=1))
    return trainer, finetune.take(trainer.method, base_of.open_base(recipe.base))


@pytest.mark.parametrize(
    ("name", "network", "new"),
    [
        ("dcgan-64", "G", ("blocks.3.", "to_picture.")),
        (
            "vae-64",
            "autoencoder",
            ("encoder.0.", "encoder.1.", "encoder.3.", "decoder.13.", "decoder.14.", "decoder.16."),
        ),
    ],
)
def test_only_the_layers_of_a_new_resolution_are_new(tmp_path, name, network, new):
    train(replace(shrink(name), size=64, batch_size=2, kimg=0.002), tmp_path / "base")
    recipe = typed("--from", str(tmp_path / "base"), "--data", "fake", "--size", "128")
    assert (recipe.options.width, recipe.options.widest) == (2, 32)
    table = trainer_of(recipe)[1][network]
    assert table.anew
    assert all(name.startswith(new) for name in table.anew)


def test_a_higher_resolution_is_grown_and_draws_what_the_base_drew(tmp_path):
    train(shrink("stylegan-mnist", w_dim=8, mapping_layers=2), tmp_path / "base")
    recipe = typed("--from", str(tmp_path / "base"), "--data", "fake", "--size", "32")
    assert (recipe.options.width, recipe.options.widest) == (2, 32)
    trainer, tables = trainer_of(recipe)
    G, small = trainer.method.G.eval(), pretrained.load(str(tmp_path / "base"), "cpu").network
    z = torch.randn(4, 8)
    assert G(z).shape[-1] == 32
    torch.testing.assert_close(G(z), stylegan.upsample(small(z)))
    assert all(name.startswith(("layers.5", "layers.6", "to_picture.3")) for name in tables["G"].anew)
    assert all(name.startswith(("from_picture", "blocks.0")) for name in tables["D"].anew)
    assert len(tables["D"].taken) > 8


def test_classes_are_recognised_by_their_names_and_new_ones_begin_between_them(tmp_path):
    table = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    ours = torch.full((3, 2), 0.5)
    assert finetune.copy("G.embed.weight", ours, table, [1, -1, 0]) == "grown"
    assert ours.tolist() == [[3, 4], [2.5, 3.5], [1, 2]]
    same_rows = torch.zeros(2, 2)
    assert finetune.copy("G.embed.weight", same_rows, table, [1, 0]) == "taken"
    assert same_rows.tolist() == [[3, 4], [1, 2]]


def test_a_label_is_learnt_by_a_base_that_had_none(tmp_path):
    train(shrink("dcgan-plain"), tmp_path / "base")
    recipe = typed("--from", str(tmp_path / "base"), "--data", "fake", "--conditional")
    trainer, tables = trainer_of(recipe)
    assert tables["G"].grown == ["project.weight"]
    assert tables["G"].anew == ["embed.weight"]
    G, before = trainer.method.G.eval(), pretrained.load(str(tmp_path / "base"), "cpu").network
    z = torch.randn(4, 8)
    torch.testing.assert_close(G(z, torch.tensor([0, 1, 0, 1])), before(z))


def test_lists_of_another_length_are_matched_where_shapes_fit():
    ours = {f"D.blocks.{i}.weight": torch.zeros(w) for i, w in enumerate([1, 2, 3, 4])}
    theirs = {f"D.blocks.{i}.weight": torch.zeros(w) for i, w in enumerate([2, 3, 4])}
    expected = {f"D.blocks.{i + 1}.weight": f"D.blocks.{i}.weight" for i in range(3)}
    assert finetune.match(ours, theirs) == expected
    ours = {f"G.blocks.{i}.weight": torch.zeros(w) for i, w in enumerate([4, 3, 2, 1])}
    theirs = {f"G.blocks.{i}.weight": torch.zeros(w) for i, w in enumerate([4, 3, 2])}
    assert finetune.match(ours, theirs) == {name: name for name in theirs}


def test_without_a_discriminator_d_is_trained_alone_first(tmp_path, monkeypatch, capsys):
    train(shrink("dcgan-plain"), tmp_path / "base")
    for name in ("discriminator.safetensors", "resume.pt"):
        (tmp_path / "base" / name).unlink()
    monkeypatch.setattr(loop, "LOG_EVERY", 2)
    monkeypatch.setattr(finetune, "TELLS", 0.0)  # never
    monkeypatch.setattr(finetune, "MOST_ALONE", 32)
    recipe = replace(shrink("dcgan-plain", kimg=0.048), base=str(tmp_path / "base"))
    train(recipe, tmp_path / "run", snapshots=6)
    assert "trained alone" in capsys.readouterr().err
    lines = logged(tmp_path / "run")
    assert [("G" in line, "D" in line) for line in lines if line["kimg"]] == [(False, True)] * 2 + [(True, True)]


@pytest.mark.parametrize("name", ["dcgan-plain", "stylegan-mnist", "progan-mnist", "cyclegan-emoji"])
def test_frozen_layers_do_not_change(tmp_path, name):
    recipe = shrink(name, kimg=0.016)
    train(recipe, tmp_path / "base")
    recipe = replace(recipe, base=str(tmp_path / "base"), freeze_d=1, freeze_g=1, seed=1)
    trainer = loop.Trainer(recipe, Settings(device="cpu", threads=1))
    trainer.begin_from(recipe.base)
    before = {name: weight.clone() for name, weight in trainer.method.named_parameters()}
    frozen = {name for name, weight in trainer.method.named_parameters() if not weight.requires_grad}
    trainer.step()
    trainer.step()
    moved = {name for name, weight in trainer.method.named_parameters() if not weight.equal(before[name])}
    assert frozen
    assert not frozen & moved
    assert moved
    if name == "stylegan-mnist":
        roots = {".".join(part.split(".")[:2]) for part in frozen if part.startswith("D.")}
        assert roots == {"D.from_picture"}
        assert {".".join(part.split(".")[:3]) for part in frozen if part.startswith("G.")} == {"G.to_picture.2"}


def test_too_many_frozen_layers_are_refused(tmp_path):
    train(shrink("dcgan-plain", kimg=0.008), tmp_path)
    recipe = replace(shrink("dcgan-plain"), base=str(tmp_path), freeze_d=9)
    with pytest.raises(InputError, match="`freeze_d` must be 0 to 2 for D, got 9"):
        loop.Trainer(recipe, Settings(device="cpu", threads=1))
    with pytest.raises(InputError, match="`freeze_d` needs `from`"):
        replace(shrink("dcgan-plain"), freeze_d=1)


def test_a_fine_tuned_run_resumes_as_if_it_had_never_stopped(tmp_path):
    train(shrink("dcgan-plain"), tmp_path / "base")
    recipe = replace(shrink("dcgan-plain"), base=str(tmp_path / "base"), freeze_d=1)
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "halves", stop_after=4)
    train(recipe, tmp_path / "halves", resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "halves"))
    said = [
        checkpoint.read_config(tmp_path / run / "model.safetensors").training["base"] for run in ("whole", "halves")
    ]
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("base", "asked", "expected"),
    [
        ("cc-by-sa-4.0", None, "cc-by-sa-4.0"),
        ("CC BY-SA 4.0", "cc-by-sa-4.0", "cc-by-sa-4.0"),
        ("cc-by-sa-4.0", "mit", None),
        ("cc-by-nc-4.0", "mit", None),
        ("cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-sa-4.0"),
        ("apache-2.0", "mit", "mit"),
        ("apache-2.0", None, None),
    ],
)
def test_licence_of_the_base(base, asked, expected):
    facts = {"id": "some", "licence": base}
    if asked and not expected:
        with pytest.raises(InputError, match="licence"):
            base_of.check_licence(facts, asked)
    else:
        assert base_of.check_licence(facts, asked) == expected


def test_the_hub_is_told_of_the_base():
    network = {"class": "dcgan.Generator", "size": 16, "channels": 1, "z_dim": 8, "width": 4}
    base = {"id": "ada/faces", "revision": "0" * 40, "tensors": "G: 9 taken, 0 grown, 0 new"}
    card = model_card(Config("x", "generate", network, {"noise": "normal"}, None, {"base": base}))
    assert "base_model: ada/faces" in card
    assert "base_model_relation: finetune" in card
    assert "9 taken" in card


@pytest.mark.parametrize(("count", "warned"), [(29, True), (30, False)])
def test_few_images_are_warned_of(tmp_path, count, warned):
    for number in range(count):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(tmp_path / f"{number}.png")
    trainer = loop.Trainer(replace(shrink("dcgan-plain"), data=str(tmp_path)), Settings(device="cpu", threads=1))
    assert any(f"only {count} images" in note for note in trainer.method.notes) == warned


def test_the_card_of_few_images_says_how_near_the_samples_are(tmp_path):
    (tmp_path / "few").mkdir()
    for number in range(8):
        Image.new("RGB", (16, 16), (30 * number, 0, 0)).save(tmp_path / "few" / f"{number}.png")
    recipe = replace(shrink("dcgan-plain", kimg=0.016), data=str(tmp_path / "few"))
    train(recipe, tmp_path / "run")
    said = checkpoint.read_config(tmp_path / "run/model.safetensors").training["nearness"]
    assert "from 64 samples, 17.3 from one training image to another" in said  # 30 in one of three channels
    assert "Nearest training image" in (tmp_path / "run/README.md").read_text()
