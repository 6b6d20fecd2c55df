"""The recipe "Add a label set" of CONTRIBUTING.md: one file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.recipes.recipe import follow, required_files, source_files

USES_IT = """
import subprocess, sys
from pathlib import Path
import numpy as np
from layoutrt import Drive, label_set
from layoutrt.layouts import LABEL_SETS, LabelSet, colorize, read_layout, write_layout

orchard = label_set("orchard")
assert "orchard" in LABEL_SETS
assert (orchard.num_classes, orchard.dont_care) == (5, 4)
labels = np.random.default_rng(0).integers(0, 5, (32, 48), np.uint8)
for color in (False, True):
    write_layout(Path("layout.png"), labels, orchard, color=color)
    np.testing.assert_array_equal(read_layout(Path("layout.png"), orchard), labels)
assert LabelSet.from_json(orchard.to_json()) == orchard
assert colorize(labels, orchard).shape == (32, 48, 3)
"""

TRAINS_WITH_IT = """
import sys
from pathlib import Path
import cv2, numpy as np
from layoutrt import Session, label_set
from layoutrt.cli import main
from layoutrt.layouts import write_layout

orchard, random = label_set("orchard"), np.random.default_rng(0)
for part in ("train", "val"):
    for index in range(2):
        labels = random.integers(0, 5, (2, 2), np.uint8).repeat(32, 0).repeat(48, 1)
        write_layout(Path("data", part, "labels", f"{index}.png"), labels, orchard)
        Path("data", part, "images").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(f"data/{part}/images/{index}.png", random.integers(0, 256, (64, 96, 3), np.uint8))


def layoutrt(line):
    sys.argv = ["layoutrt", *line.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, line


layoutrt("train --data data --label-set orchard --out run --architecture edge --width 4 --hidden 8 "
         "--size 64x96 --steps 1 --decay-steps 0 --batch 1 --discriminator-width 4")
layoutrt("export run/generator.safetensors --out orchard.onnx")
layoutrt("synthesize orchard.onnx data/val/labels --out out")
assert len(list(Path("out").glob("*.png"))) == 2
assert Session("orchard.onnx").label_set == orchard
"""


def test_a_label_set_takes_one_source_file_and_is_known_by_its_name(tmp_path: Path) -> None:
    sources = follow("label_set", tmp_path)
    assert sources.changed == required_files("Add a label set", {"camvid": "orchard"})
    assert len(source_files(sources.changed)) == 1
    sources.run(sys.executable, "-c", USES_IT)


@pytest.mark.slow
def test_a_generator_of_a_new_label_set_is_trained_exported_and_run(tmp_path: Path) -> None:
    follow("label_set", tmp_path).run(sys.executable, "-c", TRAINS_WITH_IT)
