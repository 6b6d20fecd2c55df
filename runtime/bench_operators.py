"""What each native operator gains over the standard operators it replaces, in the same ONNX Runtime.

Both sides run in Python's ONNX Runtime with the same number of threads, in turns; medians are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from layoutrt.operators import BODY_OPSET, DOMAIN, VERSION
from layoutrt.runtime.library import operator_library

Run = Callable[[], object]


@dataclass(frozen=True)
class Pair:
    """One comparison: our side and the other compute the same numbers."""

    name: str
    ours: Run
    theirs: Run


def operator_pairs(threads: int, side: int = 256) -> list[Pair]:
    """Comparisons on images of ``side`` x ``side``.

    `PredictedConv` meets `Conv` and then `SpatiallyVaryingConv`; `LayoutConv` meets `OneHot` and then `Conv`;
    `SpatiallyVaryingConv` meets a copy of the bytes that it must read and write.
    """
    random = np.random.default_rng(0)
    pairs = [
        _predicted(random, j, c, p, side, threads) for p in (1, 3) for j, c in ((32, 32), (64, 64), (128, 64))
    ]
    return [
        *pairs,
        *(_layout(random, labels, side, threads) for labels in (12, 184)),
        _varying(random, side, threads),
    ]


def _predicted(random: np.random.Generator, j: int, c: int, p: int, side: int, threads: int) -> Pair:
    inputs = {"x": _floats(random, 1, c, side, side), "h": _floats(random, 1, j, side, side)}
    weights = {"weight": _floats(random, c * 9, j, p, p), "bias": _floats(random, c * 9)}
    ours = [helper.make_node("PredictedConv", ["x", "h", "weight", "bias"], ["y"], domain=DOMAIN)]
    theirs = [
        helper.make_node("Conv", ["h", "weight", "bias"], ["w"], pads=[p // 2] * 4),
        helper.make_node("SpatiallyVaryingConv", ["x", "w"], ["y"], domain=DOMAIN),
    ]
    name = f"PredictedConv J={j} C={c} p={p} / Conv + SpatiallyVaryingConv"
    return _pair(name, ours, theirs, inputs, weights, threads)


def _layout(random: np.random.Generator, labels: int, side: int, threads: int) -> Pair:
    # Patches, as label maps have them; noise would be a layout that nobody draws.
    patches = random.integers(0, labels, (1, side // 16, side // 16)).astype(np.uint8)
    inputs = {"labels": np.kron(patches, np.ones((1, 16, 16), np.uint8))}
    channels = 64
    table = _floats(random, labels, 9, channels)
    weights: dict[str, NDArray] = {
        "table": table,
        "bias": _floats(random, channels),
        "weight": np.ascontiguousarray(table.transpose(2, 0, 1)).reshape(channels, labels, 3, 3),
        "depth": np.array(labels, np.int64),
        "off_on": np.array([0, 1], np.float32),
    }
    ours = [helper.make_node("LayoutConv", ["labels", "table", "bias"], ["y"], domain=DOMAIN, strides=[1, 1])]
    theirs = [
        helper.make_node("Cast", ["labels"], ["index"], to=TensorProto.INT64),
        helper.make_node("OneHot", ["index", "depth", "off_on"], ["one_hot"], axis=1),
        helper.make_node("Conv", ["one_hot", "weight", "bias"], ["y"], pads=[1] * 4),
    ]
    return _pair(f"LayoutConv L={labels} C=64 / OneHot + Conv", ours, theirs, inputs, weights, threads)


def _varying(random: np.random.Generator, side: int, threads: int) -> Pair:
    inputs = {"x": _floats(random, 1, 64, side, side), "w": _floats(random, 1, 576, side, side)}
    node = helper.make_node("SpatiallyVaryingConv", ["x", "w"], ["y"], domain=DOMAIN)
    ours = _session([node], inputs, {}, threads)
    # It reads 10 planes and writes 1; a copy of 5.5 planes reads and writes as many bytes.
    source = np.concatenate([inputs["x"].ravel()] * 11)[: inputs["x"].size * 11 // 2]
    target = np.empty_like(source)
    return Pair(
        "SpatiallyVaryingConv C=64 / copy of as many bytes, 1 thread", ours, lambda: np.copyto(target, source)
    )


def _pair(
    name: str,
    ours: list[onnx.NodeProto],
    theirs: list[onnx.NodeProto],
    inputs: dict[str, NDArray],
    weights: dict[str, NDArray],
    threads: int,
) -> Pair:
    return Pair(name, _session(ours, inputs, weights, threads), _session(theirs, inputs, weights, threads))


def _session(
    nodes: list[onnx.NodeProto], inputs: dict[str, NDArray], weights: dict[str, NDArray], threads: int
) -> Run:
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "operators",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in inputs.items()
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", "C", "H", "W"])],
        [numpy_helper.from_array(array, name) for name, array in weights.items() if name in used],
    )
    opsets = [helper.make_opsetid("", BODY_OPSET), helper.make_opsetid(DOMAIN, VERSION)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(str(operator_library()))
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, inputs)[0]


def _floats(random: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return random.standard_normal(shape, np.float32)
