"""Answers of TensorRT's parser and builder: a network is the ONNX file, an engine is JSON."""

from __future__ import annotations

import json
import weakref
from typing import TYPE_CHECKING, Any

import onnx

from tests.support.tensorrt_doubles.double import Double, answers_of
from tests.support.tensorrt_doubles.host_memory import host_memory

if TYPE_CHECKING:
    from tests.support.tensorrt_doubles.world import World

_TYPES = {1: "float32", 2: "uint8", 6: "int32", 10: "float16"}


class BuilderAnswers:
    def __init__(self, world: World, logger: Any) -> None:
        self.world, self.logger = world, logger
        self.num_DLA_cores = world.dla_cores

    def create_network(self, flags: int = 0) -> Double:
        self.world.network_flags = flags
        answers = NetworkAnswers(self.world)
        self.world.network = weakref.ref(answers)
        return self.world.double("INetworkDefinition", answers)

    def create_builder_config(self) -> Double:
        return self.world.double("IBuilderConfig", ConfigAnswers(self.world))

    def create_optimization_profile(self) -> Double:
        return self.world.double("IOptimizationProfile", ProfileAnswers())

    def build_serialized_network(self, network: Double, config: Double) -> Any:
        world, asked, built = self.world, answers_of(config), answers_of(network)
        severity = world.trt.ILogger.Severity
        world.built = asked
        for text in world.build_warnings:
            self.logger.log(severity.WARNING, text)
        if not self._go_through_phases(asked.progress_monitor):
            self.logger.log(severity.WARNING, "Build cancelled.")
            return None
        for text in world.build_errors:
            self.logger.log(severity.ERROR, text)
        if world.build_errors:
            return None
        asked.cache_content = world.timing_cache_content.replace(b"{gpu}", world.gpu.encode())
        return host_memory(json.dumps(_plan(world, built, asked)).encode())

    def _go_through_phases(self, monitor: Any) -> bool:
        """As TensorRT does: nested, and given up where a step says so."""
        monitor.phase_start("Building Engine", None, 2)
        monitor.phase_start("Computing profile", "Building Engine", 3)
        goes_on = self._step(monitor, "Computing profile", 0) and self._step(monitor, "Computing profile", 1)
        self.world.while_building()
        goes_on = goes_on and self._step(monitor, "Computing profile", 2)
        monitor.phase_finish("Computing profile")
        goes_on = goes_on and all(self._step(monitor, "Building Engine", step) for step in range(2))
        monitor.phase_finish("Building Engine")
        return goes_on

    def _step(self, monitor: Any, phase: str, step: int) -> bool:
        self.world.phases.append(f"{phase} {step}")
        return monitor.step_complete(phase, step)


def _plan(world: World, network: NetworkAnswers, config: ConfigAnswers) -> dict[str, Any]:
    profile = config.profiles[0].shapes if config.profiles else {}
    dla = config.default_device_type == world.trt.DeviceType.DLA
    inputs = []
    for value in network.inputs:
        dims = network.dims(value)
        # "If run on DLA […], only leading dimension can be a wildcard" (NvInfer.h).
        assert not dla or -1 not in dims[1:], f"{value.name} keeps the network off the DLA"
        assert -1 not in dims or value.name in profile, f"{value.name} is dynamic and has no profile"
        shapes = profile.get(value.name, [dims] * 3)
        assert all(
            own in (-1, low, high) for own, low, high in zip(dims, *shapes[::2], strict=True) if own > 0
        )
        inputs.append([value.name, _TYPES[value.type.tensor_type.elem_type], dims, shapes])
    outputs = [
        [value.name, _TYPES[value.type.tensor_type.elem_type], network.dims(value)]
        for value in network.outputs
    ]
    detailed = config.profiling_verbosity == world.trt.ProfilingVerbosity.DETAILED
    return {
        "tensorrt": world.version,
        "inputs": inputs,
        "outputs": outputs,
        "layers": [[node.name, node.op_type] for node in network.nodes] if detailed else [],
        "host_code": world.trt.BuilderFlag.VERSION_COMPATIBLE in config.flags_set,
        "dla": dla,
    }


