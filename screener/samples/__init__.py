"""Fictional brands and listings, rendered from a seed: the demo and the tests need nothing from outside."""

from screener.samples.generate import SampleSet, generate

__all__ = ["SampleSet", "generate"]
