"""Inference with trained models: load(id).sample(range(64)) or load(id).translate(image)."""

from pretrained.loading import available, load, resolve
from pretrained.system.errors import InputError

__all__ = ["InputError", "available", "load", "resolve"]
