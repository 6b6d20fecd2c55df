"""The doubles refuse what the real classes of either version do not have."""

from __future__ import annotations

import pytest

from tests.support.tensorrt_doubles.signatures import Misuse, signatures

DOUBLED = (
    "Builder", "EngineInspector", "IBuilderConfig", "ICudaEngine", "IExecutionContext",
    "IOptimizationProfile", "IPluginRegistry", "ITimingCache", "OnnxParser", "ParserError", "Runtime",
)  # fmt: skip


def test_the_bindings_are_the_real_ones_of_this_version(world, tensorrt) -> None:
    assert world.trt.__version__ == tensorrt
    assert world.trt.ILogger.__module__.startswith("tensorrt_bindings")


def test_what_only_one_version_has_fails_on_the_other(world, tensorrt) -> None:
    import tensorrt as trt

    config = trt.Builder(trt_logger(trt)).create_builder_config()
    if tensorrt.startswith("10."):
        config.set_flag(trt.BuilderFlag.FP16)
        with pytest.raises(AttributeError):
            print(trt.HardwareCompatibilityLevel.SAME_COMPUTE_CAPABILITY)
        with pytest.raises(AttributeError, match="tiling_optimization_level"):
            config.tiling_optimization_level = 1
    else:
        with pytest.raises(AttributeError):
            config.set_flag(trt.BuilderFlag.FP16)
        with pytest.raises(AttributeError, match="int8_calibrator"):
            config.int8_calibrator = None
        with pytest.raises(AttributeError, match="platform_has_fast_fp16"):
            print(trt.Builder(trt_logger(trt)).platform_has_fast_fp16)


def test_a_wrong_keyword_a_wrong_count_and_a_wrong_enum_fail(world) -> None:
    import tensorrt as trt

    builder = trt.Builder(trt_logger(trt))
    config = builder.create_builder_config()
    with pytest.raises(Misuse, match="size"):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, size=1)
    with pytest.raises(Misuse, match="missing a required argument"):
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE)
    with pytest.raises(Misuse, match="must be"):
        config.set_memory_pool_limit(trt.DeviceType.DLA, 1)
    with pytest.raises(Misuse, match="must be"):
        config.set_flag(trt.MemoryPoolType.WORKSPACE)
    with pytest.raises(Misuse, match="must be"):
        config.profiling_verbosity = 2
    with pytest.raises(Misuse, match="must be"):
        builder.create_network(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    with pytest.raises(AttributeError, match="can be set"):
        builder.num_DLA_cores = 2


def test_a_double_that_answers_what_the_real_class_cannot_fails(world) -> None:
    import tensorrt as trt

    world.dla_cores = "two"
    with pytest.raises(Misuse, match="answer"):
        print(trt.Builder(trt_logger(trt)).num_DLA_cores)


def test_a_logger_that_is_none_is_refused(world) -> None:
    import tensorrt as trt

    with pytest.raises(Misuse, match="ILogger"):
        trt.Builder(object())


def test_every_method_of_the_classes_that_are_doubled_has_a_signature_that_can_be_read(world) -> None:
    trt = world.trt
    for real in (getattr(trt, name) for name in DOUBLED):
        for name in (name for name in dir(real) if not name.startswith("_")):
            member = getattr(real, name)
            if callable(member):
                assert signatures(member.__doc__, name)


def trt_logger(trt):
    from layoutrt.runtime.backends.trt.log import message_log

    return message_log(trt)
