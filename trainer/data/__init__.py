"""Datasets: named sets, folders, pairs, domains, captions, Hub sets -> endless batches on the device."""

from trainer.data.batches import Batches
from trainer.data.dataset import Dataset, fake, load, resize
from trainer.data.sets.named import NAMED

__all__ = ["NAMED", "Batches", "Dataset", "fake", "load", "resize"]
