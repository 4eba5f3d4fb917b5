"""DCGAN (Radford et al. 2015, arXiv:1511.06434): strided convolutions, for any size that halves to a map of 4 to 7 px.

At 64 px and width 128 these are the networks of the paper (1024-512-256-128 channels). The layers at the
4x4 map are linear instead of convolutions: the same function, but faster, and channels_last for free.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrained.networks.labels import rows
from pretrained.networks.sizes import Size, Sizes, base_map

__all__ = ["Discriminator", "Generator"]

Norm = Literal["batch", "layer", "instance", "none"]
NORMS = {
    "batch": nn.BatchNorm2d,
    "layer": lambda channels: nn.GroupNorm(1, channels),
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "none": lambda channels: nn.Identity(),
}


def block_widths(size: Size, width: int, widest: int = 0) -> list[int]:
    """Channels at 4, 8, ..., size/2 px: doubling towards 4 px, up to `widest` or 8 times `width`."""
    Sizes(16, halved=True).check(size)
    return [min(width * 2**level, widest or 8 * width) for level in reversed(range(base_map(size)[0]))]


def initialise(module: nn.Module) -> None:
    """Weights ~ N(0, 0.02), normalisation scales ~ N(1, 0.02), biases 0 (paper, section 4)."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d)) and module.weight is not None:
        nn.init.normal_(module.weight, 1.0, 0.02)
    if getattr(module, "bias", None) is not None:
        nn.init.zeros_(module.bias)


class ToImage(nn.ConvTranspose2d):
    """The last transposed convolution. In training with one channel on a CPU, a matrix product and col2im.

    Transposed convolutions to one channel are slow on CPUs: for 128 maps (32, 16, 16) in float32 this takes 6 ms
    instead of 10, forward and backward; with three channels there is no gain.
    """

    def __init__(self, before: int, channels: int):
        super().__init__(before, channels, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.out_channels > 1 or x.device.type != "cpu":
            return super().forward(x)
        sides = 2 * x.shape[2], 2 * x.shape[3]
        taps = x.flatten(2).transpose(1, 2) @ self.weight.flatten(1)  # (N, HW, 16)
        return F.fold(taps.transpose(1, 2), sides, 4, padding=1, stride=2) + self.bias.view(1, -1, 1, 1)


class Generator(nn.Module):
    """z (N, z_dim) and, if conditional, labels y (N,) -> images (N, channels, *size) in [-1, 1].

    z and the row of y enter at the first layer. With `modulation` they scale and shift every normalised map as well
    (Chen et al. 2018, arXiv:1810.01365), which is how G learns classes of thin strokes at 64 px.
    """

    def __init__(
        self,
        size: Size = 64,
        channels: int = 3,
        z_dim: int = 100,
        width: int = 128,
        num_classes: int = 0,
        modulation: bool = False,
        widest: int = 0,
    ):
        super().__init__()
        widths = block_widths(size, width, widest)
        self.base = base_map(size)[1]
        inputs = 2 * z_dim if num_classes else z_dim
        self.embed = nn.Embedding(num_classes, z_dim) if num_classes else None
        self.project = nn.Linear(inputs, math.prod(self.base) * widths[0], bias=False)
        self.norm = nn.BatchNorm2d(widths[0], affine=not modulation)
        self.blocks = nn.Sequential()
        for before, after in zip(widths, widths[1:]):
            self.blocks.append(
                nn.Sequential(
                    nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
                    nn.BatchNorm2d(after, affine=not modulation),
                    nn.ReLU(inplace=True),
                )
            )
        self.to_picture = ToImage(widths[-1], channels)
        self.modulations = nn.ModuleList(nn.Linear(inputs, 2 * maps) for maps in widths) if modulation else None
        self.apply(initialise)

    def first_layers(self) -> list[Tensor]:
        """Weights (outputs, z_dim) of the layers that read z, for closed-form directions (SeFa)."""
        weights = [layer.weight for layer in (self.project, *(self.modulations or ()))]
        return weights if self.embed is None else [weight.chunk(2, dim=1)[0] for weight in weights]

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.embed is not None:
            z = torch.cat([z, rows(self.embed.weight, y)], dim=1)
        x = self.project(z).unflatten(1, (*self.base, -1)).permute(0, 3, 1, 2)
        if self.modulations is None:
            return self.to_picture(self.blocks(self.norm(x).relu())).tanh()
        x = self._modulate(0, self.norm(x), z).relu()
        for level, (double, norm, relu) in enumerate(self.blocks, start=1):
            x = relu(self._modulate(level, norm(double(x)), z))
        return self.to_picture(x).tanh()

    def _modulate(self, level: int, x: Tensor, z: Tensor) -> Tensor:
        gain, shift = self.modulations[level](z)[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(shift, x, 1 + gain)


class Discriminator(nn.Module):
    """Images (N, channels, *size) and, if conditional, labels y (N,) -> logits (N,).

    Labels enter as a projection (Miyato & Koyama 2018, arXiv:1802.05637): psi(phi(x)) + <e(y), phi(x)>. phi is the mean
    over the last map, not the sum: without spectral normalisation a sum dominates psi, and G collapses to one image per
    class. With `features` phi is a fully connected layer behind the map, which knows where in the image things are.
    """

    def __init__(
        self,
        size: Size = 64,
        channels: int = 3,
        width: int = 128,
        num_classes: int = 0,
        norm: Norm = "batch",
        features: bool = False,
        widest: int = 0,
    ):
        super().__init__()
        widths = block_widths(size, width, widest)[::-1]
        self.blocks = nn.Sequential(
            nn.Sequential(nn.Conv2d(channels, widths[0], 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True))
        )
        for before, after in zip(widths, widths[1:]):
            self.blocks.append(
                nn.Sequential(
                    nn.Conv2d(before, after, 4, stride=2, padding=1, bias=norm == "none"),
                    NORMS[norm](after),
                    nn.LeakyReLU(0.2, inplace=True),
                )
            )
        num_maps = math.prod(base_map(size)[1]) * widths[-1]
        self.features = nn.Linear(num_maps, widths[-1]) if features else None
        self.score = nn.Linear(widths[-1] if features else num_maps, 1)
        self.embed = nn.Embedding(num_classes, widths[-1]) if num_classes else None
        self.apply(initialise)
        if features:
            nn.init.kaiming_normal_(self.features.weight, 0.2)
            if self.embed is not None:
                nn.init.normal_(self.embed.weight)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        maps = self.blocks(x)
        seen, phi = maps.permute(0, 2, 3, 1).flatten(1), maps.mean(dim=(2, 3))
        if self.features is not None:
            seen = F.leaky_relu(self.features(seen), 0.2)
            phi = seen / math.sqrt(seen.shape[1])
        logits = self.score(seen).squeeze(1)
        if self.embed is not None:
            logits = logits + (self.embed(y) * phi).sum(dim=1)
        return logits
