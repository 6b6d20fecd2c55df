"""Reader of ONNX Runtime's profiler files: Chrome traces with one event for each node of each run.

The fields are those of ONNX Runtime's ``sequential_executor.cc``: the kernel's time in us (``dur``), the
operator (``op_name``), types and shapes, and the bytes of activations, parameters and outputs.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.profiling.executed_node import ExecutedNode

_KERNEL = "_kernel_time"
MOST_RUNS = 200
"""Number of runs that are read from a file: the last ones."""


def read_events(file: Path) -> list[ExecutedNode]:
    """Nodes in the order in which they ran.

    Args:
        file: path that `onnxruntime.InferenceSession.end_profiling` returned.

    Raises:
        LayoutRTError: the file is not a profile, or contains no run.
    """
    try:
        events = json.loads(file.read_text())
        runs = [event for event in events if event.get("name") == "model_run"][-MOST_RUNS:]
        kernels = [e for e in events if e.get("cat") == "Node" and e["name"].endswith(_KERNEL)]
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise LayoutRTError(f"{file} is not a profile of ONNX Runtime ({error}); profile again") from None
    if not runs:
        raise LayoutRTError(f"the profile {file} contains no run; run the model before it is read")
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    example: dict[str, dict[str, Any]] = {}
    starts = iter(sorted(runs, key=lambda run: run["ts"]))
    current = next(starts)
    for event in sorted(kernels, key=lambda event: event["ts"]):
        while current is not None and event["ts"] > current["ts"] + current["dur"]:
            current = next(starts, None)  # type: ignore[arg-type]
        if current is None:
            break
        if event["ts"] < current["ts"]:
            continue
        # Names may occur twice; the index is unique.
        key = f"{event['args'].get('node_index')} {event['name']}"
        found[key].append(((event["ts"] - current["ts"]) / 1e3, event["dur"] / 1e3))
        example[key] = event
    nodes = [_node(example[key], times) for key, times in found.items()]
    return sorted(nodes, key=lambda node: node.start_ms)


def _node(event: dict[str, Any], times: Sequence[tuple[float, float]]) -> ExecutedNode:
    facts = event["args"]
    sizes = (int(facts.get(f"{part}_size", 0)) for part in ("activation", "parameter", "output"))
    types = [next(iter(entry)) for entry in facts.get("output_type_shape") or [{"": []}]]
    inputs = [next(iter(entry)) for entry in facts.get("input_type_shape") or []]
    operator = facts.get("op_name", "")
    integer = operator.startswith(("QLinear", "Quantized")) or operator.endswith("Integer")
    computes_in = ("uint8", "int8") if integer else ("float", "float16")
    element = next((kind for kind in inputs if kind in computes_in), "")
    starts = sorted(start for start, _ in times)
    return ExecutedNode(
        event["name"].removesuffix(_KERNEL),
        operator,
        element or types[0],
        sum(sizes),
        starts[len(starts) // 2],
        [time for _, time in times],
    )
