"""Answers of TensorRT's runtime: an engine computes something that a test can compute, too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.support.tensorrt_doubles.double import Double

if TYPE_CHECKING:
    from tests.support.tensorrt_doubles.world import World

LAYER_MS = 0.5
ENGINE_MS = 2.0


def computed(name: str, first: np.ndarray, dtype: str) -> np.ndarray:
    """Output of an engine for its first input: ``image`` of labels, ``labels`` of a frame."""
    if name == "image":
        return np.stack([first * factor for factor in (1, 2, 3)], axis=-1).astype(dtype)
    return first.sum(axis=-1).astype(dtype)


class RuntimeAnswers:
    def __init__(self, world: World, logger: Any) -> None:
        self.world, self.logger = world, logger
        self.engine_host_code_allowed = False
        self.DLA_core = -1
        world.runtimes.append(self)

    def deserialize_cuda_engine(self, serialized_engine: Any) -> Double | None:
        network = self.world.network
        self.world.networks_while_loading.append(network is not None and network() is not None)
        refuse = self.world.trt.ILogger.Severity.ERROR
        plan = json.loads(bytes(serialized_engine))
        if plan["host_code"] and not self.engine_host_code_allowed:
            self.logger.log(refuse, "Deserializing engines with host code is not allowed.")
            return None
        if plan["dla"] and self.DLA_core != 0:
            self.logger.log(refuse, "DLA core is not set.")
            return None
        if not self.world.loads:
            self.logger.log(
                refuse, "[engine.cpp::load::12] Error Code 2: OutOfMemory (no further information)"
            )
            return None
        return self.world.double("ICudaEngine", EngineAnswers(self.world, plan))


class EngineAnswers:
    def __init__(self, world: World, plan: dict[str, Any]) -> None:
        self.world, self.plan = world, plan
        self.inputs = {name: (dtype, dims, shapes) for name, dtype, dims, shapes in plan["inputs"]}
        self.outputs = {name: (dtype, dims) for name, dtype, dims in plan["outputs"]}

    @property
    def num_io_tensors(self) -> int:
        return len(self.inputs) + len(self.outputs)

    def get_tensor_name(self, index: int) -> str:
        return [*self.inputs, *self.outputs][index]

    def get_tensor_mode(self, name: str) -> Any:
        mode = self.world.trt.TensorIOMode
        return mode.INPUT if name in self.inputs else mode.OUTPUT

    def create_execution_context(self) -> Double | None:
        if self.world.context_fails:
            return None
        return self.world.double("IExecutionContext", ContextAnswers(self.world, self))

    def create_engine_inspector(self) -> Double | None:
        if not self.world.inspects:
            return None
        return self.world.double("EngineInspector", InspectorAnswers(self))


class InspectorAnswers:
    def __init__(self, engine: EngineAnswers) -> None:
        self.engine = engine
        self.execution_context: Any = None

    def get_engine_information(self, format: Any) -> str:
        assert format == self.engine.world.trt.LayerInformationFormat.JSON
        shape = [1, 8, 12, 16] if self.execution_context is not None else [-1, 8, -1, -1]
        tensor = {"Name": "t", "Dimensions": shape, "Format/Datatype": "Row major linear FP16 format"}
        layers = [
            {"Name": f"{name}_fused", "LayerType": "kgen", "ParameterType": operator, "Inputs": [tensor],
             "Outputs": [tensor], "Metadata": f"[ONNX Layer: {name}]"}
            for name, operator in self.engine.plan["layers"]
        ]  # fmt: skip
        return json.dumps({"Layers": layers})


class ContextAnswers:
    def __init__(self, world: World, engine: EngineAnswers) -> None:
        self.world, self.engine = world, engine
        self.profiler: Any = None
        self.enqueue_emits_profile = True
        self.shapes: dict[str, list[int]] = {}
        self.addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: Any) -> bool:
        low, _, high = self.engine.inputs[name][2]
        fits = all(a <= dim <= b for a, dim, b in zip(low, shape, high, strict=True))
        if fits:
            self.shapes[name] = list(shape)
        return fits

    def get_tensor_shape(self, name: str) -> Any:
        if name in self.engine.inputs:
            return self.world.trt.Dims(self.shapes.get(name, self.engine.inputs[name][1]))
        first = next(iter(self.shapes.values()), None)
        _, dims = self.engine.outputs[name]
        if first is None:
            return self.world.trt.Dims(dims)
        # Batch, height and width are those of the first input; what follows does not change.
        return self.world.trt.Dims([*first[:3], *dims[3:]])

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self.addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        world, engine = self.world, self.engine
        assert stream_handle == 0xABC0, "not the session's stream"
        assert set(self.addresses) == {*engine.inputs, *engine.outputs}
        world.runs += 1
        world.device.clock_ms += ENGINE_MS
        name, (dtype, _, _) = next(iter(engine.inputs.items()))
        shape = self.shapes[name]
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        first = world.device.memory[self.addresses[name]][:size].view(dtype).reshape(shape)
        for output, (kind, _) in engine.outputs.items():
            result = computed(output, first, kind).view(np.uint8).reshape(-1)
            world.device.memory[self.addresses[output]][: result.nbytes] = result
        if self.profiler is not None and self.enqueue_emits_profile:
            for layer, _ in engine.plan["layers"]:
                self.profiler.report_layer_time(f"{layer}_fused", LAYER_MS)
        return True
