"""Seeds in, pictures out: one seed is one picture, alone or among others."""

import numpy as np
import pytest
import torch
from PIL import Image

import pretrained
from pretrained import checkpoint, networks, pipelines
from pretrained.checkpoint import Config
from pretrained.inputs import latents
from pretrained.media.images import to_uint8
from pretrained.system.errors import InputError

SPEC = {"class": "dcgan.Generator", "size": 32, "channels": 3, "z_dim": 16, "width": 8}


def make(num_classes=0, noise="normal", seed=0):
    torch.manual_seed(seed)
    spec = {**SPEC, "num_classes": num_classes}
    condition = {"classes": [f"class {i}" for i in range(num_classes)]} if num_classes else None
    network = networks.build(spec)
    with torch.no_grad():  # an untrained network draws grey; this one draws something
        network.to_picture.weight.mul_(20)
        for _ in range(30):
            network(torch.randn(64, 16), torch.randint(num_classes, (64,)) if num_classes else None)
    config = Config("tiny", "generate", spec, {"noise": noise}, condition)
    return pipelines.make(network.eval(), config, torch.device("cpu"))


@pytest.mark.parametrize("num_classes", [0, 3])
def test_one_seed_is_one_image(num_classes):
    pipeline = make(num_classes)
    together = pipeline.sample(range(64))
    assert together.shape == (64, 32, 32, 3)
    assert together.dtype == np.uint8
    assert together.std() > 10, "the pictures must differ for this test to mean anything"
    for seed in (0, 1, 17, 63):
        np.testing.assert_array_equal(pipeline.sample([seed])[0], together[seed])
    np.testing.assert_array_equal(pipeline.sample(range(63, -1, -1))[::-1], together)
    np.testing.assert_array_equal(pipeline.sample(range(5, 40)), together[5:40])


def test_a_image_is_what_the_network_draws():
    pipeline = make()
    z = torch.from_numpy(latents.latent(3, 16).astype(np.float32))[None]
    with torch.inference_mode():
        expected = to_uint8(pipeline.network(z))
    assert np.abs(pipeline.sample([3]).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("num_classes", [0, 4])
@pytest.mark.parametrize(("num_frames", "loop"), [(12, True), (10, False), (40, True)])
def test_a_walk_shows_the_images_of_its_seeds(num_frames, loop, num_classes):
    pipeline = make(num_classes)
    frames = list(pipeline.walk([4, 9, 2], num_frames, loop=loop))
    assert len(frames) == num_frames
    for image in pipeline.sample([4, 9, 2]):
        assert any(np.array_equal(frame, image) for frame in frames)


def test_a_walk_from_class_to_class_is_smooth():
    pipeline = make(num_classes=4)
    frames = np.array(list(pipeline.walk([0, 1, 2], 90))).astype(int)
    steps = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    assert steps.max() < 4 * np.median(steps)
    kept = list(pipeline.walk([0, 1, 2], 9, label=3))
    np.testing.assert_array_equal(kept[3], pipeline.sample([1], label=3)[0])


def test_labels():
    pipeline = make(num_classes=3)
    np.testing.assert_array_equal(pipeline.sample([4], label=1), pipeline.sample([4]))  # 4 mod 3
    assert not np.array_equal(pipeline.sample([4], label=2), pipeline.sample([4], label=1))
    for label in (-1, 3):
        with pytest.raises(InputError, match="0 to 2"):
            pipeline.sample([4], label=label)
    with pytest.raises(InputError, match="has no classes"):
        make().sample([4], label=0)


def test_truncation_moves_towards_the_mean():
    pipeline = make()
    mean = pipeline.sample([1, 2], truncation=0.0)
    np.testing.assert_array_equal(mean[0], mean[1])
    near, far = (np.abs(pipeline.sample([1], truncation=psi).astype(int) - mean[:1]).mean() for psi in (0.3, 1.0))
    assert 0 < near < far
    with pytest.raises(InputError, match="`truncation` must be 0 to 2"):
        pipeline.sample([1], truncation=-1)


def test_uniform_noise_gives_other_images():
    assert not np.array_equal(make().sample([1]), make(noise="uniform").sample([1]))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_out_of_range_are_refused(seed):
    with pytest.raises(InputError, match="seed"):
        make().sample([seed])


def test_no_seeds_is_no_images():
    assert len(make().sample([])) == 0
    with pytest.raises(InputError, match="walk"):
        list(make().walk([]))


def test_unknown_noise_and_pipeline_are_refused():
    for noise in ("white", {"normal": 1}):
        with pytest.raises(InputError, match="noise"):
            make(noise=noise)
    with pytest.raises(InputError, match="pipeline"):
        pipelines.make(torch.nn.Identity(), Config("x", "dream", SPEC), torch.device("cpu"))


@pytest.mark.parametrize("form", ["folder", "file"])
def test_load_from_disk(tmp_path, form):
    made = make()
    checkpoint.save(tmp_path, made.network, made.config)
    pipeline = pretrained.load(str(tmp_path if form == "folder" else tmp_path / "model.safetensors"), "cpu")
    assert pipeline.config == made.config
    np.testing.assert_array_equal(pipeline.sample(range(4)), made.sample(range(4)))


@pytest.mark.parametrize("id", ["nothing-like-this", "a/b/c", "../../nothing", "user name/x", "", "user/na@me@x"])
def test_ids_that_mean_nothing(id):
    with pytest.raises(InputError, match="no checkpoint"):
        pretrained.load(id)


def test_an_empty_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        pretrained.load(str(tmp_path))


def test_unknown_device():
    with pytest.raises(InputError, match="`device` must be one of auto, "):
        pipelines.pick_device("tpu")


@pytest.mark.parametrize("name", pretrained.available())
def test_bundled_checkpoints_draw(name):
    pipeline = pretrained.load(name, "cpu")
    if pipeline.config.pipeline == "generate":
        images = pipeline.sample(range(16))
        assert images.std() > 20
        np.testing.assert_array_equal(pipeline.sample([5])[0], images[5])
    else:
        image = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
        assert np.asarray(pipeline.translate(image)).std() > 20
    assert pipeline.config.name == name
    assert pipeline.config.training["data_licence"] != "unknown"
