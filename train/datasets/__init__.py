"""Data sets of images with label maps and, where there are any, instance maps.

`open_dataset` lists the entries of a data set's split, `PairDataset` reads and augments them, and
`load_batches` makes batches of them in the order of `batch_keys`.
"""

from layoutrt.inputs import DATASETS, Entry, available_splits, open_dataset, read_image
from layoutrt.train.datasets.batches import batch_keys, load_batches
from layoutrt.train.datasets.pair_dataset import PairDataset
from layoutrt.train.datasets.sample import Sample

__all__ = [
    "DATASETS",
    "Entry",
    "PairDataset",
    "Sample",
    "available_splits",
    "batch_keys",
    "load_batches",
    "open_dataset",
    "read_image",
]
