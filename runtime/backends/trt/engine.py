"""Checks of an ``.engine`` file before TensorRT deserializes it, each with one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from layoutrt.artifacts.engine_manifest import EngineManifest, check_engine, read_manifest
from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends.trt.cuda_driver import Gpu, find_gpu
from layoutrt.runtime.backends.trt.library import import_tensorrt, load_operator_library
from layoutrt.runtime.backends.trt.log import created, message_log


class EngineFile:
    """An engine that fits this machine.

    Args:
        path: path of the ``.engine`` file, whose manifest lies beside it.

    Attributes:
        path: path of the file.
        manifest: manifest of the engine.
        trt: the module ``tensorrt``.
        gpu: GPU of this machine.
        log: TensorRT's messages.

    Raises:
        LayoutRTError: file, manifest, TensorRT, GPU or operator library are missing or do not fit.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest: EngineManifest = read_manifest(path)
        self.trt: Any = import_tensorrt(f"running {path}")
        self.gpu: Gpu = find_gpu()
        library = load_operator_library(self.trt)
        self._content: bytes | None = check_engine(
            path,
            self.manifest,
            tensorrt=self.trt.__version__,
            gpu_name=self.gpu.name,
            compute_capability=self.gpu.compute_capability,
            operator_library=library.version,
        )
        self.log: Any = message_log(self.trt)

    def load(self) -> tuple[Any, Any]:
        """Deserialize it; once, because the file's content is not kept.

        Returns:
            ``tensorrt.Runtime``, which must live as long as the engine, and ``tensorrt.ICudaEngine``.

        Raises:
            LayoutRTError: TensorRT refuses it, or the GPU's memory is too small.
        """
        runtime = created(self.log, self.trt.Runtime)
        prepare_runtime(runtime, version_compatible=self.manifest.version_compatible, dla=self.manifest.dla)
        engine = runtime.deserialize_cuda_engine(self._content)
        self._content = None
        if engine is None:
            raise self.failure("loaded")
        return runtime, engine

    def failure(self, what: str) -> LayoutRTError:
        """The error to raise if TensorRT only reports that it failed.

        Args:
            what: participle of the failed action, completing "… cannot be".
        """
        if self.log.is_out_of_memory():
            return out_of_memory(self.path, self.gpu)
        return LayoutRTError(
            f"{self.path} cannot be {what}: {self.log.reason()}; build it again with: "
            f"layoutrt build-engine {self.manifest.onnx_file} --out {self.path.name}"
        )


def prepare_runtime(runtime: Any, *, version_compatible: bool, dla: bool) -> None:
    """Settings that a ``tensorrt.Runtime`` needs before it deserializes such an engine."""
    if version_compatible:
        # It carries its lean runtime and our plugins as code. The manifest's hash vouches for the file.
        runtime.engine_host_code_allowed = True
    if dla:
        runtime.DLA_core = 0


def out_of_memory(path: Path, gpu: Gpu) -> LayoutRTError:
    """The error of an engine that needs more memory than the GPU has."""
    return LayoutRTError(
        f"the memory of the GPU ({gpu.name}, {gpu.memory_bytes / 2**30:.1f} GiB) does not suffice for "
        f"{path}; close other programs on it, or build the engine again for a smaller --max"
    )
