"""Hugging Face Spaces for a checkpoint."""

from pretrained.deploy.spaces import KINDS, build, default_name, listing, publish, write

__all__ = ["KINDS", "build", "default_name", "listing", "publish", "write"]
