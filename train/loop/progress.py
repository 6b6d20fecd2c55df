"""Progress of a run: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 30.0


class RunProgress:
    """Progress of a run's steps.

    Args:
        steps: number of steps of the whole run.
        step: number of steps done before.
        batch: samples of a step, for the pictures per second.
        shown: False prints nothing.
    """

    def __init__(self, steps: int, step: int, batch: int, *, shown: bool = True) -> None:
        columns = (
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
        )
        self.console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
        self.lines = shown and not self.console.is_terminal
        self.shown = shown
        self.steps, self.first, self.batch = steps, step, batch
        self.started = time.monotonic()
        self.next_line = self.started
        self._bar = Progress(*columns, console=self.console, disable=not shown or self.lines)
        self._task = self._bar.add_task("", total=steps, completed=step, losses="")

    def __enter__(self) -> RunProgress:
        self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, trace)

    def update(self, step: int, losses: dict[str, float]) -> None:
        """Show that ``step`` is done."""
        text = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        self._bar.update(self._task, completed=step, losses=text)
        now = time.monotonic()
        if not self.lines or (now < self.next_line and step < self.steps):
            return
        self.next_line = now + SECONDS_BETWEEN_LINES
        seconds = (now - self.started) / (step - self.first)
        left = round(seconds * (self.steps - step))
        rate = f"{self.batch / seconds:.2f} images/s"
        time_left = f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
        print(f"step {step}/{self.steps}  {text}  {rate}  {time_left}", flush=True)

    def say(self, sentence: str) -> None:
        """Print a sentence above the bar, or as a line."""
        if self.shown:
            self._bar.console.print(sentence)
