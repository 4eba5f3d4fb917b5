"""A checkpoint comes back bit for bit, and a broken or hostile one is refused with a sentence."""

import json
import struct
import time

import pytest
import torch

from pretrained import checkpoint, networks
from pretrained.config import MAX_CONFIG_CHARACTERS, Config
from pretrained.system.errors import InputError

SPEC = {"class": "dcgan.Generator", "size": 16, "channels": 1, "z_dim": 8, "width": 4}
CONFIG = Config(name="tiny", pipeline="generate", network=SPEC, input={"noise": "normal"})


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    network = networks.build(SPEC).to(memory_format=torch.channels_last)
    checkpoint.save(tmp_path, network, CONFIG)
    return tmp_path / "model.safetensors"


def rewrite(path, change):
    """Apply `change` to the JSON header, whose "ganvas" config is parsed, and write the file anew."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"]["ganvas"] = json.loads(header["__metadata__"]["ganvas"])
    change(header)
    header["__metadata__"]["ganvas"] = json.dumps(header["__metadata__"]["ganvas"])
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def test_round_trip_is_exact(saved):
    torch.manual_seed(0)
    original = networks.build(SPEC).eval()
    network, config = checkpoint.load(saved)
    assert config == CONFIG == checkpoint.read_config(saved)
    assert json.loads((saved.parent / "config.json").read_text()) == json.loads(CONFIG.to_json())
    for name, tensor in original.state_dict().items():
        assert network.state_dict()[name].equal(tensor), name
    z = torch.randn(2, 8)
    assert network(z).equal(original(z))
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_comes_back_as_float32(tmp_path, dtype):
    network = networks.build(SPEC)
    checkpoint.save(tmp_path, network, CONFIG, dtype)
    loaded, _ = checkpoint.load(tmp_path / "model.safetensors")
    for name, tensor in network.state_dict().items():
        assert loaded.state_dict()[name].dtype == tensor.dtype
        assert loaded.state_dict()[name].equal(
            tensor.to(dtype).to(tensor.dtype) if tensor.is_floating_point() else tensor
        )


def set_config(**values):
    return lambda header: header["__metadata__"]["ganvas"].update(values)


def set_network(**values):
    return lambda header: header["__metadata__"]["ganvas"]["network"].update(values)


def rename(header):
    header["project.wait"] = header.pop("project.weight")


def reshape(header):
    header["project.weight"]["shape"] = header["project.weight"]["shape"][::-1]


def retype(header):
    header["norm.num_batches_tracked"]["dtype"] = "F64"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (rename, "missing tensors .*project.weight.* unexpected tensors .*project.wait"),
        (reshape, "project.weight has shape"),
        (retype, "num_batches_tracked is stored as F64"),
        (lambda header: header["__metadata__"].update(ganvas=[]), "not a JSON object"),
        (set_config(format=2), "newer"),
        (set_config(format="1"), "format"),
        (set_config(name=""), "name"),
        (set_config(name=3), "'name' must be str"),
        (set_config(name="a\nb"), "printable"),
        (set_config(surprise=1), "unknown field 'surprise'"),
        (set_config(network=None), "'network' must be dict"),
        (set_config(network={"class": "builtins.exec"}), "unknown network"),
        (set_config(condition={"classes": ["a", "b"]}), "2 classes for 0 labels"),
        (set_config(condition=["a"]), "condition"),
        (lambda header: header["__metadata__"]["ganvas"].pop("pipeline"), "no 'pipeline'"),
        (set_network(size=2**40), "size must be"),
        (set_network(width=1024, size=1024), "missing tensors|has shape"),
        (set_network(z_dim=9), "project.weight has shape"),
        (set_network(num_classes=2), "0 classes for 2 labels"),
    ],
)
def test_a_hostile_header_is_refused(saved, change, words):
    rewrite(saved, change)
    started = time.monotonic()
    with pytest.raises(InputError, match=words):
        checkpoint.load(saved)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_truncated_file_is_refused(saved, share):
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match="whole safetensors file"):
        checkpoint.load(saved)


def test_an_absurd_header_length_is_refused(saved):
    saved.write_bytes(struct.pack("<Q", 2**60) + saved.read_bytes()[8:])
    with pytest.raises(InputError, match="whole safetensors file"):
        checkpoint.load(saved)


def test_deep_json_is_refused(saved):
    with pytest.raises(InputError, match="not valid JSON"):
        Config.from_json("[" * 100_000)


def test_a_huge_config_is_refused():
    with pytest.raises(InputError, match="at most"):
        Config.from_json('"' + "x" * MAX_CONFIG_CHARACTERS + '"')


def test_a_file_without_config_is_refused(tmp_path):
    import safetensors.torch

    safetensors.torch.save_file({"weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="no Ganvas config"):
        checkpoint.load(tmp_path / "model.safetensors")


def test_a_pickle_is_refused_unread(tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="whole safetensors file"):
        checkpoint.load(tmp_path / "model.safetensors")


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    network = networks.build(SPEC)
    network.project.weight.data[0, 0] = float("nan")
    checkpoint.save(tmp_path, network, CONFIG)
    with pytest.raises(InputError, match=r"project\.weight .* not finite"):
        checkpoint.load(tmp_path / "model.safetensors")


def test_saving_again_leaves_no_other_files(saved):
    checkpoint.save(saved.parent, networks.build(SPEC), CONFIG)
    assert sorted(path.name for path in saved.parent.iterdir()) == ["config.json", "model.safetensors"]
