"""The one grammar of inputs: what a command line may name, and which files that means.

``drive:``, ``drive:N``, ``drive:@SEED`` and ``drive:N@SEED`` are frames of the synthetic drive
(`parse_drive`). Everything else is a file, a folder of files, the split of a data set with ``images/`` and
``labels/``, or the root of a data set (`find_sources` and `find_layouts` for layouts, `find_frames` for
photographs, `open_dataset` for pairs of both). Hidden files are passed over, and files come sorted by name.
"""

from layoutrt.inputs.datasets import DATASETS, JUDGING, TRAINING, available_splits, open_dataset
from layoutrt.inputs.drive import DriveFrames, parse_drive, refuse_drive
from layoutrt.inputs.entry import Entry
from layoutrt.inputs.files import IMAGE_SUFFIXES, LAYOUT_SUFFIX, is_image
from layoutrt.inputs.frames import FrameFile, find_frames
from layoutrt.inputs.layouts import LayoutSource, find_layouts, find_sources
from layoutrt.inputs.read_image import read_image

__all__ = [
    "DATASETS",
    "IMAGE_SUFFIXES",
    "JUDGING",
    "LAYOUT_SUFFIX",
    "TRAINING",
    "DriveFrames",
    "Entry",
    "FrameFile",
    "LayoutSource",
    "available_splits",
    "find_frames",
    "find_layouts",
    "find_sources",
    "is_image",
    "open_dataset",
    "parse_drive",
    "read_image",
    "refuse_drive",
]
