"""Ranges that leave outliers out: ONNX Runtime's entropy and percentile methods, fed one input at a time.

Its calibrators run a model themselves, without our operators, and keep the activations of all inputs until
the end. Their collector alone takes what our own session computed, and keeps only histograms.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from layoutrt.calib.observe.intermediate_outputs import applied_kernels_nodes, intermediate_session
from layoutrt.calib.observe.ranges import Range
from layoutrt.onnxruntime_package import import_onnxruntime

BINS = {"entropy": 1024, "percentile": 8192}
"""Number of bins of a histogram. Entropy compares every width of the middle with the whole, in time that
grows as the square."""
QUANTIZED_BINS = 256
GROUP_BYTES = 256 << 20
"""Activations that exist at a time; larger models are run once for each group of tensors."""


class Clipped(NamedTuple):
    """The range of a tensor without its outliers."""

    range: Range
    histogram_sha256: str
    """SHA-256 of the counts, int64, and of the bounds of the bins, float32, in native order."""


def collect_clipped_ranges(
    model: onnx.ModelProto,
    ranges: Mapping[str, Range],
    inputs: Iterable[dict[str, NDArray]],
    *,
    method: str,
    percentile: float,
    threads: int | None = None,
) -> dict[str, Clipped]:
    """Run the model on every input and choose the range of each tensor by its histogram.

    Args:
        model: with its weights in it; not changed.
        ranges: smallest and largest value of each tensor on these inputs.
        inputs: arguments of `Session.run`; gone through once for each group of tensors.
        method: ``"entropy"`` or ``"percentile"``.
        percentile: share of the values between the bounds, 0 to 100, for that method.
        threads: number of threads of one run; None for one per processor.
    """
    calibrate = import_onnxruntime("onnxruntime.quantization.calibrate")

    found = {}
    for names in _groups(model, list(ranges), inputs, threads):
        collector = calibrate.HistogramCollector(
            method=method,
            symmetric=False,
            num_bins=BINS[method],
            num_quantized_bins=QUANTIZED_BINS,
            percentile=percentile,
            scenario="same",
        )
        # It speaks on standard output.
        with contextlib.redirect_stdout(io.StringIO()):
            # A first input with small values would make for bins so fine that later ones need millions.
            collector.collect({name: np.array(ranges[name], np.float32) for name in names})
            for activations in _activations(model, names, inputs, threads):
                collector.collect(activations)
            result = collector.compute_collection_result()
        for name in names:
            low, high, *_ = result[name]
            counts, bounds, *_ = collector.get_histogram_dict()[name]
            # A tensor that is nearly constant may be left with nothing; then its whole range counts.
            limits = Range(float(low), float(high)) if low < high else ranges[name]
            found[name] = Clipped(limits, _digest(counts, bounds))
    return found


def _digest(counts: NDArray, bounds: NDArray) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(counts, np.int64).tobytes())
    digest.update(np.ascontiguousarray(bounds, np.float32).tobytes())
    return digest.hexdigest()


def _groups(
    model: onnx.ModelProto, names: list[str], inputs: Iterable[dict[str, NDArray]], threads: int | None
) -> Iterator[list[str]]:
    """The tensors, as many at a time as `GROUP_BYTES` hold."""
    nodes = applied_kernels_nodes(model, names)
    nodes += [helper.make_node("Size", [name], [f"{name}_elements"]) for name in names]
    outputs = [helper.make_tensor_value_info(f"{name}_elements", TensorProto.INT64, []) for name in names]
    with intermediate_session(model, nodes, outputs, threads=threads) as session:
        found = session.run(**next(iter(inputs)))
    group: list[str] = []
    total = 0
    for name in names:
        size = 4 * int(found[f"{name}_elements"])
        if group and total + size > GROUP_BYTES:
            yield group
            group, total = [], 0
        group.append(name)
        total += size
    yield group


def _activations(
    model: onnx.ModelProto,
    names: Sequence[str],
    inputs: Iterable[dict[str, NDArray]],
    threads: int | None,
) -> Iterator[dict[str, NDArray]]:
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    with intermediate_session(
        model, applied_kernels_nodes(model, names), outputs, threads=threads
    ) as session:
        for arguments in inputs:
            yield session.run(**arguments)
