"""A machine with TensorRT, a GPU and PyCUDA, for one test: what it can do, what was asked of it."""

from __future__ import annotations

import contextlib
import os
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from layoutrt.runtime.backends.trt import pycuda_context
from tests.support.tensorrt_doubles import pycuda_double
from tests.support.tensorrt_doubles.builder import BuilderAnswers, ParserAnswers
from tests.support.tensorrt_doubles.double import Constructor, Double
from tests.support.tensorrt_doubles.runtime import RuntimeAnswers

_STUBBED = ("STUB_", "XDG_CACHE_HOME", "LAYOUTRT_TRT_LIBRARY")


class World:
    """The module ``tensorrt`` becomes `module` while a world is entered.

    Args:
        trt: the real bindings.
        folder: of the test.
        operators: the stub of the operator library.

    Attributes:
        parser_errors: what the parser finds, as keyword arguments of `ParserError`'s answers.
        plugin_errors: what plugins log while the parser makes them.
        build_errors: what the builder logs before it gives up; an engine is built without.
        build_warnings: what it logs in any case.
        while_building: called in the middle of a build.
        dla_cores: of the device.
        loads: whether engines can be deserialized.
        inspects: whether engines have an inspector.
        logged: by our logger.
        built: configuration of the last build.
        network: of the last build, as long as it lives.
        networks_while_loading: whether it did, for each engine that was loaded.
        runs: number of `execute_async_v3`.
    """

    def __init__(self, trt: Any, folder: Path, operators: Path) -> None:
        self.trt, self.folder, self.operators = trt, folder, operators
        self.version: str = trt.__version__
        self.parser_errors: list[dict[str, Any]] = []
        self.plugin_errors: list[str] = []
        self.build_errors: list[str] = []
        self.build_warnings: list[str] = []
        self.while_building: Callable[[], None] = lambda: None
        self.dla_cores = 0
        self.loads = True
        self.inspects = True
        self.context_fails = False
        self.network_flags: int | None = None
        self.libraries: list[str] = []
        self.timing_cache_content = f"timings of {self.version} on {{gpu}}".encode()
        self.built: Any = None
        self.network: weakref.ref[Any] | None = None
        self.networks_while_loading: list[bool] = []
        self.phases: list[str] = []
        self.runtimes: list[Any] = []
        self.runs = 0
        self.device = pycuda_double.Device()
        self.module = _module(self)

    @contextlib.contextmanager
    def entered(self) -> Iterator[World]:
        before = {name: value for name, value in os.environ.items() if name.startswith(_STUBBED)}
        modules = {name: sys.modules.get(name) for name in ("tensorrt", "pycuda", "pycuda.driver")}
        self.install()
        major, minor, patch = self.version.split(".")[:3]
        os.environ |= {
            "LAYOUTRT_TRT_LIBRARY": str(self.operators),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "STUB_LIBRARY_TENSORRT": f"{int(major):d}{int(minor):02d}{int(patch):02d}",
        }
        try:
            yield self
            assert self.device.depth() == 0, "a context is still pushed"
        finally:
            for name in [name for name in os.environ if name.startswith(_STUBBED)]:
                del os.environ[name]
            os.environ |= before
            for name, module in modules.items():
                sys.modules.pop(name, None)
                if module is not None:
                    sys.modules[name] = module

    def install(self) -> None:
        """Be what this process imports."""
        sys.modules["tensorrt"] = self.module
        self.pycuda = pycuda_double.install(self.device)
        pycuda_context._primary_context.cache_clear()

    @property
    def gpu(self) -> str:
        return os.environ.get("STUB_GPU", "Orin")

    def double(self, name: str, answers: Any) -> Double:
        return Double(self.trt, getattr(self.trt, name), answers)


class RegistryAnswers:
    def __init__(self, world: World) -> None:
        self.world = world

    def load_library(self, plugin_path: str) -> Any:
        if plugin_path in self.world.libraries:
            return None
        self.world.libraries.append(plugin_path)
        return object()

    def get_creator(self, type: str, version: str, plugin_namespace: str = "") -> Any:
        known = (version, plugin_namespace) == ("1", "layoutrt")
        return object() if self.world.libraries and known else None


def _module(world: World) -> types.ModuleType:
    trt = world.trt

    class Module(types.ModuleType):
        def __getattr__(self, name: str) -> Any:
            return getattr(trt, name)

    module = Module("tensorrt")
    module.Builder = Constructor(trt, trt.Builder, lambda logger: BuilderAnswers(world, logger))
    module.OnnxParser = Constructor(
        trt, trt.OnnxParser, lambda network, logger: ParserAnswers(world, network, logger)
    )
    module.Runtime = Constructor(trt, trt.Runtime, lambda logger: RuntimeAnswers(world, logger))
    registry = world.double("IPluginRegistry", RegistryAnswers(world))
    module.get_plugin_registry = lambda: registry
    # Doubles are no instances of the real classes, and nothing that needs a library may be made by accident.
    for name in ("Logger", "Refitter", "init_libnvinfer_plugins", "get_builder_plugin_registry"):
        setattr(module, name, None)
    return module
