"""The methods that translate: whose turn it is, and what is minimised, by hand."""

import math
from itertools import repeat
from statistics import mean

import pytest
import torch
from helpers.recipes import TRANSLATORS, make
from torch import nn

import pretrained
from pretrained import pipelines
from pretrained.system.errors import InputError
from trainer.methods.context import restoration_error
from trainer.methods.cyclegan import Pool
from trainer.methods.pixeldt import three_way
from trainer.methods.pose import body_mask, masked_l1

CPU = torch.device("cpu")
# The order of updates; before an extra network joins in, and after.
TURNS = {
    "Pix2Pix": (["D", "G"],),
    "CycleGAN": (["G", "D_A", "D_B"],),
    "CUT": (["D", "G"],),
    "StyleTransfer": (["G"],),
    "SRGAN": (["G"], ["D", "G"]),
    "ContextEncoder": (["D", "G"],),
    "Denoiser": (["G"],),
    "PixelDT": (["D", "A", "G"],),
    "PoseGuided": (["G"], ["D", "G"]),
}


@pytest.mark.parametrize("name", TRANSLATORS)
def test_each_update_moves_only_its_own_network(tmp_path, name):
    method, data = make(name, tmp_path)
    batches = data.batches(4, 0, CPU, horizontal_flip=True)
    for images_seen, turns in zip((0, 32), TURNS[type(method).__name__]):
        batches.images_seen, names = images_seen, []
        for network, terms in method.updates(batches):
            before = {key: weight.clone() for key, weight in method.named_parameters()}
            total = sum(terms.values())
            assert torch.isfinite(total)
            total.backward(inputs=list(network.parameters()))
            torch.optim.SGD(network.parameters(), 1e-3).step()
            moved = {
                key.partition(".")[0] for key, weight in method.named_parameters() if not before[key].equal(weight)
            }
            (moved,) = moved
            names.append(moved)
        assert names == turns
        assert batches.images_seen == images_seen + 4


@pytest.mark.parametrize("name", TRANSLATORS)
def test_the_config_fits_the_network(tmp_path, name):
    """A pipeline checks its config against its network, so that it opens is most of the test."""
    method, data = make(name, tmp_path)
    for row in method.published.values():
        shown = row.view(data)
        config = pretrained.checkpoint.Config(name, **method.checkpoint())
        assert config.pipeline == "translate"
        pipeline = pipelines.make(method.get_submodule(row.network).eval(), config, CPU)
        (example,) = shown.examples(1)
        made = pipeline.translate(example.source, **example.extras)
        assert made.size == (32, 32)
        assert pretrained.checkpoint.Config.from_json(config.to_json()) == config


class Constant(nn.Module):
    """Always the same answer, whatever it is shown: the mean of its input times 0, plus a number."""

    def __init__(self, value, channels=1):
        super().__init__()
        self.value, self.channels = nn.Parameter(torch.tensor(value)), channels

    def forward(self, x, *_):
        return (x[:, :1] * 0 + self.value).expand(-1, self.channels, -1, -1)


class Affine(nn.Module):
    """x -> scale x + shift."""

    def __init__(self, scale, shift):
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.tensor(scale)), nn.Parameter(torch.tensor(shift))

    def forward(self, x):
        return self.scale * x + self.shift


class Sees(nn.Module):
    """A logit per image: the mean of each of its channels, weighted."""

    def __init__(self, *weights):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, x):
        return (x.mean(dim=(2, 3)) * self.weights).sum(dim=1)


def even(*levels):
    """A batch of two even images with such channels."""
    return torch.tensor(levels).view(1, -1, 1, 1).expand(2, -1, 32, 32)


class Shown:
    """Batches that are always the same."""

    def __init__(self, first, second, images_seen=0):
        self.pair, self.images_seen, self.batch_size = repeat((first, second)), images_seen, len(first)

    def __next__(self):
        return next(self.pair)


def terms_of(method, batches):
    """All terms of one round, with no step in between."""
    return {name: value.item() for _, terms in method.updates(batches) for name, value in terms.items()}


def softplus(x):
    return math.log1p(math.exp(x))


