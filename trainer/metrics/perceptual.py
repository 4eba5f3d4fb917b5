"""Perceptual losses: content and style (Johnson et al. 2016, arXiv:1603.08155).

Both are normalised by the features of the target, so that a weight has the same effect with every network; in the paper
they scale with the activations of a layer.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrained.system.errors import InputError
from pretrained.system.files import expanded
from trainer import distributed
from trainer.metrics import features
from trainer.metrics.psnr_ssim import per_channel

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of [0, 1], RGB


def imagenet(x: Tensor) -> Tensor:
    """[-1, 1] -> the normalisation of torchvision's networks."""
    mean, deviation = (per_channel(values, x.device) for values in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return ((x + 1) / 2 - mean) / deviation


def caffe(x: Tensor) -> Tensor:
    """[-1, 1] -> BGR, 0..255 minus a mean colour: the normalisation of SqueezeNet's authors."""
    return (x.flip(1) + 1) * 127.5 - per_channel(tuple(features.CAFFE_MEAN), x.device)


@dataclass(frozen=True)
class PerceptualLoss:
    """A frozen network and the indices of the layers that are compared.

    Attributes:
        content_layer: index of the layer of the content loss.
        style_layers: indices of the layers of the style loss, from fine to coarse.
    """

    layers: nn.Sequential
    prepare: Callable[[Tensor], Tensor]
    content_layer: int
    style_layers: tuple[int, ...]

    def look(self, x: Tensor) -> dict[int, Tensor]:
        """Images (N, 1 or 3, H, W) in [-1, 1] -> features (N, C, h, w) of the compared layers, by index."""
        self.layers.to(x.device)
        places = {self.content_layer, *self.style_layers}
        x, seen = self.prepare(x.float().expand(-1, 3, -1, -1)), {}
        for place, layer in enumerate(self.layers[: max(places) + 1]):
            x = layer(x)
            if place in places:
                seen[place] = x.float()
        return seen

    def content(self, seen: dict[int, Tensor], wanted: dict[int, Tensor]) -> Tensor:
        """Content loss (eq. 2) between two results of `look`."""
        aim = wanted[self.content_layer].detach()
        energy = distributed.mean(aim.square().mean())  # of the whole batch
        return F.mse_loss(seen[self.content_layer], aim) / energy.clamp(min=1e-8)

    def grams(self, seen: dict[int, Tensor]) -> list[Tensor]:
        """The Gram matrices (N, C, C) of the style layers."""
        return [gram(seen[place]) for place in self.style_layers]

    def style(self, seen: dict[int, Tensor], wanted: list[Tensor]) -> Tensor:
        """Style loss to Gram matrices (1, C, C) -> (N,) (eq. 4)."""
        shares = [
            (found - aim).square().sum(dim=(1, 2)) / aim.square().sum().clamp(min=1e-16)
            for found, aim in zip(self.grams(seen), wanted, strict=True)
        ]
        return torch.stack(shares).mean(dim=0)

    @torch.no_grad()
    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Perceptual distance of images (N, ...) in [-1, 1] -> (N,): LPIPS (Zhang 2018, eq. 1), unweighted."""
        shares = []
        for found, wanted in zip(self.look(x).values(), self.look(y).values(), strict=True):
            squared = (F.normalize(found, dim=1) - F.normalize(wanted, dim=1)).square().sum(dim=1)
            shares.append(squared.mean(dim=(1, 2)))
        return torch.stack(shares).mean(dim=0)

    def difference(self, x: Tensor, y: Tensor) -> Tensor:
        """Content loss of images in [-1, 1]; no gradient for `y`."""
        with torch.no_grad():
            wanted = self.look(y)
        return self.content(self.look(x), wanted)


def gram(features: Tensor) -> Tensor:
    """Gram matrix: (N, C, H, W) -> (N, C, C), divided by C·H·W (eq. 3)."""
    flat = features.flatten(2)
    with torch.autocast(flat.device.type, enabled=False):  # bf16 is too coarse for sums of thousands of products
        return flat @ flat.mT / flat[0].numel()


def total_variation(x: Tensor) -> Tensor:
    """Total variation: mean squared difference of neighbouring pixels of (N, C, H, W), in both directions."""
    return (x[..., 1:, :] - x[..., :-1, :]).square().mean() + (x[..., 1:] - x[..., :-1]).square().mean()


@dataclass(frozen=True)
class Kind:
    """One row of KINDS.

    Attributes:
        summary: names of the layers: content; style.
        suffixes: of files of its weights.
        load: file of weights, or None to download it -> the layers and their normalisation.
        content_layer, style_layers: as for PerceptualLoss.
    """

    summary: str
    suffixes: tuple[str, ...]
    load: Callable[[Path | None], tuple[nn.Sequential, Callable[[Tensor], Tensor]]]
    content_layer: int
    style_layers: tuple[int, ...]


def _download(name: str) -> nn.Sequential:
    import torchvision

    try:
        return getattr(torchvision.models, name)(weights="IMAGENET1K_V1").features
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"the weights of {name} cannot be downloaded ({error}): fetch "
            f"{torchvision.models.get_model_weights(name).IMAGENET1K_V1.url} elsewhere and set `perceptual` to the file"
        ) from error


def _vgg16(path: Path | None) -> tuple[nn.Sequential, Callable[[Tensor], Tensor]]:
    if path is None:
        return _download("vgg16"), imagenet
    import torchvision

    with torch.device("meta"):
        layers = torchvision.models.vgg16().features
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state = {name.removeprefix("features."): tensor for name, tensor in state.items() if "classifier" not in name}
        layers.load_state_dict(state, assign=True)
    except (OSError, RuntimeError, EOFError, AttributeError, pickle.UnpicklingError) as error:
        raise InputError(f"`perceptual` must hold VGG-16, got {path}: {str(error).splitlines()[0]}") from error
    return layers, imagenet


def _squeezenet(path: Path | None) -> tuple[nn.Sequential, Callable[[Tensor], Tensor]]:
    return (
        (_download("squeezenet1_0"), imagenet)
        if path is None
        else (
            features.squeezenet_layers(path, "perceptual"),
            caffe,
        )
    )


KINDS = {
    "vgg16": Kind("relu3_3; relu1_2, relu2_2, relu3_3, relu4_3", (".pth", ".pt"), _vgg16, 15, (3, 8, 15, 22)),
    "squeezenet": Kind("fire3; conv1, fire3, fire5, fire8", (".npz",), _squeezenet, 4, (1, 4, 7, 10)),
}


def choose(name: str) -> PerceptualLoss | None:
    """The perceptual loss `name`: a key of KINDS, a file of weights, or "none".

    Raises:
        InputError: the weights are missing or cannot be downloaded.
    """
    if name == "none":
        return None
    path = None if name in KINDS else expanded(name)
    kind = KINDS.get(name) or next((kind for kind in KINDS.values() if path.suffix in kind.suffixes), None)
    if kind is None or (path and not path.is_file()):
        raise InputError(
            f"`perceptual` must be none, {', '.join(KINDS)} (both are downloaded), or a file of VGG-16 (.pth) or "
            f"SqueezeNet (.npz), got {name}"
        )
    layers, prepare = kind.load(path)
    return PerceptualLoss(layers.eval().requires_grad_(False), prepare, kind.content_layer, kind.style_layers)
