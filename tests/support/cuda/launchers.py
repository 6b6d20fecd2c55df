"""The launchers of runtime/native/cuda/operators.h on numpy arrays; the library is built from driver.cpp."""

from __future__ import annotations

import ctypes
import math
from pathlib import Path
from typing import Any

import numpy as np

TYPES = {np.dtype(name): i for i, name in enumerate(("float32", "float16", "int8", "uint8", "int32"))}
LAYOUTS = {"nchw": 0, "nhwc8": 1, "nchw32": 2}

_POINTERS = {
    "SpatiallyVaryingConv": ("x", "w", "scale", "shift", "y"),
    "LayoutConv": ("labels", "table", "bias", "y"),
    "PredictedConv": ("x", "h", "weight", "bias", "scale", "shift", "y"),
    "QuantizedPredictedConv": ("x", "h", "weight", "weight_scale", "bias", "scale", "shift", "y"),
}
_NUMBERS = {
    "SpatiallyVaryingConv": ("n", "channels", "height", "width", "k", "type"),
    "LayoutConv": ("n", "channels", "height", "width", "count", "k", "stride", "label_type", "type"),
    "PredictedConv": ("n", "channels", "features", "height", "width", "p", "h_layout", "type"),
    "QuantizedPredictedConv": (
        "n", "channels", "features", "height", "width", "p", "h_scale", "y_scale", "h_layout",
        "y_layout", "h_type", "type"
    ),
}  # fmt: skip
_FUNCTIONS = {
    "SpatiallyVaryingConv": "run_spatially_varying_conv",
    "LayoutConv": "run_layout_conv",
    "PredictedConv": "run_predicted_conv",
    "QuantizedPredictedConv": "run_quantized_predicted_conv",
}


class LaunchError(RuntimeError):
    """A launcher returned an error; ``code`` is its ``cudaError_t``."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the launcher returned error {code}")
        self.code = code


def _structure(op: str) -> type[ctypes.Structure]:
    fields: list[Any] = [(name, ctypes.c_void_p) for name in _POINTERS[op]]
    for name in _NUMBERS[op]:
        fields.append((name, ctypes.c_float if name.endswith("_scale") else ctypes.c_int32))
    return type(op, (ctypes.Structure,), {"_fields_": fields})


STRUCTURES = {op: _structure(op) for op in _POINTERS}


def sizes(op: str, arrays: dict[str, Any]) -> dict[str, Any]:
    """Numbers of the operator's structure that follow from its arrays."""
    if op == "LayoutConv":
        labels, table = arrays["labels"], arrays["table"]
        n, height, width = labels.shape
        count, taps, channels = table.shape
        shape = (n, channels, -(-height // arrays["stride"]), -(-width // arrays["stride"]))
        types = {"label_type": TYPES[labels.dtype], "type": TYPES[table.dtype]}
        return dict(n=n, channels=channels, height=height, width=width, count=count, **types) | {
            "k": math.isqrt(taps),
            "shape": shape,
            "dtype": table.dtype,
        }
    x = arrays["x"]
    n, channels, height, width = x.shape
    known = dict(n=n, channels=channels, height=height, width=width, type=TYPES[x.dtype])
    known |= {"shape": x.shape, "dtype": x.dtype}
    if op == "SpatiallyVaryingConv":
        return known | {"k": math.isqrt(arrays["w"].shape[1] // channels)}
    weight = arrays["weight"]
    known |= {"p": weight.shape[1], "features": weight.shape[3], "h_type": TYPES[arrays["h"].dtype]}
    known |= {"h_layout": LAYOUTS[arrays.get("layout", "nchw")], "y_scale": 0.0, "y_layout": 0}
    if arrays.get("y_scale"):
        known |= {"dtype": np.dtype(np.int8), "y_layout": LAYOUTS[arrays["y_order"]]}
        if arrays["y_order"] == "nchw32":
            known["shape"] = (n, channels // 32, height, width, 32)
    return known


class Launchers:
    """The functions of a library built from driver.cpp."""

    def __init__(self, path: Path) -> None:
        self.library = ctypes.CDLL(str(path))

    def run(self, op: str, arrays: dict[str, Any]) -> np.ndarray:
        """Launches ``op`` on its arrays and gives ``y``.

        Args:
            op: name of a structure of operators.h.
            arrays: the structure's arrays, and what does not follow from them: ``stride``, ``h_scale``,
                ``layout`` ("nchw", "nhwc8" or "nchw32") of ``h``, and ``y_scale`` with ``y_order``, such a
                layout. ``scale`` and ``shift`` may be missing.

        Raises:
            LaunchError: the launcher returned an error.
        """
        known = sizes(op, arrays)
        result = np.zeros(known["shape"], known["dtype"])
        kept = {name: np.ascontiguousarray(value) for name, value in arrays.items() if np.ndim(value)}
        kept["y"] = result
        structure = self._structure(op, arrays, {})
        for name in _POINTERS[op]:
            if name in kept:
                setattr(structure, name, kept[name].ctypes.data)
        code = getattr(self.library, _FUNCTIONS[op])(ctypes.byref(structure))
        if code:
            raise LaunchError(code)
        return result

    def launch_without_arrays(self, op: str, arrays: dict[str, Any], **changes: Any) -> int:
        """The error, 0 for none, that ``op`` gives without a look at what its arrays hold.

        Args:
            op, arrays: as for `run`.
            changes: numbers of the structure to set to something else.
        """
        structure = self._structure(op, arrays, changes)
        return self.library.launch_without_arrays(op.encode(), ctypes.byref(structure))

    @staticmethod
    def _structure(op: str, arrays: dict[str, Any], changes: dict[str, Any]) -> ctypes.Structure:
        structure = STRUCTURES[op]()
        for name in (*_NUMBERS[op], *changes):
            setattr(structure, name, (sizes(op, arrays) | arrays | changes)[name])
        return structure
