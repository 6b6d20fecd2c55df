"""The recipe "Add a generator" of CONTRIBUTING.md: three files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.recipes.recipe import follow, required_files, source_files

USES_IT = """
import sys
from pathlib import Path
import cv2, numpy as np, torch
from layoutrt import Synthesizer, label_set
from layoutrt.cli import main
from layoutrt.layouts import write_layout
from layoutrt.train.checkpoint import load_generator
from layoutrt.train.networks.semantics import semantic_tensor

camvid, random = label_set("camvid"), np.random.default_rng(0)
for part in ("train", "val"):
    for index in range(2):
        labels = random.integers(0, 12, (2, 2), np.uint8).repeat(32, 0).repeat(48, 1)
        write_layout(Path("data", part, "labels", f"{index}.png"), labels, camvid)
        Path("data", part, "images").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(f"data/{part}/images/{index}.png", random.integers(0, 256, (64, 96, 3), np.uint8))


def layoutrt(line):
    sys.argv = ["layoutrt", *line.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, line


layoutrt("train --data data --label-set camvid --out run --architecture mosaic --width 8 --size 64x96 "
         "--steps 2 --decay-steps 0 --batch 1 --discriminator-width 4")
layoutrt("export run/generator.safetensors --out mosaic.onnx --size dynamic")
layoutrt("info mosaic.onnx")

generator, _, _ = load_generator("run/generator.safetensors")
assert type(generator).__name__ == "MosaicGenerator"
labels = random.integers(0, 12, (8, 12), np.uint8).repeat(8, 0).repeat(8, 1)
image = Synthesizer("mosaic.onnx").render(labels)
with torch.no_grad():
    semantics = semantic_tensor(torch.from_numpy(labels.astype(np.int64))[None], 12)
    trained = generator.eval()(semantics)[0].permute(1, 2, 0).numpy()
difference = np.abs(image - (trained * 127.5 + 127.5))
assert difference.max() <= 0.51, difference.max()
"""


@pytest.mark.slow
def test_a_generator_takes_three_source_files_and_is_trained_exported_and_run(tmp_path: Path) -> None:
    sources = follow("generator", tmp_path)
    asked = required_files("Add a generator", {"spade": "mosaic"}) - {"train/networks/registry.py"}
    assert sources.changed == asked
    assert len(source_files(sources.changed)) <= 3
    said = sources.run(sys.executable, "-c", USES_IT)
    assert "mosaic" in said
