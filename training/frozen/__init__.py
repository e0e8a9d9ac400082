"""Frozen data sets: appraised screenings as they were served, immutable, split so that nothing crosses."""

from training.frozen.freeze import freeze
from training.frozen.model import Frozen, FrozenBrand, FrozenReference, FrozenRefused, FrozenRow
from training.frozen.store import open_dataset

__all__ = [
    "Frozen",
    "FrozenBrand",
    "FrozenReference",
    "FrozenRefused",
    "FrozenRow",
    "freeze",
    "open_dataset",
]
