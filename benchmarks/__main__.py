"""Run the benchmark: ``python -m benchmarks``; ``BENCH_JSON=FILE`` also writes it as JSON.

``--write docs/benchmarks.md`` puts the tables into that document. ``--only gpu`` measures a GPU, which no
other call does.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from benchmarks.document import stamp, write_sections
from benchmarks.rows import Row, line, machine, table, write_json
from layoutrt.errors import LayoutRTError, require
from layoutrt.files import temporary_folder

ROUNDS = 20


def main() -> None:
    """Measure, print the tables, draw how cost grows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs of each side")
    parser.add_argument("--only", nargs="+", choices=[*SECTIONS, "growth", GPU], help="sections to run")
    parser.add_argument("--plot", type=Path, default=Path("out/growth.png"), help="picture of the growth")
    parser.add_argument("--write", type=Path, help="document whose tables are replaced: docs/benchmarks.md")
    options = parser.parse_args()
    require("torch", extra="train", purpose="the benchmark")
    console = Console(width=150)
    if options.only and GPU in options.only:
        if options.only != [GPU]:
            raise LayoutRTError(
                f"the section {GPU} is of another machine than the rest; run --only {GPU} alone"
            )
        _gpu(console, options.rounds, options.write)
        return
    console.print(machine(), highlight=False)
    sections: dict[str, list[Row]] = {}
    with temporary_folder() as name:
        folder = Path(name)
        for title, section in SECTIONS.items():
            if options.only and title not in options.only:
                continue
            sections[title] = measured = list(section(folder, options.rounds))
            console.print(
                table(f"{title}: medians of {options.rounds} runs in alternating rounds, 2 threads", measured)
            )
        if not options.only or "growth" in options.only:
            _growth(console, folder, options.rounds, options.plot)
    if options.write:
        write_sections(options.write, sections, stamp(options.rounds))
        console.print(f"wrote {options.write}", highlight=False)
    if path := os.environ.get("BENCH_JSON"):
        write_json(path, [row for rows in sections.values() for row in rows])
        console.print(f"wrote {path}", highlight=False)


def _paper(folder: Path, rounds: int) -> Iterator[Row]:
    from benchmarks.paper_generator import generator_rows, make_files

    yield from generator_rows(make_files(folder), rounds)


def _edge(folder: Path, rounds: int) -> Iterator[Row]:
    from benchmarks.edge_generator import edge_rows

    yield from edge_rows(folder, rounds)


def _operators(folder: Path, rounds: int) -> Iterator[Row]:
    from benchmarks.operators import operator_rows

    yield from operator_rows(folder, rounds)


def _video(folder: Path, rounds: int) -> Iterator[Row]:
    from benchmarks.video import video_rows

    yield from video_rows(folder, rounds)


def _live(folder: Path, rounds: int) -> Iterator[Row]:
    from benchmarks.live_video import live_rows

    yield from live_rows(rounds)


def _c_api(folder: Path, rounds: int) -> Iterator[Row]:
    from benchmarks.c_api import overhead_rows

    yield from overhead_rows()


SECTIONS: dict[str, Callable[[Path, int], Iterator[Row]]] = {
    "edge": _edge,
    "operators": _operators,
    "c-api": _c_api,
    "video": _video,
    "live": _live,
    "paper": _paper,
}


GPU = "gpu"
"""Section of the GPU at hand, apart from the others: most machines have none."""


def _gpu(console: Console, rounds: int, document: Path | None) -> None:
    from benchmarks.gpu import gpu_machine, gpu_stamp, measure_gpu, the_gpu
    from benchmarks.gpu_library import prepare_library

    device = the_gpu()
    console.print(gpu_machine(device), highlight=False)
    console.print(f"kernels {prepare_library()}", highlight=False, soft_wrap=True)
    rows = []
    for row in measure_gpu(rounds):
        # A run takes minutes and may be cut off: each row is told as soon as it is known.
        console.print(line(row), highlight=False, soft_wrap=True)
        rows.append(row)
    console.print(table(f"{GPU}: medians of {rounds} runs in alternating rounds", rows))
    if document:
        write_sections(document, {GPU: rows}, gpu_stamp(rounds, device))
        console.print(f"wrote {document}", highlight=False)
    if path := os.environ.get("BENCH_JSON"):
        write_json(path, rows, gpu_machine(device))
        console.print(f"wrote {path}", highlight=False)


def _growth(console: Console, folder: Path, rounds: int, plot: Path) -> None:
    from benchmarks.edge_generator import growth
    from benchmarks.growth_plot import draw, growth_table

    points = growth(folder, rounds)
    console.print(growth_table(points))
    draw(points, plot)
    console.print(f"wrote {plot}", highlight=False)


if __name__ == "__main__":
    try:
        main()
    except LayoutRTError as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        sys.exit(1)
