"""The calibration table: what a model's activations were, for any target that needs to know.

A JSON file. It belongs to one float model and one set of inputs, told by their hashes, and says nothing of
where quantized tensors will stand: quantization for either target reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from layoutrt import __version__
from layoutrt.calib.observe.channel_statistics import ChannelStatistics
from layoutrt.calib.observe.ranges import Range
from layoutrt.calib.observe.scales import activation_levels, activation_scale
from layoutrt.errors import LayoutRTError
from layoutrt.files import replacing
from layoutrt.onnxruntime_package import import_onnxruntime

FORMAT = 1


@dataclass(frozen=True)
class MeasuredTensor:
    """One activation."""

    range: Range
    """Range that 8 bits have to hold, once the channels are equalized."""
    channels: ChannelStatistics
    """Statistics of the float model as it is."""
    histogram_sha256: str | None = None
    """SHA-256 of the histogram that the range was chosen by."""


@dataclass(frozen=True)
class Half:
    """Largest magnitudes in the graph that TensorRT takes, which FP16 has to hold."""

    largest: dict[str, float]
    """Largest magnitude of each float tensor."""
    accumulations: dict[str, float]
    """Largest magnitude of partial sums, by the name of the node that adds them up."""


@dataclass(frozen=True)
class Source:
    """The model, data and method of a measurement."""

    model_sha256: str
    data_sha256: str
    frames: int
    method: str
    percentile: float | None

    def difference(self, other: Source) -> str | None:
        """Description of the difference to another measurement; None if they are the same."""
        if self.model_sha256 != other.model_sha256:
            return "another model"
        if (self.data_sha256, self.frames) != (other.data_sha256, other.frames):
            return f"other data ({self.frames} frames)"
        if (self.method, self.percentile) != (other.method, other.percentile):
            return f"the method {self.method}" + (f" at {self.percentile} %" if self.percentile else "")
        return None


@dataclass(frozen=True)
class CalibrationTable:
    """Everything that was measured."""

    source: Source
    tensors: dict[str, MeasuredTensor]
    half: Half | None = None
    versions: dict[str, str] = field(default_factory=lambda: _versions())

    @property
    def channels(self) -> dict[str, ChannelStatistics]:
        """Statistics of the channels of each tensor, in the float model as it is."""
        return {name: tensor.channels for name, tensor in self.tensors.items()}

    @property
    def ranges(self) -> dict[str, Range]:
        """Scale and zero point of each tensor, once the channels are equalized."""
        return {name: tensor.range for name, tensor in self.tensors.items()}

    def save(self, path: Path) -> None:
        """Write the file, all or nothing; the same measurements give the same bytes."""
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")

    def to_json(self) -> dict[str, Any]:
        """The table as plain values. Scales and zero points are there to be read; ranges are what counts."""
        source = self.source
        return {
            "format": FORMAT,
            "versions": self.versions,
            "model_sha256": source.model_sha256,
            "data_sha256": source.data_sha256,
            "frames": source.frames,
            "method": source.method,
            "percentile": source.percentile,
            "tensors": {name: _tensor_to_json(tensor, source) for name, tensor in self.tensors.items()},
            "half": None if self.half is None else vars(self.half),
        }


def read_table(path: Path) -> CalibrationTable:
    """Read a table.

    Raises:
        LayoutRTError: the file is not a calibration table, or was made by a newer version.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] > FORMAT:
            raise LayoutRTError(f"{path} was made by a newer layoutrt; upgrade, or use --recalibrate")
        source = Source(*(values[key] for key in Source.__dataclass_fields__))
        half = Half(**values["half"]) if values["half"] else None
        tensors = {name: _tensor_from_json(of) for name, of in values["tensors"].items()}
        return CalibrationTable(source, tensors, half, values["versions"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LayoutRTError(
            f"{path} is not a calibration table ({error}); name another --table, or measure "
            "with --recalibrate"
        ) from None


def _tensor_to_json(tensor: MeasuredTensor, source: Source) -> dict[str, Any]:
    levels = activation_levels(tensor.range)
    return {
        "range": list(tensor.range),
        "uint8": {"scale": levels.scale, "zero_point": levels.zero_point},
        "int8": {"scale": float(activation_scale(tensor.range)), "zero_point": 0},
        "method": source.method,
        "histogram_sha256": tensor.histogram_sha256,
        "channels": {name: _shortest(getattr(tensor.channels, name)) for name in ("low", "high")},
    }


def _tensor_from_json(values: Mapping[str, Any]) -> MeasuredTensor:
    channels = (np.array(values["channels"][name], np.float32) for name in ("low", "high"))
    low, high = values["range"]
    return MeasuredTensor(Range(low, high), ChannelStatistics(*channels), values["histogram_sha256"])


def _shortest(values: np.ndarray) -> list[float]:
    """The shortest decimals that give the same float32."""
    return [float(str(value)) for value in values]


def _versions() -> dict[str, str]:
    onnxruntime = import_onnxruntime()

    return {"layoutrt": __version__, "onnxruntime": onnxruntime.__version__}
