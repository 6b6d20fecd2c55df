"""Engine builder: from an ONNX file with Q/DQ nodes for TensorRT to an engine, on TensorRT 10.3 and later.

The network is strongly typed: types stand in the graph, and no builder flag changes them. Nothing is written
before the engine was built and could be loaded again.
"""

from __future__ import annotations

import datetime
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from layoutrt import __version__
from layoutrt.artifacts.engine_manifest import (
    AMPERE_PLUS,
    NONE,
    EngineInput,
    EngineManifest,
    EngineOutput,
    is_engine,
)
from layoutrt.artifacts.model_info import ModelInfo
from layoutrt.errors import LayoutRTError
from layoutrt.export.engine.config import EngineOptions, configure, dla_remark
from layoutrt.export.engine.model import read_engine_model
from layoutrt.export.engine.network import parse
from layoutrt.export.engine.progress import BuildProgress, run_to_the_end
from layoutrt.export.engine.shapes import ProfileRequest, engine_inputs
from layoutrt.export.engine.timing_cache import TimingCache, default_timing_cache
from layoutrt.export.engine.writing import check_writable, write_engine
from layoutrt.files import file_digest
from layoutrt.runtime.backends.trt.cuda_driver import Gpu, find_gpu
from layoutrt.runtime.backends.trt.engine import prepare_runtime
from layoutrt.runtime.backends.trt.library import OperatorLibrary, import_tensorrt, load_operator_library
from layoutrt.runtime.backends.trt.log import created, message_log

Announce = Callable[[str], None]


@dataclass(frozen=True)
class BuiltEngine:
    """Files that `build_engine` wrote.

    Attributes:
        path: path of the engine; its manifest and layer information lie beside it.
        manifest: manifest of the engine.
        warnings: TensorRT's warnings, each once.
    """

    path: Path
    manifest: EngineManifest
    warnings: list[str]


def build_engine(
    model: str | Path,
    out: str | Path,
    *,
    profile: ProfileRequest | None = None,
    options: EngineOptions | None = None,
    timing_cache: Path | None = None,
    verbose: bool = False,
    console: Console | None = None,
    announce: Announce = lambda line: None,
) -> BuiltEngine:
    """Build an engine for the first GPU of this machine.

    Args:
        model: file of ``layoutrt calibrate --target tensorrt``.
        out: the ``.engine`` file; ``OUT.json`` (its manifest) and ``OUT.layers.json`` are written beside it.
        profile: sizes, where the model leaves them open.
        options: options of TensorRT's builder.
        timing_cache: file of measurements; by default one in the user's cache folder.
        verbose: print TensorRT's messages.
        console: console on which progress is drawn and messages are printed.
        announce: called with what is worth a line while it works.

    Raises:
        LayoutRTError: the model does not fit, TensorRT, a GPU or the operator library is missing, or the
            build failed; then no file was written.
        KeyboardInterrupt: by Ctrl-C, after the builder's current step; no file was written.
    """
    out = Path(out)
    if not is_engine(out):
        raise LayoutRTError(f"--out {out} must end in .engine, by which engines are known")
    options = options or EngineOptions()
    info, onnx_model = read_engine_model(model)
    path = info.path
    inputs = engine_inputs(info, onnx_model, profile or ProfileRequest())
    del onnx_model
    check_writable(out)
    trt = import_tensorrt("building an engine")
    gpu = find_gpu()
    library = load_operator_library(trt)
    console = console or Console(quiet=True)
    log = message_log(trt)
    log.verbose, log.tell = (
        verbose,
        lambda text, error: console.print(
            text, style="red" if error else "dim", markup=False, highlight=False, soft_wrap=True
        ),
    )
    try:
        builder = created(log, trt.Builder)
        network, parser = parse(trt, builder, log, path)
        progress = BuildProgress(trt, console)
        config = configure(trt, builder, network, parser, inputs, options, library, progress.monitor)
        if remark := dla_remark(trt, options, info.precision):
            announce(remark)
        cache = TimingCache(timing_cache or default_timing_cache(trt.__version__, gpu), config)
        if cache.ignored:
            announce(f"the timing cache {cache.path} is not used: {cache.ignored}")
        started = time.monotonic()
        with progress:
            plan = run_to_the_end(partial(builder.build_serialized_network, network, config), progress)
        seconds = time.monotonic() - started
        if plan is None:
            raise _failure(log, path, gpu, options)
        # Minutes of measurements; what may fail from here on is not to cost them.
        not_kept = cache.keep()
        if not_kept:
            announce(f"the timing cache was not kept: {not_kept}")
        warnings = list(dict.fromkeys(log.warnings))
        outputs = _outputs(trt, network)
        # They hold the weights once more, in memory that a Jetson's GPU shares.
        del cache, config, parser, network, builder
        with memoryview(plan) as content:
            layers = _layers(trt, log, content, options, path, gpu)
            manifest = _manifest(trt, gpu, library, options, info, inputs, outputs, content, seconds)
            write_engine(out, content, manifest, layers)
        return BuiltEngine(out, manifest, warnings)
    finally:
        log.tell = None


