"""Layers that exported graphs have in place of the networks'."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from layoutrt.export.graphs.folded_layers import PixelShuffle


@pytest.mark.parametrize("factor", [2, 3])
def test_pixels_are_shuffled_as_torch_shuffles_them(factor: int) -> None:
    x = torch.randn(2, 5 * factor**2, 3, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(PixelShuffle(5, factor)(x), F.pixel_shuffle(x, factor), rtol=0, atol=0)
