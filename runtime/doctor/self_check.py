"""Self-check of the operators: a tiny model with each of them, run and compared with numpy."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from layoutrt.errors import LayoutRTError
from layoutrt.operators import BODY_OPSET, DOMAIN, VERSION
from layoutrt.operators.layout_conv import LAYOUT_CONV
from layoutrt.operators.predicted_conv import PREDICTED_CONV
from layoutrt.operators.spatially_varying_conv import SPATIALLY_VARYING_CONV
from layoutrt.runtime.session import Session

_TAPS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
_CLASSES, _CHANNELS, _HIDDEN = 3, 5, 2


def check_operators() -> str:
    """Run the operators once.

    Returns:
        Description of the backend that ran them.

    Raises:
        LayoutRTError: they cannot be run, or their results are wrong.
    """
    rng = np.random.default_rng(0)

    def whole(*shape: int) -> NDArray[np.float32]:
        # Small integers: their sums are exact in any order.
        return rng.integers(-3, 4, shape).astype(np.float32)

    labels = rng.integers(0, _CLASSES, (1, 6, 7), np.uint8)
    constants = {
        "table": whole(_CLASSES, 9, _CHANNELS),
        "bias": whole(_CHANNELS),
        "h": whole(1, _HIDDEN, 6, 7),
        "weight": whole(_CHANNELS * 9, _HIDDEN, 1, 1),
        "predictor_bias": whole(_CHANNELS * 9),
        "w": whole(1, _CHANNELS * 9, 6, 7),
    }
    # A file in memory: it also works if no temporary folder can be written.
    with os.fdopen(os.memfd_create("operators.onnx"), "wb") as file:
        file.write(_model(labels, constants).SerializeToString())
        file.flush()
        with Session(Path(f"/proc/self/fd/{file.fileno()}")) as session:
            found = session.run(labels=labels)["y"]
            backend = session.backend
    if not np.array_equal(found, _expected(labels, constants)):
        raise LayoutRTError(
            f"the operators compute wrong results on this machine ({backend}); reinstall layoutrt"
        )
    return backend


def _model(labels: NDArray, constants: dict[str, NDArray]) -> onnx.ModelProto:
    nodes = [
        helper.make_node(LAYOUT_CONV.name, ["labels", "table", "bias"], ["a"], domain=DOMAIN, strides=[1, 1]),
        helper.make_node(PREDICTED_CONV.name, ["a", "h", "weight", "predictor_bias"], ["b"], domain=DOMAIN),
        helper.make_node(SPATIALLY_VARYING_CONV.name, ["b", "w"], ["y"], domain=DOMAIN),
    ]
    graph = helper.make_graph(
        nodes,
        "operators",
        [helper.make_tensor_value_info("labels", TensorProto.UINT8, labels.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, _CHANNELS, *labels.shape[1:]))],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", BODY_OPSET), helper.make_opsetid(DOMAIN, VERSION)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def _expected(labels: NDArray, constants: dict[str, NDArray]) -> NDArray:
    one_hot = np.stack([labels == index for index in range(_CLASSES)], 1).astype(np.float32)
    a = constants["bias"][:, None, None] + sum(
        np.einsum("nlhw,lc->nchw", _shifted(one_hot, *tap), constants["table"][:, t])
        for t, tap in enumerate(_TAPS)
    )
    predicted = np.einsum("njhw,oj->nohw", constants["h"], constants["weight"][..., 0, 0])
    predicted = predicted + constants["predictor_bias"][:, None, None]
    return _varying(_varying(a, predicted), constants["w"])


def _varying(x: NDArray, w: NDArray) -> NDArray:
    return sum(w[:, t :: len(_TAPS)] * _shifted(x, *tap) for t, tap in enumerate(_TAPS))


def _shifted(x: NDArray, dy: int, dx: int) -> NDArray:
    """``x[..., i + dy, j + dx]``, zero outside."""
    height, width = x.shape[-2:]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return padded[..., 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
