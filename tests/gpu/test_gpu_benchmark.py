"""The GPU benchmark runs on a GPU, at small sizes: before minutes are spent on the large ones."""

from __future__ import annotations

import pytest

from benchmarks import gpu as benchmark
from benchmarks.gpu_clock import EventClock
from layoutrt.layouts import label_set
from layoutrt.train.networks.generator_config import GeneratorConfig

pytestmark = pytest.mark.gpu


def test_every_row_is_measured(gpu) -> None:
    config = GeneratorConfig(
        183, instance_edges=True, width=16, hidden=32, latent=16, image_height=64, image_width=64
    )
    plan = benchmark.Plan(
        copy_bytes=1 << 24,
        matrix=512,
        side=64,
        channels=(16,),
        labels=label_set("coco-stuff"),
        config=config,
    )
    rows = list(benchmark.gpu_rows(gpu, EventClock(3, gpu), plan))
    assert all(0 < row.ours < float("inf") and 0 < row.theirs < float("inf") for row in rows)
    (parity,) = (row for row in rows if "largest difference" in row.name)
    assert parity.ours <= 1e-3
    assert benchmark.gpu_machine(gpu)
