"""How and where a recipe is run: nothing here changes what is learnt, but for the rounding of bf16."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Settings:
    """Where a run reads and writes, on what it computes, and whether it is published."""

    out: Path | None = None
    """Folder of the run; by default runs/RECIPE."""
    data_root: Path = Path(os.environ.get("GANVAS_DATA", "data"))
    """Where named sets are looked for, and downloaded to; $GANVAS_DATA."""
    resume: bool = False
    """Go on with the run in the folder, as if it had never stopped."""
    snapshots: int = 20
    """How often, over the run, weights are saved and the fixed seeds are drawn."""
    feature_weights: Path | None = None
    """Score each snapshot by these eyes (SqueezeNet's .npz or Inception's .pth): its KID goes to log.jsonl, and the
    best snapshot is kept in the run's folder, below best/."""
    on_collapse: Literal["rollback", "stop", "ignore"] = "rollback"
    """When losses are not finite, D has won or pictures become alike: go back to the last good snapshot with half the
    learning rate (three times at most), stop there, or only say so."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """bf16 computes the networks in bfloat16, the weights stay float32; auto is bf16 where the GPU or the processor has
    units for it, else fp32."""
    weights: Literal["fp32", "fp16"] = "fp32"
    """How the checkpoint is stored; fp16 halves the file, and pictures look the same."""
    track: Literal["none", "tensorboard", "trackio"] = "none"
    """Send metrics, samples and warnings to an experiment tracker too: pip install -r requirements-track.txt."""
    compile: bool = False
    """Compile the networks with torch.compile, which needs a C++ compiler; gradient penalties are computed without."""
    threads: int | None = None
    """Processor threads; by default as torch decides."""
    data_licence: str | None = None
    """What may be done with the pictures of a folder, for the model card: "CC BY 4.0", "my own"."""
    licence: str | None = None
    """What may be done with the weights, likewise: apache-2.0, cc-by-4.0."""
    dry_run: bool = False
    """Print the whole configuration and what would be written, and train nothing."""
    push_to_hub: bool = False
    """Publish the result on the Hugging Face Hub; token and name are checked before training."""
    repo_id: str | None = None
    """USER/NAME on the Hub; by default YOU/RECIPE."""
    private: bool = False
    """Make the repository private."""
    with_discriminator: bool = False
    """Publish D too, as discriminator.safetensors, so that others can fine-tune from it."""
