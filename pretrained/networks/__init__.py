"""One file per architecture family; build(spec) makes a network from plain JSON."""

from pretrained.networks.registry import NETWORKS, build, check, complete, outline

__all__ = ["NETWORKS", "build", "check", "complete", "outline"]
