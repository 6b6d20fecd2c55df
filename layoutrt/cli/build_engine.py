"""``layoutrt build-engine``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layoutrt.cli.options import Size, parse_size

if TYPE_CHECKING:
    from rich.console import Console

    from layoutrt.export.engine.build import BuiltEngine

_SIZES = "Sizes, where the model leaves them open"
_WHERE = "Where it runs"


def _size(option: str, help_text: str) -> Any:
    return typer.Option(option, parser=parse_size, metavar="HxW", help=help_text, rich_help_panel=_SIZES)


def build_engine(
    model: Annotated[
        str,
        typer.Argument(
            help="ONNX file that layoutrt calibrate --target tensorrt wrote.",
            metavar="MODEL.onnx",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Engine to write, ending in .engine.")],
    min_: Annotated[Size | None, _size("--min", "Smallest size; that of --opt by default.")] = None,
    opt: Annotated[
        Size | None, _size("--opt", "Size to be fastest at; what it was trained at by default.")
    ] = None,
    max_: Annotated[
        Size | None, _size("--max", "Largest size, which memory is kept for; that of --opt by default.")
    ] = None,
    max_batch: Annotated[
        int, typer.Option(help="Largest number of images in one run.", rich_help_panel=_SIZES)
    ] = 1,
    workspace: Annotated[
        int | None, typer.Option(metavar="MB", help="Largest scratch memory of a layer; no limit by default.")
    ] = None,
    timing_cache: Annotated[
        Path | None,
        typer.Option(help="File of measurements, reused and kept; in the user's cache folder by default."),
    ] = None,
    version_compatible: Annotated[
        bool,
        typer.Option(
            "--version-compatible",
            help="Let newer TensorRT of the same major version run it too; may be slower.",
            rich_help_panel=_WHERE,
        ),
    ] = False,
    hardware_compatible: Annotated[
        bool,
        typer.Option(
            "--hardware-compatible",
            help="Let other GPUs from Ampere on run it too; may be slower. Not on Jetson.",
            rich_help_panel=_WHERE,
        ),
    ] = False,
    dla: Annotated[
        bool,
        typer.Option(
            "--dla", help="Offer layers to Jetson's DLA, the rest to the GPU.", rich_help_panel=_WHERE
        ),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print TensorRT's messages.")] = False,
) -> None:
    """Build a TensorRT engine for the GPU of this machine.

    Precision is that of the file; no option changes it. Beside the engine stand its manifest
    (`OUT.engine.json`), which says where it runs, and TensorRT's layer information. Ctrl-C stops the build
    after its current step. A failed build writes no engine.

    Examples:

    `layoutrt calibrate model.onnx --data drive:100 --out model.trt.onnx --target tensorrt`

    `layoutrt build-engine model.trt.onnx --out model.engine`

    `layoutrt build-engine model.trt.onnx --out model.engine --min 128x256 --opt 192x256 --max 256x512`
    """
    from rich.console import Console

    from layoutrt.export.engine.build import build_engine
    from layoutrt.export.engine.config import EngineOptions
    from layoutrt.export.engine.shapes import ProfileRequest

    # Paths and TensorRT's messages may hold brackets.
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    built = build_engine(
        model,
        out,
        profile=ProfileRequest(min_, opt, max_, max_batch),
        options=EngineOptions(workspace, version_compatible, hardware_compatible, dla),
        timing_cache=timing_cache,
        verbose=verbose,
        console=console,
        announce=console.print,
    )
    _print(built, console)


def _print(built: BuiltEngine, console: Console) -> None:
    from layoutrt.artifacts.engine_manifest import layers_path, manifest_path

    manifest = built.manifest
    console.print(f"precision  {manifest.precision}")
    for entry in manifest.inputs:
        best = f", fastest at {entry.opt}" if entry.min != entry.max else ""
        console.print(f"input      {entry.name} {entry}{best}")
    for output in manifest.outputs:
        console.print(f"output     {output.name} {output}")
    console.print(
        f"built      in {manifest.build_seconds:.0f} s with TensorRT {manifest.tensorrt} "
        f"for {manifest.gpu_name} ({manifest.compute_capability})"
    )
    if built.warnings:
        console.print(f"warnings   {len(built.warnings)} of TensorRT; --verbose shows them")
    console.print(f"wrote      {built.path} ({manifest.engine_bytes / 1e6:.2f} MB)")
    for path in (manifest_path(built.path), layers_path(built.path)):
        console.print(f"           {path}")
    console.print(f"next       layoutrt profile {built.path} --layers")
