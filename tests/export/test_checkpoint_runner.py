"""Checkpoints in a profile compute what their exported models do."""

import numpy as np
import torch

from layoutrt.export.checkpoint_runner import CheckpointRunner
from layoutrt.train.checkpoint import save_segmenter
from layoutrt.train.networks.segmenter import Segmenter, SegmenterConfig


def test_a_segmenter_never_predicts_what_nobody_cares_about(extra_dont_care, tmp_path) -> None:
    dont_care = extra_dont_care.dont_care
    segmenter = Segmenter(SegmenterConfig(extra_dont_care.num_classes, 3, 64, 96)).eval()
    with torch.no_grad():
        segmenter.classify.bias[dont_care] = 1e6
    save_segmenter(tmp_path / "s.safetensors", segmenter.state_dict(), segmenter.config, extra_dont_care, {})
    np.savez(tmp_path / "inputs.npz", frame=np.zeros((1, 1, 64, 96, 3), np.uint8))
    spec = {"kind": "segmenter", "model": str(tmp_path / "s.safetensors"), "threads": 1}
    runner = CheckpointRunner(spec | {"inputs": str(tmp_path / "inputs.npz")})
    runner.run(1)
    labels = runner.result()
    assert labels.shape == (1, 64, 96)
    assert not (labels == dont_care).any()
