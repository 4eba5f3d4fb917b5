"""python -m helpers.in_processes FOLDER: three steps of each case in several processes, and the noise of each."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import torch
from helpers.noise import Noted

from trainer import distributed
from trainer.loop.settings import Settings
from trainer.loop.trainer import Trainer
from trainer.recipe import Recipe

NUM_STEPS = 3
PLAN = "plan.pickle"  # name of a case -> its recipe


def make(recipe: Recipe) -> Trainer:
    return Trainer(recipe, Settings(device="cpu", threads=1, precision="fp32"))


def in_double() -> None:
    """Compute in double precision, where the order of a sum is not seen."""
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double


def steps(trainer: Trainer, count: int = NUM_STEPS) -> list[dict[str, Any]]:
    terms = [trainer.step() for _ in range(count)]
    return [{name: float(value) for name, value in step.items()} for step in terms]


def main(folder: Path) -> None:
    """Write what each process has seen: its noise and losses, the weights, and those of a run that was resumed."""
    plan: dict[str, Recipe] = pickle.loads((folder / PLAN).read_bytes())
    seen = {}
    with distributed.group(8):
        in_double()
        for name, recipe in plan.items():
            trainer = make(recipe)
            with Noted() as noise:
                losses = steps(trainer, NUM_STEPS - 1)
                state = trainer.state_dict()
                state = pickle.loads(pickle.dumps(state))
                losses += steps(trainer, 1)
            resumed = make(recipe)
            resumed.load_state_dict(state)
            steps(resumed, 1)
            weights = trainer.method.state_dict()
            is_same = all(value.equal(weights[key]) for key, value in resumed.method.state_dict().items())
            seen[name] = {"noise": noise.drawn, "losses": losses, "weights": weights, "resumes": is_same}
    torch.save(seen, folder / f"{distributed.rank()}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
