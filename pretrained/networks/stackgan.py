"""StackGAN (Zhang et al. 2016, arXiv:1612.03242): a sentence -> a small image -> a large one.

The text encoder is the mean of word embeddings, trained with the rest; the paper has a pretrained encoder.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .dcgan import initialise
from .equalized import block_widths
from .sizes import Sizes

__all__ = ["Discriminator", "Generator"]

FACTOR = 4  # upscaling factor of stage II (section 3.3)


def reader(num_words: int, text_dim: int) -> nn.EmbeddingBag:
    """Words y (N, any), 0 for none -> (N, text_dim): the mean of their embeddings."""
    return nn.EmbeddingBag(num_words + 1, text_dim, mode="mean", padding_idx=0)


def convolve(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def enlarge(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=2), *convolve(inputs, outputs))


class Condition(nn.Module):
    """Conditioning augmentation (section 3.2): text (N, text_dim), epsilon -> c ~ N(mu(text), sigma(text)), and its KL.

    The KL divergence from N(0, 1) is averaged over the dimensions of c, as in the authors' code; the paper sums it.
    """

    def __init__(self, text_dim: int, c_dim: int):
        super().__init__()
        self.layer = nn.Linear(text_dim, 2 * c_dim)

    def forward(self, text: Tensor, epsilon: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.layer(text).float().chunk(2, dim=1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        return mean + (0.5 * log_variance).exp() * epsilon, divergence


class StageOne(nn.Module):
    """Condition and noise -> a low-resolution image at `size` px."""

    def __init__(self, size: int, channels: int, noise_dim: int, c_dim: int, width: int, text_dim: int):
        super().__init__()
        widths = block_widths(size, width)
        self.condition = Condition(text_dim, c_dim)
        self.project = nn.Linear(c_dim + noise_dim, 16 * widths[0], bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        self.blocks = nn.Sequential(*(enlarge(before, after) for before, after in pairwise(widths)))
        self.to_picture = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, text: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """text (N, text_dim), z: epsilon beside noise -> image, KL."""
        c_dim = self.condition.layer.out_features // 2
        c, divergence = self.condition(text, z[:, :c_dim])
        x = self.project(torch.cat([c, z[:, c_dim:]], dim=1)).unflatten(1, (4, 4, -1)).permute(0, 3, 1, 2)
        return self.to_picture(self.blocks(self.norm(x).relu())).tanh(), divergence


class Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(*convolve(width, width), *convolve(width, width)[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.layers(x))


class StageTwo(nn.Module):
    """Low-resolution image and condition -> high-resolution image.

    Stage II predicts the residual to the upsampled image of stage I, unlike in the paper, so that it need not learn to
    copy.
    """

    def __init__(self, size: int, channels: int, c_dim: int, width: int, text_dim: int):
        super().__init__()
        self.condition = Condition(text_dim, c_dim)
        self.encode = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(inplace=True),
        )
        self.join = nn.Sequential(*convolve(2 * width + c_dim, 2 * width), Residual(2 * width), Residual(2 * width))
        widths = [max(2 * width >> level, 8) for level in range(FACTOR.bit_length() + 1)]
        self.blocks = nn.Sequential(*(enlarge(before, after) for before, after in pairwise(widths)))
        self.to_picture = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, text: Tensor, epsilon: Tensor, small: Tensor) -> tuple[Tensor, Tensor]:
        c, divergence = self.condition(text, epsilon)
        x = self.encode(small)
        x = self.join(torch.cat([x, c[:, :, None, None].expand(-1, -1, *x.shape[2:]).to(x.dtype)], dim=1))
        enlarged = F.interpolate(small, scale_factor=FACTOR, mode="bilinear", align_corners=False)
        return (self.to_picture(self.blocks(x)) + (0.98 * enlarged.float()).atanh()).tanh(), divergence


class Generator(nn.Module):
    """z (N, z_dim) and words y (N, any), 0 for none -> images (N, channels, size, size) in [-1, 1].

    The first half of z is the epsilon of the conditioning augmentation, the other half is noise.

    Attributes:
        stages: int64, 1 or 2; with 1, the image of stage I is only upsampled.
    """

    def __init__(
        self,
        size: int = 64,
        channels: int = 3,
        z_dim: int = 128,
        width: int = 64,
        text_dim: int = 128,
        num_words: int = 1000,
    ):
        super().__init__()
        Sizes(4 * FACTOR, power_of_two=True).check(size)  # stage I draws a quarter of it
        self.c_dim = z_dim // 2
        self.read = reader(num_words, text_dim)
        self.first = StageOne(size // FACTOR, channels, z_dim - self.c_dim, self.c_dim, width, text_dim)
        self.second = StageTwo(size, channels, self.c_dim, width, text_dim)
        self.register_buffer("stages", torch.tensor(2))
        self.apply(initialise)

    def first_layers(self) -> list[Tensor]:
        """Weights (outputs, z_dim) of the layer that reads z, for closed-form directions (SeFa).

        The first half of z is epsilon, which is scaled by the text; this is neglected.
        """
        return [self.first.project.weight]

    def draw_first(self, z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The image of stage I (N, channels, size / 4, size / 4) and the KL loss."""
        return self.first(self.read(y), z)

    def draw_second(self, z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The image of stage II and the KL loss; no gradient for stage I and the text encoder."""
        with torch.no_grad():
            text = self.read(y)
            small, _ = self.first(text, z)
        return self.second(text, z[:, : self.c_dim], small)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        text = self.read(y)
        small, _ = self.first(text, z)
        if int(self.stages) == 2:
            return self.second(text, z[:, : self.c_dim], small)[0]
        return F.interpolate(small, scale_factor=FACTOR, mode="nearest")


class Discriminator(nn.Module):
    """Images (N, channels, size, size) and words y (N, any) -> logits (N,): is it real, and does it match y?"""

    def __init__(
        self,
        size: int = 64,
        channels: int = 3,
        width: int = 64,
        text_dim: int = 128,
        num_words: int = 1000,
    ):
        super().__init__()
        Sizes(4, power_of_two=True).check(size)
        widths = block_widths(size, width)[::-1]
        self.read = reader(num_words, text_dim)
        self.blocks = nn.Sequential(nn.Conv2d(channels, widths[0], 3, padding=1), nn.LeakyReLU(0.2, inplace=True))
        for before, after in pairwise(widths):
            self.blocks.append(
                nn.Sequential(
                    nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.LeakyReLU(0.2, inplace=True),
                )
            )
        self.join = nn.Sequential(
            nn.Conv2d(widths[-1] + text_dim, widths[-1], 1, bias=False),
            nn.BatchNorm2d(widths[-1]),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.score = nn.Linear(16 * widths[-1], 1)
        self.apply(initialise)

    def match(self, features: Tensor, y: Tensor) -> Tensor:
        """The logits of features (N, C, 4, 4), the output of `blocks`, with words y."""
        text = self.read(y)[:, :, None, None].expand(-1, -1, 4, 4)
        x = self.join(torch.cat([features, text.to(features.dtype)], dim=1))
        return self.score(x.permute(0, 2, 3, 1).flatten(1)).squeeze(1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.match(self.blocks(x), y)
