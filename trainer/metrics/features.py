"""Feature extractors for FID, KID and the like: uint8 images in, one feature vector per image out."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrained.system.errors import InputError

RESIZER = "bilinear, antialiased, rounded to 8 bits"
CAFFE_MEAN = (104.0, 117.0, 123.0)  # blue, green, red of 255
MAX_NPZ = 64 * 2**20  # bytes; SqueezeNet has five million
SQUEEZENET_SCALE = 16.0  # gives features of photographs a mean square of about 1, for KID's kernel (x·y / D + 1)³


@dataclass(frozen=True)
class Features:
    """A frozen feature extractor.

    Attributes:
        name: of the network, with version.
        layer: whose output is the feature vector.
        size: of its input in pixels; images are resized to it.
        sha256: of the file of weights.
        network: uint8 (N, 3, size, size) on `device` -> (N, D).
    """

    name: str
    layer: str
    size: int
    sha256: str
    network: Callable[[Tensor], Tensor]
    device: torch.device

    @torch.inference_mode()
    def extract(self, batches: Iterable[Tensor]) -> Tensor:
        """Batches of uint8 (B, 1 or 3, H, W) -> float64 (N, D) on the CPU; grey is repeated to three channels."""
        parts = [
            self.network(resize(batch.to(self.device).expand(-1, 3, -1, -1), self.size)).cpu().double()
            for batch in batches
        ]
        return torch.cat(parts)

    def describe(self) -> dict[str, Any]:
        """Everything that the features depend on besides the images, as JSON values."""
        return {
            "features": self.name,
            "layer": self.layer,
            "weights": self.sha256,
            "resizer": f"to {self.size} px, {RESIZER}",
        }


def resize(images: Tensor, size: int) -> Tensor:
    """uint8 (N, C, H, W) -> uint8 (N, C, size, size): RESIZER, for real and generated images alike."""
    resized = F.interpolate(images.float(), (size, size), mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)


def _read_npz(path: Path, argument: str) -> dict[str, Tensor]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_NPZ:
                raise ValueError(f"it unpacks to more than {MAX_NPZ:,} bytes")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays}
    except (OSError, ValueError, TypeError, EOFError, MemoryError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(f"`{argument}` must be an .npz file of arrays, got {path}: {error}") from error


def squeezenet_layers(path: Path, argument: str = "feature_weights") -> nn.Sequential:
    """SqueezeNet 1.0 (Iandola 2016, arXiv:1602.07360) with the authors' weights, without the classifier.

    Its input is BGR, 0..255 minus CAFFE_MEAN.

    Args:
        argument: name of the argument that gives `path`, for errors.
    """
    import torchvision

    state = _read_npz(path, argument)
    with torch.device("meta"):
        network = torchvision.models.squeezenet1_0()
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wrong = [name for name in sorted(expected.keys() | given.keys()) if expected.get(name) != given.get(name)]
    if wrong:
        raise InputError(
            f"`{argument}` must be SqueezeNet 1.0, got {path}: {wrong[0]} has shape {given.get(wrong[0])}, "
            f"expected {expected.get(wrong[0])}"
        )
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)
    return network.features.eval()


def _squeezenet(path: Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    layers, mean = squeezenet_layers(path).to(device), torch.tensor(CAFFE_MEAN, device=device).view(1, 3, 1, 1)
    return lambda x: layers(x.flip(1) - mean).mean((2, 3)) / SQUEEZENET_SCALE


def _inception(path: Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The Inception network of the first FID (Heusel 2017, arXiv:1706.08500), in the version of torch-fidelity."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    # torch-fidelity unpickles its file, which could run code, so it gets one with nothing but these tensors.
    tensors_only = io.BytesIO()
    try:
        torch.save(torch.load(path, map_location="cpu", weights_only=True), tensors_only)
        tensors_only.seek(0)
        network = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=tensors_only)
    except (OSError, RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"`feature_weights` must be torch-fidelity's Inception, got {path}: {reason}") from error
    network = network.to(device)
    return lambda x: network(x)[0]


def _download_inception() -> Path:
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(URL_INCEPTION_V3).name
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), hash_prefix=path.stem.rpartition("-")[2])
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"the Inception weights cannot be downloaded ({error}): fetch {URL_INCEPTION_V3} elsewhere "
                "and set `feature_weights`"
            ) from error
    return path


@dataclass(frozen=True)
class Kind:
    """One row of KINDS.

    Attributes:
        suffixes: of files of its weights.
        default: returns the path of the weights if none is given; None if it must be given.
    """

    name: str
    layer: str
    size: int
    suffixes: tuple[str, ...]
    load: Callable[[Path, torch.device], Callable[[Tensor], Tensor]]
    default: Callable[[], Path] | None = None


KINDS = {
    "inception": Kind(
        "Inception v3 (2015-12-05)", "pool3, 2048", 299, (".pth", ".pt"), _inception, default=_download_inception
    ),
    "squeezenet": Kind(
        "SqueezeNet 1.0", f"features.12, mean over places / {SQUEEZENET_SCALE:g}, 512", 227, (".npz",), _squeezenet
    ),
}


def load(kind: str, weights: Path | None, device: torch.device) -> Features:
    """Load the feature extractor `kind` to `device`.

    Args:
        kind: a key of KINDS, or "auto", which infers it from the suffix of `weights`; without weights Inception.
        weights: file of weights; None downloads them if possible.

    Raises:
        InputError: the file is missing, or does not hold the weights of that network.
    """
    if kind == "auto":
        suffix = weights.suffix if weights else ".pth"
        kind = next((name for name, row in KINDS.items() if suffix in row.suffixes), "")
    if not kind:
        legal = ", ".join(suffix for row in KINDS.values() for suffix in row.suffixes)
        raise InputError(f"`feature_weights` must end in {legal}, got {weights}")
    row = KINDS[kind]
    if weights is None and row.default is None:
        raise InputError(f"`features` {kind} needs `feature_weights`, a file {' or '.join(row.suffixes)}")
    path = weights or row.default()
    if not path.is_file():
        raise InputError(f"`feature_weights` must be a file, got {path}, which does not exist")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Features(row.name, row.layer, row.size, digest, row.load(path, device), device)
