"""Datasets: named sets, folders, pairs, domains, captions, Hub sets -> endless batches on the device."""

from trainer.data.dataset import NAMED, Batches, Dataset, fake, load, resize

__all__ = ["NAMED", "Batches", "Dataset", "fake", "load", "resize"]
