"""``layoutrt demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layoutrt.cli.options import MODEL_FORMS, Json, Size, Threads, report_console, size_option, tell_written
from layoutrt.models import DEFAULT_GENERATOR


def demo(
    source: Annotated[
        str,
        typer.Option(
            help="Source of frames: camera:0, csi:0 (Jetson), rtsp://…, a video file, images (a file, a "
            "folder, a data set or its split), labels: and layouts, or drive: (drive:N frames, drive:@SEED "
            "another town)."
        ),
    ] = "drive:",
    generator: Annotated[str, typer.Option(help=f"Generator: {MODEL_FORMS}.")] = DEFAULT_GENERATOR,
    segmenter: Annotated[
        str | None,
        typer.Option(
            help=f"Segmenter: {MODEL_FORMS}; the shipped one of the generator's classes by default."
        ),
    ] = None,
    sink: Annotated[
        str,
        typer.Option(
            help="Where it is shown: window, video:FILE.mp4, web or web:PORT (to a browser), null (only "
            "measure); video writes into --out."
        ),
    ] = "video",
    view: Annotated[
        str, typer.Option(help="Picture to show: side-by-side, image or overlay.")
    ] = "side-by-side",
    frames: Annotated[
        int | None, typer.Option(help="Number of frames; all by default, 240 of a drive that is written.")
    ] = None,
    size: Annotated[Size | None, size_option("Size of a frame; the model's own by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the town and of the latent.")] = 0,
    smooth: Annotated[
        int, typer.Option(metavar="K", help="Steady the layout: majority over the last K frames; 1 is off.")
    ] = 1,
    mapping: Annotated[
        Path | None,
        typer.Option(
            help='TOML file of lines "class" = "class", where segmenter and generator differ in classes.'
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the video and the contact sheet.")] = Path("out"),
    fps: Annotated[
        float | None, typer.Option(help="Frames a second of the video; the source's own by default.")
    ] = None,
    times: Annotated[bool, typer.Option(help="Show frames/s and latencies in the picture.")] = True,
    host: Annotated[str, typer.Option(help="Address that --sink web listens at.")] = "127.0.0.1",
    threads: Threads = None,
    json: Json = None,
) -> None:
    """Turn a camera, a video or a synthetic drive into layouts and images, in real time.

    By default it drives through a synthetic town and writes `out/drive.mp4` and `out/contact_sheet.png`.
    Prints frames a second and the latencies of the stages. Ctrl-C ends it; what was written plays.
    Needs neither torch nor a GPU.

    Examples:

    `layoutrt demo --frames 100 --seed 7 --out out`

    `layoutrt demo --source camera:0 --sink web --smooth 5`

    `layoutrt demo --source street.mp4 --sink video:out/street.mp4 --view overlay`
    """
    from rich.console import Console

    from layoutrt.errors import LayoutRTError
    from layoutrt.files import check_not_inputs, write_json
    from layoutrt.runtime.demo import run_demo
    from layoutrt.runtime.streaming.frame_view import View

    console = report_console(json, highlight=False, soft_wrap=True)
    # What to open in a browser has to be seen, and must not mix with JSON on standard output.
    announced = Console(highlight=False, soft_wrap=True, markup=False, emoji=False, stderr=console.quiet)
    if view not in [choice.value for choice in View]:
        raise LayoutRTError(f"there is no view '{view}'; choose {', '.join(choice.value for choice in View)}")
    if json:
        check_not_inputs([json], [source, generator, segmenter or DEFAULT_GENERATOR], "--json")
    report = run_demo(
        generator,
        source=source,
        segmenter=segmenter,
        sink=sink,
        view=View(view),
        frames=frames,
        size=size,
        seed=seed,
        smooth=smooth,
        mapping=mapping,
        out=out,
        fps=fps,
        threads=threads,
        host=host,
        show_times=times,
        announce=announced.print,
    )
    playback = report.playback
    height, width = report.size
    names = report.model if report.segmenter is None else f"{report.segmenter} and {report.model}"
    frames_text = f"{playback.frames} frame{'s' * (playback.frames != 1)}"
    console.print(playback.times.stage_table(f"{names}, {height}x{width}, {frames_text}"))
    given = report.source_size or report.size
    of = f", {given[0]}x{given[1]} resized" if given != report.size else ""
    console.print(f"source   {report.source}{of}")
    console.print(f"backend  {report.backend}")
    dropped = f", {playback.dropped} frames dropped for newer ones" if playback.dropped else ""
    found = f", camera found again {report.reconnects} times" if report.reconnects else ""
    console.print(f"rate     {playback.frames_per_second:.1f} frames/s end to end{dropped}{found}")
    for index, path in enumerate(report.files):
        console.print(f"{'' if index else 'wrote':9}{path}")
    if json:
        write_json(json, report.as_json())
        tell_written(console, json, label=f"{'wrote':8}")
    if report.playback.interrupted:
        raise typer.Exit(130)
