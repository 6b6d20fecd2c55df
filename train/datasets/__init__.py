"""Data sets of images with label maps and, where there are any, instance maps."""

from layoutrt.train.datasets.sample import Sample

__all__ = ["Sample"]
