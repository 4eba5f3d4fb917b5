"""What `pretrained.load` returns: seeds or images in, images out."""

from pretrained.pipelines.registry import Autoencode, Generate, Translate, autoencoder, expect, make, pick_device

__all__ = ["Autoencode", "Generate", "Translate", "autoencoder", "expect", "make", "pick_device"]
