"""Hugging Face Spaces for a checkpoint."""

from pretrained.deploy.spaces import KINDS, ROOT, build, default_name, listing, project_files, publish, write

__all__ = ["KINDS", "ROOT", "build", "default_name", "listing", "project_files", "publish", "write"]
