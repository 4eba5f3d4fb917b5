"""Directions: what is found against the papers' definitions, what is kept in a file, and what a move draws."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from helpers.hub_client import ID, make_checkpoint

import pretrained
from pretrained import networks, pipelines
from pretrained.checkpoint import Config
from pretrained.pipelines import directions, image_grid
from pretrained.pipelines.directions import Direction, find, move
from pretrained.system.errors import InputError

SMALL = {"size": 16, "channels": 1, "z_dim": 8, "width": 4}
GENERATORS = {
    "dcgan.Generator": {},
    "dcgan.Generator, labels": {"num_classes": 3},
    "mlp.Generator": {},
    "mlp.Generator, labels": {"num_classes": 3},
    "began.Generator": {},
    "vae.VAE": {},
    "icgan.IcGAN": {"num_classes": 3, "encoder_width": 4},
    "progan.Generator": {},
    "stackgan.Generator": {"text_dim": 6, "num_words": 3},
    "stylegan.Generator": {"w_dim": 8},
    "fastgan.Generator": {"size": 64},
    "r3gan.Generator": {},
    "r3gan.Generator, labels": {"num_classes": 3},
}

DIFFERENT = ["dcgan.Generator, labels", "vae.VAE", "stackgan.Generator", "stylegan.Generator"]


def build(row: str) -> torch.nn.Module:
    """The network of a row of GENERATORS, untrained, with lively weights."""
    torch.manual_seed(0)
    network = networks.build(SMALL | {"class": row.partition(",")[0]} | GENERATORS[row]).eval().requires_grad_(False)
    for parameter in network.parameters():
        if parameter.dim() > 1 and "stylegan" not in row:
            torch.nn.init.normal_(parameter, 0.0, 0.5)
    if "stackgan" in row:
        network.stages.fill_(1)  # stage II would see the seed again
    if "stylegan" in row:
        network.w_mean = network.mapping(torch.randn(64, 8)).mean(dim=0, keepdim=True)
    return network


def load(folder: Path) -> pretrained.pipelines.Generate:
    return pretrained.load(str(folder), "cpu")


def make(row: str) -> pretrained.pipelines.Generate:
    """The pipeline around the network of a row of GENERATORS."""
    spec = SMALL | {"class": row.partition(",")[0]} | GENERATORS[row]
    abilities = {"noise": "normal"} | ({"style": True} if "stylegan" in row else {})
    abilities |= (
        {"text": {"vocabulary": ["red", "blue", "cat"], "examples": ["red cat", "blue"]}} if "stack" in row else {}
    )
    condition = {"classes": list("abc")} if "num_classes" in spec else None
    return pipelines.make(build(row), Config("mine", "generate", spec, abilities, condition), torch.device("cpu"))


def test_every_generator_says_what_its_first_layers_are():
    assert {row.partition(",")[0] for row in GENERATORS} == {
        name for name, network in networks.NETWORKS.items() if hasattr(network, "first_layers")
    }


@pytest.mark.parametrize("row", GENERATORS)
def test_without_its_first_layers_a_generator_does_not_see_the_seed(row):
    network = build(row)
    z, labels = torch.randn(3, 8), torch.tensor([0, 0, 1])
    y = labels if "num_classes" in GENERATORS[row] else labels[:, None] + 1 if "stackgan" in row else None
    before = network(z, y)
    assert not torch.allclose(before[0], before[1], atol=1e-4)
    for weight in network.first_layers():
        weight.zero_()
    after = network(z, y)
    assert torch.equal(after[0], after[1])
    assert torch.equal(after[0], after[2]) != ("num_classes" in GENERATORS[row])  # labels are still seen


@pytest.mark.parametrize("row", DIFFERENT)
@pytest.mark.parametrize("method", directions.METHODS)
def test_directions_are_those_of_the_definition(row, method):
    pipeline = make(row)
    if method not in directions.methods(pipeline):
        with pytest.raises(InputError, match="`method` must be one of sefa, axis for"):
            find(pipeline, method)
        return
    rows = find(pipeline, method)
    assert np.array_equal(rows, find(pipeline, method))
    assert rows.dtype == np.float32
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units = rows / lengths
    np.testing.assert_allclose(units @ units.T, np.eye(8), atol=1e-5)
    assert (np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1) > 0).all()
    points = pipeline.to_latents(range(500))
    np.testing.assert_allclose(lengths[:, 0], (points @ units.T).std(axis=0), rtol=0.15, atol=0.01)
    if method == "sefa":
        weights = torch.cat(pipeline.network.first_layers()).numpy()
        gains = np.linalg.norm(weights @ units.T, axis=0)
        np.testing.assert_allclose(gains, np.linalg.svd(weights, compute_uv=False), rtol=1e-4)
    elif method == "pca":
        assert (np.diff(lengths[:, 0]) <= 0).all()
    else:
        np.testing.assert_array_equal(units, np.eye(8))


@pytest.mark.parametrize("row", DIFFERENT)
def test_a_move_of_no_strength_is_the_image_of_the_seed(row):
    pipeline = make(row)
    seeds = [0, 3, 8]
    still, how = pipeline.sample(seeds, truncation=0.7), {"truncation": 0.7}
    for moves in ({}, {"sefa-1": 0.0}, {"sefa-1": 2.0, "axis-3": 0.0, "seed-4": 0.0}):
        offset = move(pipeline, moves)
        moved = pipeline.sample(seeds, move=offset, **how)
        assert np.array_equal(moved, still) == (not moves.get("sefa-1"))
        drawn = pipeline.draw(pipeline.to_latents(seeds, **how) + offset, pipeline.conditions(seeds))
        assert np.array_equal(drawn, moved)


def test_a_found_direction_leaves_the_same_recipe_whoever_found_it():
    pipeline, moves = make("dcgan.Generator, labels"), {"sefa-1": 2.0}
    handed = directions.expand(pipeline, moves)
    assert image_grid.render(pipeline, "x", [1], moves=moves) == image_grid.render(
        pipeline, "x", [1], moves=moves, named=handed
    )


def test_seeds_are_added_and_taken_away():
    pipeline = make("dcgan.Generator, labels")
    z = np.stack(pipeline.latents([7, 5, 9]))
    expected = pipeline.draw([z[0] - z[1] + z[2]], [7 % 3])
    assert np.array_equal(pipeline.sample([7], move=move(pipeline, {"seed-5": -1, "seed-9": 1})), expected)
    assert np.array_equal(
        pipeline.sample([7], 0, move=move(pipeline, {"seed-7": -1, "seed-9": 1})), pipeline.sample([9])
    )


@pytest.mark.parametrize(
    ("moves", "words"),
    [
        ({"smile": 1.0}, "has no direction 'smile': sefa-1, axis-1, seed-7"),
        ({"sefa-0": 1.0}, "sefa-1 to sefa-8"),
        ({"axis-9": 1.0}, "axis-1 to axis-8"),
        ({"pca-1": 1.0}, "`method` must be one of sefa, axis for mine, got pca"),
        ({"seed-9999999999": 1.0}, "out of range"),
        ({"sefa-1": float("nan")}, "finite number, got nan"),
    ],
)
def test_a_move_that_is_not_there_is_a_sentence(moves, words):
    with pytest.raises(InputError, match=words):
        move(make("vae.VAE"), moves)


def config_of(space: str) -> Config:
    spec = SMALL | {"class": "stylegan.Generator", "w_dim": 6} if space == "w" else SMALL | {"class": "vae.VAE"}
    return Config("mine", "generate", spec, {"noise": "normal", "style": space == "w"})


def some(dim: int, seed: int = 0) -> Direction:
    return Direction(np.random.RandomState(seed).randn(dim).astype(np.float32), {"sefa-1": 1.0, "seed-2": -0.5})


@pytest.mark.parametrize(("space", "dim"), [("z", 8), ("w", 6)])
def test_what_is_kept_comes_back_and_nothing_is_lost(tmp_path, space, dim):
    path, config = tmp_path / directions.FILE, config_of(space)
    assert directions.read(path, config) == {}
    names = ["smile", "très large", "日本", "<b>bold</b>"]
    for seed, name in enumerate(names):
        directions.keep(path, config, name, some(dim, seed))
    kept = directions.read(path, config)
    assert list(kept) == names
    for seed, name in enumerate(names):
        assert np.array_equal(kept[name].vector, some(dim, seed).vector)
        assert kept[name].moves == some(dim).moves
    before = path.read_bytes()
    for name in ("smile", "", " x", "a=b", "a\nb", "sefa-3", "seed-1", "x" * 61):
        with pytest.raises(InputError, match="already|no name"):
            directions.keep(path, config, name, some(dim))
    with pytest.raises(InputError, match="nowhere"):
        directions.keep(path, config, "still", Direction(np.zeros(dim, np.float32), {}))
    assert path.read_bytes() == before


def test_two_who_keep_at_once_lose_nothing(tmp_path):
    path, config = tmp_path / directions.FILE, config_of("z")

    def work(who: str) -> None:
        for number in range(8):
            directions.keep(path, config, f"{who} {number}", some(8))

    threads = [threading.Thread(target=work, args=(who,)) for who in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(directions.read(path, config)) == 24


def header(**changes) -> str:
    entry = {"name": "a", "moves": {"sefa-1": 1.0}}
    return json.dumps({"format": 1, "space": "z", "directions": [entry]} | changes)


GOOD = {"directions": torch.ones(1, 8)}


@pytest.mark.parametrize(
    ("tensors", "about", "words"),
    [
        (GOOD, "", "not JSON"),
        (GOOD, "[" * 5000, "not JSON"),
        (GOOD, "[]", "format 1"),
        (GOOD, header(format=2), "format 1"),
        (GOOD, header(space="w"), "space 'z'"),
        (GOOD, header(directions={}), "must name"),
        (GOOD, header(directions=[{"name": "sefa-1", "moves": {}}]), "must name"),
        (GOOD, header(directions=[{"name": "a", "moves": {"b": "c"}}]), "must name"),
        (GOOD, header(directions=[{"name": "a", "moves": {}}] * 2), "twice"),
        (GOOD, header(directions=[{"name": str(i), "moves": {}} for i in range(257)]), "at most 256"),
        (GOOD, header(directions=[{"name": "a", "moves": {}}, {"name": "b", "moves": {}}]), "F32 \\[1, 8\\]"),
        ({"directions": torch.ones(1, 7)}, header(), "F32 \\[1, 7\\] instead"),
        ({"directions": torch.ones(1, 8).half()}, header(), "F16"),
        ({"directions": torch.full((1, 8), float("inf"))}, header(), "not finite"),
        (GOOD | {"more": torch.ones(1)}, header(), "one tensor"),
        ({"other": torch.ones(1, 8)}, header(), "one tensor"),
        (GOOD, header(filler="x" * 9_000_000), "more than 8,388,608 bytes"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_refused_and_kept(tmp_path, tensors, about, words):
    path = tmp_path / directions.FILE
    path.write_bytes(safetensors.torch.save(tensors, {"ganvas": about}))
    before = path.read_bytes()
    with pytest.raises(InputError, match=words):
        directions.read(path, config_of("z"))
    with pytest.raises(InputError, match="is refused"):
        directions.keep(path, config_of("z"), "new", some(8))
    assert path.read_bytes() == before


@pytest.mark.parametrize("data", [b"", b"no", b"\xff" * 100])
def test_what_is_no_safetensors_file_is_refused(tmp_path, data):
    (tmp_path / directions.FILE).write_bytes(data)
    with pytest.raises(InputError, match="is refused"):
        directions.read(tmp_path / directions.FILE, config_of("z"))


def test_directions_are_published_pulled_and_added_to_those_on_the_hub(client, tmp_path):
    folder = make_checkpoint(tmp_path / "run")
    path, config = folder / directions.FILE, load(folder).config
    directions.keep(path, config, "smile", some(8))
    client.push(folder)
    assert client.hub.content(ID, directions.FILE) == path.read_bytes()
    client.push(folder)
    assert len(client.hub.repos[f"models/{ID}"]["commits"]) == 2  # nothing new, no commit

    path.unlink()
    directions.keep(path, config, "frown", some(8, 1))
    client.push(folder)
    pulled = Path(client.value(f"hub.pull('{ID}')[0]"))
    kept = directions.read(pulled / directions.FILE, config)
    assert list(kept) == ["smile", "frown"]
    assert np.array_equal(kept["frown"].vector, some(8, 1).vector)

    path.write_bytes(b"broken")
    assert "is refused" in client.ask(f"hub.push(Path({str(folder)!r}), {ID!r})")["error"]
    path.unlink()
    client.push(folder)
    assert client.hub.content(ID, directions.FILE) == (pulled / directions.FILE).read_bytes()


@pytest.mark.parametrize("fault", ["broken", "huge", "gone"])
def test_bad_directions_on_the_hub_leave_the_checkpoint_as_it_is(client, tmp_path, fault):
    folder = make_checkpoint(tmp_path / "run")
    directions.keep(folder / directions.FILE, load(folder).config, "smile", some(8))
    client.push(folder)
    if fault == "broken":
        client.hub.edit(ID, directions.FILE, b"broken")
    elif fault == "huge":
        client.hub.head(f"models/{ID}")["files"][directions.FILE]["size"] = 9 * 2**20
    else:
        client.hub.fail(f"HEAD .*/resolve/.*/{directions.FILE}", 404, 9, X_Error_Code="EntryNotFound")
    expected = load(folder).sample([7]).tolist()
    assert client.value(f"pretrained.load('{ID}', 'cpu').sample([7]).tolist()") == expected
    if fault == "broken":
        client.push(folder)
        assert list(directions.read(folder / directions.FILE, load(folder).config)) == ["smile"]
        assert client.hub.content(ID, directions.FILE) == (folder / directions.FILE).read_bytes()
    assert f"{directions.FILE} of {ID} is" in client.log.read_text()
