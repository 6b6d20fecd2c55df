"""Camera frames to images: segmentation and synthesis at the same time, and one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.candidates import compare
from benchmarks.rows import Row, more_is_better
from layoutrt.drive import Drive
from layoutrt.layouts import colorize, label_set
from layoutrt.models import DEFAULT_GENERATOR, resolve_model

SIZE = (192, 256)
SEGMENTER = "camvid-seg"
FRAMES = 12
"""Frames of one run; the first and the last of them cannot overlap with others."""


def video_rows(folder: Path, rounds: int, threads: int = 2) -> Iterator[Row]:
    """Frames a second with the shipped models, every frame kept.

    Args:
        folder: folder to write the frames to.
        rounds: runs of each.
        threads: number of threads of each candidate; in the pipeline half of them for each model.
    """
    camvid = label_set("camvid")
    drive = Drive(camvid, *SIZE)
    frames = folder / "frames.npz"
    np.savez(frames, frames=np.stack([colorize(drive.frame(index), camvid) for index in range(FRAMES)]))
    models = {
        "segmenter": str(resolve_model(SEGMENTER)),
        "generator": str(resolve_model(DEFAULT_GENERATOR)),
    }
    specs = {
        name: {"kind": "video", "frames": str(frames), **models, "overlap": overlap}
        for name, overlap in (("pipeline", True), ("in turn", False))
    }
    costs = compare(specs, threads, rounds, warm_up_runs=0)
    pipeline, in_turn = (1e3 * FRAMES / costs[name].ms for name in ("pipeline", "in turn"))
    name = f"{SEGMENTER} -> {DEFAULT_GENERATOR}, 192x256: pipeline / one after the other"
    yield more_is_better(name, pipeline, in_turn, "frames/s")