def _failure(log: Any, path: Path, gpu: Gpu, options: EngineOptions) -> LayoutRTError:
    if log.is_out_of_memory():
        limit = "a smaller one than" if options.workspace_mb else "such as"
        figure = options.workspace_mb or max(256, gpu.memory_bytes // 2**21)
        return LayoutRTError(
            f"memory ran out while the engine of {path} was built on {gpu.name} "
            f"({gpu.memory_bytes / 2**30:.1f} GiB): {log.reason()}; close other programs, give --workspace "
            f"({limit} {figure} MB), or a smaller --max"
        )
    return LayoutRTError(
        f"TensorRT could not build an engine of {path}: {log.reason()}; see the whole of its messages with "
        "--verbose"
    )


def _layers(trt: Any, log: Any, plan: memoryview, options: EngineOptions, path: Path, gpu: Gpu) -> str:
    """The inspector's JSON; the engine is loaded for it, which proves that it can be."""
    runtime = created(log, trt.Runtime)
    prepare_runtime(runtime, version_compatible=options.version_compatible, dla=options.dla)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise _failure(log, path, gpu, options)
    inspector = engine.create_engine_inspector()
    # Empty if the runtime inside the engine has no inspector; the engine is good all the same.
    found = inspector and inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    return found or "{}"


def _outputs(trt: Any, network: Any) -> list[EngineOutput]:
    tensors = [network.get_output(index) for index in range(network.num_outputs)]
    return [
        EngineOutput(tensor.name, np.dtype(trt.nptype(tensor.dtype)).name, list(tensor.shape))
        for tensor in tensors
    ]


def _manifest(
    trt: Any,
    gpu: Gpu,
    library: OperatorLibrary,
    options: EngineOptions,
    info: ModelInfo,
    inputs: list[EngineInput],
    outputs: list[EngineOutput],
    plan: memoryview,
    seconds: float,
) -> EngineManifest:
    now = datetime.datetime.now(datetime.timezone.utc)
    return EngineManifest(
        layoutrt=__version__,
        tensorrt=trt.__version__,
        cuda=gpu.cuda,
        gpu_name=gpu.name,
        compute_capability=gpu.compute_capability,
        version_compatible=options.version_compatible,
        hardware_compatible=AMPERE_PLUS if options.hardware_compatible else NONE,
        dla=options.dla,
        operator_library=library.version,
        precision=info.precision,
        onnx_file=info.path.name,
        onnx_sha256=file_digest(info.path),
        engine_sha256=hashlib.sha256(plan).hexdigest(),
        engine_bytes=plan.nbytes,
        inputs=inputs,
        outputs=outputs,
        workspace_mb=options.workspace_mb,
        build_seconds=round(seconds, 1),
        built=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        metadata=dict(info.metadata),
    )