def test_pix2pix_by_hand():
    """Its D sees source and image: 1·0.2 + 2·(mean target, mean output)."""
    method, _ = make("pix2pix-facades")
    method.G, method.D = Constant(0.5, channels=3), Sees(0.2, 0.0, 0.0, 2.0, 0.0, 0.0)
    found = terms_of(method, Shown(even(1.0, 1.0, 1.0), even(0.25, 0.25, 0.25)))
    real, fake = 0.2 + 0.5, 0.2 + 1.0
    assert found["D"] == pytest.approx(0.5 * (softplus(-real) + softplus(fake)), abs=1e-5)
    assert found["G"] == pytest.approx(softplus(-fake), abs=1e-5)
    assert found["L1"] == pytest.approx(100 * 0.25, abs=1e-4)


def test_cyclegan_by_hand():
    """AB(x) = x + 0.1 and BA(x) = x / 2; a is 0.2 and b is -0.4."""
    method, _ = make("cyclegan-emoji")
    method.G = nn.ModuleDict({"AB": Affine(1.0, 0.1), "BA": Affine(0.5, 0.0)})
    method.D_A, method.D_B = Sees(1.0, 1.0, 1.0), Sees(2.0, 0.0, 0.0)
    found = terms_of(method, Shown(even(0.2, 0.2, 0.2), even(-0.4, -0.4, -0.4)))
    assert found["cycle"] == pytest.approx(10 * (abs(0.15 - 0.2) + abs(-0.1 + 0.4)), abs=1e-5)
    assert found["identity"] == pytest.approx(5 * (0.1 + 0.1), abs=1e-5)
    assert found["AB"] == pytest.approx((2 * 0.3 - 1) ** 2, abs=1e-5)  # D_B of 0.3
    assert found["BA"] == pytest.approx((3 * -0.2 - 1) ** 2, abs=1e-5)  # D_A of -0.2
    assert found["D_A"] == pytest.approx(0.5 * ((3 * 0.2 - 1) ** 2 + (3 * -0.2) ** 2), abs=1e-5)
    assert found["D_B"] == pytest.approx(0.5 * ((2 * -0.4 - 1) ** 2 + (2 * 0.3) ** 2), abs=1e-5)


def test_srgan_by_hand():
    method, _ = make("srgan-x4", perceptual="none")
    method.G, method.D = nn.Sequential(nn.Upsample(scale_factor=4), Affine(1.0, 0.3)), Sees(1.0, 0.0, 0.0)
    source, target = even(0.1, 0.1, 0.1)[..., :8, :8], even(0.2, 0.2, 0.2)
    assert terms_of(method, Shown(source, target)) == {"MSE": pytest.approx(0.04, abs=1e-6)}
    # 0.2 and 0.4 of [-1, 1] are 0.6 and 0.7 of the 219 levels of Y
    assert method.measures["PSNR"].item() == pytest.approx(-20 * math.log10(0.1 * 219 / 255), abs=1e-3)
    assert method.measures["PSNR bicubic"].item() == pytest.approx(-20 * math.log10(0.05 * 219 / 255), abs=1e-3)
    found = terms_of(method, Shown(source, target, images_seen=32))
    assert found["D"] == pytest.approx(softplus(-0.2) + softplus(0.4), abs=1e-5)
    assert found["G"] == pytest.approx(1e-3 * softplus(-0.4), abs=1e-7)
    assert found["MSE"] == pytest.approx(0.04, abs=1e-6)


def test_context_encoder_by_hand():
    """A hole of 2 x 2 in 8 x 8, an overlap of 1: 4 pixels once, 12 around them ten times."""
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 3:5, 3:5] = 1
    error = restoration_error(torch.full((1, 3, 8, 8), 0.5), torch.zeros(1, 3, 8, 8), mask, 1, 10.0)
    assert error.item() == pytest.approx(0.25 * (4 + 12 * 10) / 16)
    output = torch.zeros(1, 3, 8, 8)
    output[..., 0, 0] = 9  # far from the hole nothing is asked
    assert restoration_error(output, torch.zeros(1, 3, 8, 8), mask, 1, 10.0) == 0
    method, _ = make("context-encoder")
    method.G, method.D = Constant(0.5, channels=3), Sees(1.0, 0.0, 0.0)
    hole = torch.zeros(2, 1, 32, 32)
    hole[..., :16] = 1
    source = torch.cat([even(0.0, 0.0, 0.0), hole], dim=1)
    found = terms_of(method, Shown(source, even(0.1, 0.1, 0.1)))
    assert found["D"] == pytest.approx(softplus(-0.1) + softplus(0.3), abs=1e-5)  # the filled one is 0.3 on average
    assert found["G"] == pytest.approx(1e-3 * softplus(-0.3), abs=1e-7)
    assert found["L2"] == pytest.approx(0.999 * 0.16 * (16 + 7 * 10) / 23, abs=1e-5)


