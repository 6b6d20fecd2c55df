"""``layoutrt studio``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layoutrt.cli.options import MODEL_FORMS, Threads
from layoutrt.models import DEFAULT_GENERATOR


def studio(
    generator: Annotated[str, typer.Option(help=f"Generator: {MODEL_FORMS}.")] = DEFAULT_GENERATOR,
    source: Annotated[
        str, typer.Option(help="Source of the second tab, in the forms of `layoutrt demo`.")
    ] = "drive:",
    segmenter: Annotated[
        str | None,
        typer.Option(
            help=f"Segmenter of a source that gives frames: {MODEL_FORMS}; the shipped one by default."
        ),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(help='TOML file of lines "class" = "class", where segmenter and generator differ.'),
    ] = None,
    smooth: Annotated[
        int, typer.Option(metavar="K", help="Steady the second tab's layouts: majority over K frames.")
    ] = 1,
    port: Annotated[int, typer.Option(help="Port to listen at; 0 takes any that is free.")] = 8000,
    host: Annotated[
        str, typer.Option(help="Address to listen at. 0.0.0.0 lets every machine of the network in.")
    ] = "127.0.0.1",
    max_clients: Annotated[
        int, typer.Option(help="Largest number of browsers that paint, and of those that watch.")
    ] = 16,
    max_pixels: Annotated[int, typer.Option(help="Largest number of pixels of a layout, height x width.")] = 1
    << 20,
    threads: Threads = None,
) -> None:
    """Paint layouts in the browser and watch the images answer.

    Serves a page on this machine: paint with brush and fill, undo, load a layout or a frame of the synthetic
    drive, export. A second tab shows the demo. Nothing is requested from elsewhere. Logs are lines of JSON on
    stderr; `/healthz` and `/metrics` are for monitoring. Ends with Ctrl-C or SIGTERM.

    Example: `layoutrt studio --port 8000`
    """
    from layoutrt.runtime.studio.server import run_studio

    run_studio(
        generator,
        source=source,
        segmenter=segmenter,
        mapping=mapping,
        smooth=smooth,
        host=host,
        port=port,
        threads=threads,
        most_clients=max_clients,
        most_pixels=max_pixels,
        announce=lambda address: print(f"studio   {address}   (Ctrl-C ends it)", flush=True),
    )
