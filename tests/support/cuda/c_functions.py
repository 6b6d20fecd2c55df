"""The C functions of ``liblayoutrt_cuda`` as ``run(op, arrays) -> y``, for `tests.support.cuda.cases`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from layoutrt.operators.torch.backends import cuda
from tests.support.cuda import launchers

FUNCTIONS = {
    "SpatiallyVaryingConv": "lrt_cuda_spatially_varying_conv",
    "LayoutConv": "lrt_cuda_layout_conv",
    "PredictedConv": "lrt_cuda_predicted_conv",
    "QuantizedPredictedConv": "lrt_cuda_quantized_predicted_conv",
}


def runner(device: torch.device) -> Callable[[str, dict[str, Any]], np.ndarray]:
    """Runner of an operator on copies of its arrays in the memory of a device."""

    def run(op: str, arrays: dict[str, Any]) -> np.ndarray:
        known = launchers.sizes(op, arrays) | arrays
        tensors = {
            name: torch.from_numpy(np.ascontiguousarray(value)).to(device)
            for name, value in arrays.items()
            if np.ndim(value)
        }
        tensors["y"] = torch.from_numpy(np.empty(known["shape"], known["dtype"])).to(device)
        # The floats come last.
        names = sorted(launchers._NUMBERS[op], key=lambda name: name.endswith("_scale"))
        pointers = [tensors.get(name) for name in launchers._POINTERS[op]]
        cuda._launch(FUNCTIONS[op], pointers, [known[name] for name in names])
        return tensors["y"].cpu().numpy()

    return run
