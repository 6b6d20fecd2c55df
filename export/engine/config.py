"""Configuration of TensorRT's builder: memory, compatibility, accelerators, shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layoutrt.artifacts.engine_manifest import EngineInput
from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends.trt.library import OperatorLibrary


@dataclass(frozen=True)
class EngineOptions:
    """Choices of the builder; none of them is about precision, which stands in the graph.

    Attributes:
        workspace_mb: most scratch memory that a layer may use, in MiB; None for all of the device's.
        version_compatible: build for newer TensorRT of the same major version, too; the engine then contains
            its runtime and our plugins.
        hardware_compatible: build for every GPU from Ampere on.
        dla: offer layers to the deep learning accelerator; what it cannot do stays on the GPU.
    """

    workspace_mb: int | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False
    dla: bool = False


def configure(
    trt: Any,
    builder: Any,
    network: Any,
    parser: Any,
    inputs: list[EngineInput],
    options: EngineOptions,
    library: OperatorLibrary,
    monitor: Any,
) -> Any:
    """A configuration with everything but the timing cache.

    Args:
        trt: the module ``tensorrt``.
        builder: ``tensorrt.Builder``.
        network: ``tensorrt.INetworkDefinition``.
        parser: that read it.
        inputs: inputs of the network, with the shapes of the profile.
        options: options of TensorRT's builder.
        library: our plugins.
        monitor: ``tensorrt.IProgressMonitor``.

    Returns:
        ``tensorrt.IBuilderConfig``.

    Raises:
        LayoutRTError: an option is not possible here, or TensorRT refuses the shapes.
    """
    config = builder.create_builder_config()
    if options.workspace_mb is not None:
        if options.workspace_mb < 1:
            raise LayoutRTError(f"--workspace must be at least 1 MB, got {options.workspace_mb}")
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mb << 20)
    # Names and origins of the layers, which profiles need; it costs nothing when the engine runs.
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.progress_monitor = monitor
    if options.hardware_compatible:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if options.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
        # The lean runtime in the engine has a registry of its own, so the plugins travel with it.
        config.plugins_to_serialize = [str(library.path), *parser.get_used_vc_plugin_libraries()]
    if options.dla:
        _use_dla(trt, builder, config, inputs)
    open_ = _fix_shapes(network, inputs)
    if open_:
        _add_profile(builder, config, open_)
    return config


def dla_remark(trt: Any, options: EngineOptions, precision: str) -> str | None:
    """Warning to print before layers in 8 bits are offered to the accelerator; None for none.

    TensorRT 10 knows 8 bits on it from calibrators only (NVIDIA/TensorRT#2222, NVIDIA/Model-Optimizer#1661).
    """
    if not options.dla or precision != "int8" or int(trt.__version__.split(".")[0]) > 10:
        return None
    return (
        f"the deep learning accelerator of TensorRT {trt.__version__} takes no Q/DQ nodes, so what is in 8 "
        "bits stays on the GPU; build from a file of layoutrt calibrate --precision fp16 to give it more"
    )


def _fix_shapes(network: Any, inputs: list[EngineInput]) -> list[EngineInput]:
    """Fix the dimensions that the profile fixes, and return the inputs that still have open ones.

    An engine of one size is then planned for that size, as from a file that has it, and the deep learning
    accelerator takes its layers: there "only leading dimension can be a wildcard", whatever the profile says
    (``INetworkDefinition::addInput`` in ``NvInfer.h``).
    """
    open_ = []
    by_name = {entry.name: entry for entry in inputs}
    for tensor in (network.get_input(index) for index in range(network.num_inputs)):
        entry = by_name[tensor.name]
        shape = tuple(-1 if dim is None else dim for dim in entry.shape)
        if shape != tuple(tensor.shape):
            tensor.shape = shape
        if -1 in shape:
            open_.append(entry)
    return open_


def _use_dla(trt: Any, builder: Any, config: Any, inputs: list[EngineInput]) -> None:
    if builder.num_DLA_cores < 1:
        raise LayoutRTError(
            f"TensorRT {trt.__version__} finds no deep learning accelerator on this device; leave --dla out"
        )
    # "DLA Supported Layers and Restrictions" of TensorRT's guide.
    if any(None in entry.shape for entry in inputs):
        raise LayoutRTError(
            "the deep learning accelerator runs at one size; give --min, --opt and --max alike and no "
            "--max-batch, or leave --dla out"
        )
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = 0
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _add_profile(builder: Any, config: Any, inputs: list[EngineInput]) -> None:
    profile = builder.create_optimization_profile()
    for entry in inputs:
        profile.set_shape(entry.name, tuple(entry.min), tuple(entry.opt), tuple(entry.max))
    if config.add_optimization_profile(profile) < 0:
        shapes = ", ".join(f"{entry.name} {entry}" for entry in inputs)
        raise LayoutRTError(
            f"TensorRT does not take the shapes {shapes}; give other --min, --opt and --max, or see --verbose"
        )
