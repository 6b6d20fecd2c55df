"""Arguments, tables and files of ``layoutrt profile``."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.profiling import tables
from layoutrt.runtime.profiling.profile import profile
from layoutrt.runtime.profiling.regression import compare_profiles
from layoutrt.runtime.profiling.report import Profile, read_json, write_json
from layoutrt.runtime.profiling.target import Target, find_target

_CHECKPOINT_RUNNER = "layoutrt.export.checkpoint_runner:CheckpointRunner"


def parse_percent(text: str) -> float:
    """A fraction from ``10%`` or ``10``.

    Raises:
        LayoutRTError: the text is of another form.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%?", text.strip())
    if not match:
        raise LayoutRTError(f"'{text}' is not a percentage; write one such as 10%")
    return float(match[1]) / 100


def measure(
    models: Sequence[str], console: Console, *, size: tuple[int, int] | None, **options: Any
) -> tuple[Profile, list[Target]]:
    """Profile the models, or read the one profile that is named instead.

    Args:
        models: as the command line names them.
        console: where the progress is shown.
        size: of the runs.
        options: of `layoutrt.runtime.profiling.profile.profile`.
    """
    if len(models) == 1 and models[0].endswith(".json"):
        return read_json(models[0]), []
    targets = [find_target(text, size) for text in models]
    runner = _CHECKPOINT_RUNNER if importlib.util.find_spec("torch") else None
    columns = (TextColumn("{task.description}", markup=False), BarColumn())
    with Progress(
        *columns, console=console, transient=True, disable=console.quiet or not console.is_terminal
    ) as shown:
        task = shown.add_task("", total=1.0)

        def tell(what: str, share: float) -> None:
            shown.update(task, description=what, completed=share)

        return profile(targets, checkpoint_runner=runner, progress=tell, **options), targets


def show(found: Profile, console: Console) -> None:
    """Print the tables."""
    for model in found.models:
        console.print(tables.stage_table(model))
    if len(found.models) > 1:
        console.print(tables.comparison_table(found))
    else:
        model = found.models[0]
        device = "" if model.device_mb is None else f", {model.device_mb:.0f} MB on the device"
        energy = "" if model.joules is None else f", {model.joules:.2f} J a run ({found.sensors['energy']})"
        console.print(
            f"{model.per_second:.1f} runs/s, first result after {model.time_to_first_frame_ms:.0f} ms, "
            f"peak memory {model.peak_mb:.0f} MB{device}{energy}"
        )
    for model in found.models:
        if model.layers:
            console.print(tables.block_table(model))
            console.print(tables.layer_table(model))
    console.print(tables.peaks_line(found))
    console.print(f"machine  {found.setting}")
    if sensors := tables.sensors_line(found):
        console.print(sensors)
    for warning in found.warnings:
        console.print(f"warning  {warning}", style="yellow")


def write(
    found: Profile,
    targets: Sequence[Target],
    console: Console,
    *,
    json: Path | None,
    html: Path | None,
    trace: Path | None,
    device_file: Path | None,
) -> None:
    """Write the files that are wanted."""
    if json:
        write_json(json, found)
    if html:
        from layoutrt.runtime.profiling.page import write_page

        write_page(html, found)
    if trace:
        from layoutrt.runtime.profiling.trace import write_trace

        write_trace(trace, found)
    if device_file:
        from layoutrt.runtime.profiling.device import write_device
        from layoutrt.runtime.profiling.fit import measured_device

        targets = targets or [find_target(model.file, model.size) for model in found.models]
        write_device(device_file, measured_device(found, targets))
    for path in (json, html, trace, device_file):
        if path:
            console.print(f"wrote    {path}")


def gate(base: Profile, found: Profile, limit: float, console: Console) -> bool:
    """Print the changes, and return True if nothing became slower than allowed."""
    changes = compare_profiles(base, found, limit)
    console.print(tables.change_table(changes, limit))
    slower = [change for change in changes if change.regressed]
    for change in slower:
        console.print(
            f"{change.model}: {change.stage} is {change.ratio - 1:.1%} slower than the base "
            f"({change.low - 1:+.1%} to {change.high - 1:+.1%}), more than the allowed {limit:.0%}",
            style="bold red",
        )
    return not slower
