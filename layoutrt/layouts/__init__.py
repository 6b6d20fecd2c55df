"""Label sets, and layouts as arrays and as files.

A layout is a label map: uint8 [H,W], one class index per pixel. A label set says what the indices mean,
which color each is shown in, which index means "don't care", and which byte stands for each in files.
"""

from layoutrt.layouts.arrays import check_layout, colorize, decolorize, resize_layout
from layoutrt.layouts.files import read_instances, read_layout, write_layout
from layoutrt.layouts.label_set import LABEL_SETS, Color, Label, LabelSet, label_set, numbered_label_set

__all__ = [
    "LABEL_SETS",
    "Color",
    "Label",
    "LabelSet",
    "check_layout",
    "colorize",
    "decolorize",
    "label_set",
    "numbered_label_set",
    "read_instances",
    "read_layout",
    "resize_layout",
    "write_layout",
]