def test_denoising_by_hand():
    method, _ = make("dncnn")
    method.G = Affine(1.0, -0.1)
    assert terms_of(method, Shown(even(0.4), even(0.1))) == {"L2": pytest.approx(0.5 * 0.04, abs=1e-6)}
    assert method.measures["PSNR"].item() == pytest.approx(20, abs=1e-3)
    assert method.measures["PSNR noisy"].item() == pytest.approx(-20 * math.log10(0.15), abs=1e-3)


def test_three_kinds_of_pair_by_hand():
    logits = tuple(torch.tensor([value]) for value in (1.0, 2.0, 3.0))
    assert three_way(logits, (1.0, 0.0, 0.0)).item() == pytest.approx((softplus(-1) + softplus(2) + softplus(3)) / 3)
    method, _ = make("pixeldt-emoji")
    method.G, method.D, method.A = Constant(0.5, channels=3), Sees(1.0, 0.0, 0.0), Sees(1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    target = torch.stack([torch.full((3, 32, 32), 0.1), torch.full((3, 32, 32), 0.3)])
    source = torch.stack([torch.zeros(3, 32, 32), torch.ones(3, 32, 32)])
    found = terms_of(method, Shown(source, target))
    real = mean([softplus(-0.1), softplus(-0.3)])
    assert found["D"] == pytest.approx((2 * real + softplus(0.5)) / 3, abs=1e-5)
    belongs = mean([softplus(-0.1), softplus(-1.3)])
    others = mean([softplus(0.3), softplus(1.1)])
    assert found["A"] == pytest.approx((belongs + others + mean([softplus(0.5), softplus(1.5)])) / 3, abs=1e-5)
    assert found["real"] == pytest.approx(0.5 * softplus(-0.5), abs=1e-5)
    assert found["belongs"] == pytest.approx(0.5 * mean([softplus(-0.5), softplus(-1.5)]), abs=1e-5)
    with pytest.raises(InputError, match="`batch_size` must be >= 2"):
        next(method.updates(Shown(source[:1], target[:1])))


def test_pose_by_hand():
    pose = torch.full((1, 3, 8, 8), -1.0)
    pose[0, 2, 4, 4] = 1.0
    mask = body_mask(pose, 1)
    assert mask.sum() == 9
    assert masked_l1(torch.full((1, 3, 8, 8), 0.5), torch.zeros(1, 3, 8, 8), mask).item() == pytest.approx(
        0.5 * (64 + 9) / 64
    )


def test_the_pool_keeps_old_fakes():
    torch.manual_seed(0)
    pool = Pool(50, 1, 1)
    numbers = [pool.swap(torch.tensor(float(i)).view(1, 1, 1, 1)).item() for i in range(1050)]
    assert numbers[:50] == list(range(50)), "what comes while it is filled comes back"
    new = sum(number == i for i, number in enumerate(numbers[50:], start=50))
    assert 400 < new < 600
    assert len(set(numbers[50:])) == 1000, "an old one is shown once, since another takes its place"
    ages = [i - number for i, number in enumerate(numbers[50:], start=50) if number != i]
    assert 60 < sum(ages) / len(ages) < 140, "it stays for a hundred images, of which half come in"
    again = Pool(50, 1, 1)
    again.load_state_dict(pool.state_dict())
    for p in (pool, again):
        torch.manual_seed(7)
        p.last = [p.swap(torch.tensor(float(-i)).view(1, 1, 1, 1)).item() for i in range(20)]
    assert pool.last == again.last


def test_no_pool():
    fake = torch.rand(3, 1, 2, 2)
    assert Pool(0, 1, 2).swap(fake).equal(fake)


class Weaken(nn.Module):
    """Passes on to `inner`, and checks what strength it is told."""

    def __init__(self, inner, strength):
        super().__init__()
        self.inner, self.strength = inner, strength

    def forward(self, x, s):
        assert s.tolist() == [self.strength] * len(x)
        return self.inner(x, s)


def test_strength_weighs_the_style(tmp_path):
    method, data = make("style-transfer", tmp_path)
    x, _ = next(data.batches(2, 0, CPU))
    found = []
    for strength in (0.0, 1.0):
        method.G = Weaken(method.G, strength)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "rand", lambda count, device, strength=strength: torch.full((count,), strength))
            found.append(terms_of(method, Shown(x, x))["style"])
        method.G = method.G.inner
    assert found[0] == 0
    assert found[1] > 0
