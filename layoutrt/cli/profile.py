"""``layoutrt profile``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layoutrt.cli.options import Json, Size, Threads, report_console, size_option

_OUTPUT = "Files"
_GATE = "Regression gate"


def profile(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Models to measure: shipped names, ONNX files, engines, checkpoints or folders of their "
            "runs (torch), or SEGMENTER+GENERATOR for a pipeline. One .json of an earlier profile is shown "
            "again, or compared.",
        ),
    ],
    input_: Annotated[
        str,
        typer.Option(
            "--input",
            help="Layouts (images for segmenters): drive:, drive:N or drive:N@SEED, a file, a folder, or a "
            "data set or its split. A data set means its validation split.",
        ),
    ] = "drive:",
    iterations: Annotated[
        int | None,
        typer.Option(help="Number of counted runs of each model; as many as fit in 5 s by default."),
    ] = None,
    warmup: Annotated[
        int | None,
        typer.Option(
            help="Number of runs before them; by default until two windows of 10 runs agree within 5 %."
        ),
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="Duration of the counted runs in seconds, all models together.")
    ] = None,
    threads: Threads = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help="Backend of ONNX files: native, onnxruntime (its Python session with our operators) or "
            "bodies (without them). Checkpoints always run in torch."
        ),
    ] = None,
    size: Annotated[Size | None, size_option("Size of the runs, where a model leaves it open.")] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Time every node, grouped by network block.")
    ] = False,
    json: Json = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write a page with charts that loads nothing.", rich_help_panel=_OUTPUT),
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(help="Write a trace for Perfetto or Chrome.", rich_help_panel=_OUTPUT)
    ] = None,
    device_file: Annotated[
        Path | None,
        typer.Option(
            help="Write this machine as a device of layoutrt estimate (implies --layers).",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(help="JSON of an earlier profile to compare with.", rich_help_panel=_GATE)
    ] = None,
    max_regression: Annotated[
        str, typer.Option(metavar="PERCENT", help="How much slower is allowed.", rich_help_panel=_GATE)
    ] = "10%",
) -> None:
    """Measure where every millisecond goes, end to end, by stage and by layer.

    Several models run in one go, each in a process of its own, in turns (A B, B A, ...), so that drift hits
    all alike. With --compare the exit code is 1 if a stage became slower than allowed, beyond what noise
    explains.

    Examples:

    `layoutrt profile camvid-edge --layers --html profile.html`

    `layoutrt profile generator.safetensors model.onnx model.int8.onnx --duration 20`

    `layoutrt profile camvid-seg+camvid-edge --trace trace.json`

    `layoutrt profile camvid-edge --compare base.json --max-regression 10%`
    """
    from layoutrt.cli.profile_output import gate, measure, parse_percent, show, write
    from layoutrt.files import check_not_inputs

    limit = parse_percent(max_regression)
    console = report_console(json, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        # Files and pipes have room for all columns.
        console = report_console(json, highlight=False, soft_wrap=True, width=160)
    base = None
    if compare is not None:
        from layoutrt.runtime.profiling.report import read_json

        # Read first: a wrong file should not cost a measurement.
        base = read_json(compare)
    read = [name for text in models for name in (text, *text.split("+"))]
    for option, file in (
        ("--json", json),
        ("--html", html),
        ("--trace", trace),
        ("--device-file", device_file),
    ):
        if file:
            check_not_inputs([file], read, option)
    found, targets = measure(
        models,
        console,
        size=size,
        source=input_,
        iterations=iterations,
        duration=duration,
        warm_up=warmup,
        threads=threads,
        backend=backend,
        layers=layers or device_file is not None,
    )
    show(found, console)
    write(found, targets, console, json=json, html=html, trace=trace, device_file=device_file)
    if base is not None and not gate(base, found, limit, console):
        raise typer.Exit(1)
