"""One file per architecture family; build(spec) makes a network from plain JSON."""

from pretrained.networks.registry import NETWORKS, build, build_on_meta, check, complete

__all__ = ["NETWORKS", "build", "build_on_meta", "check", "complete"]
