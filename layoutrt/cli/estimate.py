"""``layoutrt estimate``."""

from __future__ import annotations

from typing import Annotated

import typer

from layoutrt.cli.options import Json, Size, report_console, size_option, tell_written


def estimate(
    model: Annotated[str, typer.Argument(help="Model to estimate: a shipped name or an ONNX file.")],
    device: Annotated[
        str,
        typer.Option(
            help="Device: orin-nano-8gb, orin-nx-16gb, agx-orin-64gb, rtx-4060, rtx-4090, h200, or a .toml "
            "file, such as layoutrt profile --device-file writes."
        ),
    ],
    precision: Annotated[
        str | None,
        typer.Option(help="Precision to estimate: fp32, fp16 or int8; the model's own by default."),
    ] = None,
    size: Annotated[Size | None, size_option("Size of the images, where the model leaves it open.")] = None,
    json: Json = None,
) -> None:
    """Estimate what a model would take on a device that is not here: never a measurement.

    A roofline over the layers of the graph, from the device's published peaks and an efficiency that says
    where it is from. The true time is expected within the range that is given.

    Example: `layoutrt estimate camvid-edge --device orin-nano-8gb --precision fp16`
    """
    from layoutrt.files import check_not_inputs, write_json
    from layoutrt.runtime.profiling.device import find_device
    from layoutrt.runtime.profiling.estimate import estimate
    from layoutrt.runtime.profiling.tables import estimate_table, milliseconds
    from layoutrt.runtime.profiling.target import find_target

    if json:
        check_not_inputs([json], [model, device], "--json")
    target = find_device(device)
    found = estimate(find_target(model, size), target, precision)
    console = report_console(json, highlight=False, soft_wrap=True)
    console.print(estimate_table(found))
    low, middle, high = (milliseconds(value) for value in (found.low_ms, found.ms, found.high_ms))
    console.print(
        f"estimate {middle} ms an image, expected within {low} to {high} ms "
        f"({1e3 / found.high_ms:.0f} to {1e3 / found.low_ms:.0f} images/s)"
    )
    for figure, source in target.source.items():
        console.print(f"{figure:<12} {getattr(target, figure):g}  {source}")
    if json:
        write_json(json, found.as_json())
        tell_written(console, json)
