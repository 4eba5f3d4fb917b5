"""One file per training algorithm, its recipes at the bottom."""

from trainer.methods.recipes import RECIPES

__all__ = ["RECIPES"]
