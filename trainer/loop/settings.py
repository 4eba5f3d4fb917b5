"""Settings of a run that do not change the result, apart from the rounding of bf16."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from pretrained.system.errors import InputError


def multiplies_bf16(device: torch.device) -> bool:
    """Whether the device has bfloat16 units; without them bf16 is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    abilities = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch since 2.8
    return device.type == "cpu" and any(abilities.get(unit) for unit in ("avx512_bf16", "amx_bf16"))


@dataclass(frozen=True)
class Settings:
    """Folders, hardware and publishing of a run."""

    out: Path | None = None
    """Folder of the run. By default, runs/RECIPE."""
    data_root: Path = Path(os.environ.get("GANVAS_DATA", "data"))
    """Folder of the named datasets, to which missing ones are downloaded; also set by $GANVAS_DATA."""
    resume: bool = False
    """Continue the run in the folder, exactly as if it had not been stopped."""
    data_changed: bool = False
    """Go on although the data has changed since the run began; classes keep their labels, by name."""
    preview: Path | None = None
    """Write a PNG of what training will see, cropped, mirrored and degraded, with --dry-run or before it begins."""
    snapshots: int = 20
    """Number of snapshots over the run: at each, weights are saved and samples are drawn."""
    feature_weights: Path | None = None
    """Weights of a feature extractor (SqueezeNet .npz or Inception .pth).
    If set, the KID of each snapshot is logged, and the best snapshot is kept in the sub-folder best/."""
    on_collapse: Literal["rollback", "stop", "ignore"] = "rollback"
    """What to do if a loss is not finite, D has won or the generator collapses.
    rollback returns to the last good snapshot with half the learning rate, at most three times."""
    device: str = "auto"
    """Device: auto, cpu, cuda or mps."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Precision of the computation; bf16 is mixed precision with float32 weights.
    auto selects bf16 if the GPU or CPU has bfloat16 units, else fp32."""
    weights: Literal["fp32", "fp16"] = "fp32"
    """Precision of the stored checkpoint; fp16 halves the file size, with no visible difference."""
    track: Literal["none", "tensorboard", "trackio"] = "none"
    """Send metrics, samples and warnings to an experiment tracker too: pip install -r requirements-track.txt."""
    cuda_graphs: Literal["auto", "on", "off"] = "auto"
    """Capture training steps as CUDA graphs, which removes Python's overhead on a GPU. auto is on if possible."""
    dist_timeout: int = 60
    """Seconds after which a process of torchrun that does not answer is given up, which ends the others."""
    threads: int | None = None
    """Number of CPU threads. By default, that of PyTorch."""
    data_licence: str | None = None
    """Licence of the training images for the model card, such as "CC BY 4.0" or "my own"."""
    licence: str | None = None
    """Licence of the weights for the model card, such as apache-2.0 or cc-by-4.0."""
    hf_job: str | None = None
    """Train on this hardware of Hugging Face Jobs instead of here, such as t4-small; `hf jobs hardware` lists them.
    The price is said, and you are asked, before anything is sent; the result comes back to --out."""
    hf_job_hours: float = 6.0
    """With --hf-job: hours after which the training is stopped and its result saved."""
    yes: bool = False
    """With --hf-job: start without asking."""
    dry_run: bool = False
    """Print the complete configuration without training or writing anything."""
    push_to_hub: bool = False
    """Publish the result on the Hugging Face Hub. Token and repository name are checked before training."""
    repo_id: str | None = None
    """Repository on the Hub, USER/NAME. By default, the recipe name in your account."""
    private: bool = False
    """Create the repository as private."""
    with_discriminator: bool = False
    """Publish D too, as discriminator.safetensors, so that others can fine-tune from it."""

    def __post_init__(self) -> None:
        if self.threads is not None and not 1 <= self.threads <= 1024:
            raise InputError(f"`threads` must be 1 to 1024, got {self.threads}")
        if not 0 < self.hf_job_hours <= 168:
            raise InputError(f"`hf_job_hours` must be > 0 and <= 168, got {self.hf_job_hours}")
        if not 1 <= self.dist_timeout <= 86_400:
            raise InputError(f"`dist_timeout` must be 1 to 86400 seconds, got {self.dist_timeout}")
        if not 0 <= self.snapshots <= 10_000:
            raise InputError(f"`snapshots` must be 0 to 10000, got {self.snapshots}")

    def autocast(self, device: torch.device) -> contextlib.AbstractContextManager:
        """Mixed precision on `device`, as `precision` says."""
        is_mixed = self.precision == "bf16" or (self.precision == "auto" and multiplies_bf16(device))
        # A CUDA graph must hold the casts of weights that it reads, not find them in a cache.
        return torch.autocast(device.type, torch.bfloat16, enabled=is_mixed, cache_enabled=device.type != "cuda")
