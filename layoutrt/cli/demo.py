"""``layoutrt demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layoutrt.cli.options import Size, Threads, size_option
from layoutrt.models import DEFAULT_GENERATOR


def demo(
    generator: Annotated[str, typer.Option(help="A shipped model or an ONNX file.")] = DEFAULT_GENERATOR,
    frames: Annotated[int, typer.Option(help="Length of the drive.")] = 240,
    size: Annotated[Size | None, size_option("Size of a frame; the model's own by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another town.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the video and the contact sheet.")] = Path("out"),
    fps: Annotated[float, typer.Option(help="Frames a second of the video.")] = 25.0,
    threads: Threads = None,
) -> None:
    """Drive through a synthetic town and render what the camera would see.

    Writes `drive.mp4` (layout and image side by side) and `contact_sheet.png`, and prints latencies.
    Needs neither torch nor a GPU.

    Example: `layoutrt demo --frames 100 --seed 7 --out out`
    """
    from rich.console import Console

    from layoutrt.runtime.demo import FRAME, run_demo

    console = Console()
    report = run_demo(
        generator,
        frames=frames,
        size=size,
        seed=seed,
        out=out,
        fps=fps,
        threads=threads,
        progress=console.is_terminal,
    )
    height, width = report.size
    title = f"{report.model}, {height}x{width}, {frames} frames"
    console.print(report.latencies.table(title, total=FRAME))
    console.print(f"backend  {report.backend}", highlight=False)
    console.print(f"wrote    {report.video}\n         {report.sheet}", highlight=False, soft_wrap=True)
