"""All cases by the native kernels of one instruction set.

The instruction set is chosen once in a process, so each one computes in a process of its own: this file, run
as a program with the folder that takes the results.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx

from layoutrt.native_library import operator_library
from layoutrt.onnxruntime_package import import_onnxruntime
from layoutrt.runtime.backends import native_bindings
from layoutrt.runtime.session import Session
from tests.operators.case import Case
from tests.operators.cases import CASES
from tests.operators.model import model_inputs, one_node_model, output_name
from tests.support import ROOT, processor_isas


class Results(NamedTuple):
    """Results of a process: the instruction set, each result, and the ways that gave other bytes."""

    simd: str
    by_case: dict[str, np.ndarray]
    different: dict[str, str]


def run_session(
    case: Case, folder: Path, *, threads: int = 1, dynamic: bool = False, inputs: dict | None = None
) -> np.ndarray:
    """A case through the C API."""
    model = folder / "model.onnx"
    onnx.save(one_node_model(case, dynamic=dynamic), model)
    with Session(model, threads=threads) as session:
        return session.run(**(inputs or model_inputs(case)))[output_name(case)]


def onnxruntime_session(model: onnx.ModelProto, threads: int = 1):
    """Python's ONNX Runtime with our operators."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.register_custom_ops_library(str(operator_library()))
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


@functools.cache
def results_of(isa: str) -> Results:
    """Results of an instruction set, computed once; skips where this processor lacks it."""
    processor_isas.require(isa)
    environment = {**os.environ, "LAYOUTRT_ISA": isa}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.operators.native_process", folder]
        subprocess.run(command, check=True, env=environment, cwd=ROOT, timeout=300)
        with np.load(Path(folder, "results.npz"), allow_pickle=False) as arrays:
            results = {name: arrays[name] for name in arrays.files}
    different = {name[1:]: str(results.pop(name)) for name in list(results) if name.startswith("!")}
    return Results(str(results.pop("simd")), results, different)


def main(folder: Path) -> None:
    """Compute all cases with 1, 2 and 5 threads, and in Python's ONNX Runtime."""
    results = {"simd": np.array(native_bindings.load().lrt_simd().decode())}
    for name, case in CASES.items():
        if not has_kernel(case):
            continue
        results[name] = run_session(case, folder)
        others = {f"{threads} threads": run_session(case, folder, threads=threads) for threads in (2, 5)}
        others["onnxruntime"] = onnxruntime_session(one_node_model(case)).run(None, model_inputs(case))[0]
        different = [way for way, y in others.items() if not np.array_equal(y, results[name])]
        if different:
            results[f"!{name}"] = np.array(", ".join(different))
    np.savez(folder / "results.npz", **results)


def has_kernel(case: Case) -> bool:
    """True where the native library has a kernel for the case."""
    a = case.arguments
    return case.operator != "PredictedConv" or a["weight"].shape[0] == 9 * a["x"].shape[1]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