class NetworkAnswers:
    def __init__(self, world: World) -> None:
        self.world = world
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.nodes: list[Any] = []
        self.fixed: dict[str, int] = {}
        """Open dimensions of the file that got a size, by their names."""

    def read(self, path: str) -> None:
        graph = onnx.load(path).graph
        constants = {tensor.name for tensor in graph.initializer}
        self.inputs = [value for value in graph.input if value.name not in constants]
        self.outputs, self.nodes = list(graph.output), list(graph.node)

    @property
    def num_inputs(self) -> int:
        return len(self.inputs)

    @property
    def num_outputs(self) -> int:
        return len(self.outputs)

    def get_input(self, index: int) -> Double:
        return self._tensor(self.inputs[index])

    def get_output(self, index: int) -> Double:
        return self._tensor(self.outputs[index])

    def _tensor(self, value: Any) -> Double:
        return self.world.double("ITensor", TensorAnswers(self, value))

    def dims(self, value: Any) -> list[int]:
        """As far as they are known; an output's follow from the inputs'."""
        dims = value.type.tensor_type.shape.dim
        return [dim.dim_value or self.fixed.get(dim.dim_param, -1) for dim in dims]


class TensorAnswers:
    def __init__(self, network: NetworkAnswers, value: Any) -> None:
        self.network, self.value = network, value
        self.name = value.name
        self.dtype = getattr(network.world.trt, _TYPES[value.type.tensor_type.elem_type])

    @property
    def shape(self) -> Any:
        return self.network.world.trt.Dims(self.network.dims(self.value))

    @shape.setter
    def shape(self, dims: Any) -> None:
        own = self.value.type.tensor_type.shape.dim
        assert self.value in self.network.inputs, "only an input's shape is anyone's to set"
        assert all(dim.dim_value in (0, size) for dim, size in zip(own, dims, strict=True))
        self.network.fixed |= {
            dim.dim_param: size for dim, size in zip(own, dims, strict=True) if dim.dim_param and size > 0
        }


class ParserAnswers:
    def __init__(self, world: World, network: Double, logger: Any) -> None:
        self.world, self.network, self.logger = world, answers_of(network), logger

    def parse_from_file(self, model: str) -> bool:
        for text in self.world.plugin_errors:
            self.logger.log(self.world.trt.ILogger.Severity.ERROR, text)
        if self.world.parser_errors:
            return False
        self.network.read(model)
        return True

    @property
    def num_errors(self) -> int:
        return len(self.world.parser_errors)

    def get_error(self, index: int) -> Double:
        return self.world.double("ParserError", ErrorAnswers(self.world.trt, self.world.parser_errors[index]))

    def get_used_vc_plugin_libraries(self) -> list[str]:
        return ["libnvinfer_vc_plugin.so"]


class ErrorAnswers:
    def __init__(self, trt: Any, values: dict[str, Any]) -> None:
        self.trt, self.values = trt, values

    def code(self) -> Any:
        return getattr(self.trt.ErrorCode, self.values["code"])

    def desc(self) -> str:
        return self.values.get("desc", "")

    def node(self) -> int:
        return self.values.get("node", -1)

    def node_name(self) -> str:
        return self.values.get("node_name", "")

    def node_operator(self) -> str:
        return self.values.get("node_operator", "")


class ProfileAnswers:
    def __init__(self) -> None:
        self.shapes: dict[str, list[list[int]]] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        self.shapes[input] = [list(min), list(opt), list(max)]


class ConfigAnswers:
    def __init__(self, world: World) -> None:
        trt = self.trt = world.trt
        self.world = world
        self.progress_monitor: Any = None
        self.profiling_verbosity = trt.ProfilingVerbosity.LAYER_NAMES_ONLY
        self.hardware_compatibility_level = trt.HardwareCompatibilityLevel.NONE
        self.default_device_type = trt.DeviceType.GPU
        self.DLA_core = -1
        self.plugins_to_serialize: list[str] = []
        self.flags_set: list[Any] = []
        self.limits: dict[Any, int] = {}
        self.profiles: list[ProfileAnswers] = []
        self.cache: Double | None = None
        self.cache_content = b""

    def set_flag(self, flag: Any) -> None:
        self.flags_set.append(flag)

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        self.limits[pool] = pool_size

    def add_optimization_profile(self, profile: Double) -> int:
        self.profiles.append(answers_of(profile))
        return len(self.profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: Any) -> Double:
        return self.world.double("ITimingCache", CacheAnswers(self, bytes(serialized_timing_cache)))

    def set_timing_cache(self, cache: Double, ignore_mismatch: bool) -> bool:
        content = answers_of(cache).content
        fits = content in (b"", self.world.timing_cache_content.replace(b"{gpu}", self.world.gpu.encode()))
        if fits or ignore_mismatch:
            self.cache, self.cache_content = cache, content
        return fits or ignore_mismatch

    def get_timing_cache(self) -> Double | None:
        return self.cache


class CacheAnswers:
    def __init__(self, config: ConfigAnswers, content: bytes) -> None:
        self.config, self.content = config, content

    def serialize(self) -> Any:
        return host_memory(self.config.cache_content)
