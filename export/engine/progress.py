"""Progress of TensorRT's builder as nested bars, and a way to stop it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

_INDENT = 2


class BuildProgress:
    """Progress bars of a build's phases, as a context manager.

    TensorRT calls the monitor from threads of its own.

    Args:
        trt: the module ``tensorrt``.
        console: console to draw on; nothing is drawn unless it is a terminal.

    Attributes:
        monitor: ``tensorrt.IProgressMonitor`` for ``IBuilderConfig.progress_monitor``.
        cancelled: set to True, it makes the builder give up after its current step.
    """

    def __init__(self, trt: Any, console: Console) -> None:
        self.cancelled = False
        # TensorRT names phases as it likes, brackets included.
        name = TextColumn("{task.description}", markup=False)
        columns = (name, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[str, tuple[TaskID, int]] = {}
        self._lock = threading.Lock()
        self.monitor = _monitor(trt, self)

    def __enter__(self) -> BuildProgress:
        self._shown.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._shown.stop()

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """A phase begins, within another or on its own."""
        with self._lock:
            depth = self._tasks[parent][1] + 1 if parent in self._tasks else 0
            task = self._shown.add_task(" " * _INDENT * depth + phase, total=steps)
            self._tasks[phase] = (task, depth)

    def step(self, phase: str, step: int) -> bool:
        """Step ``step``, counted from 0, is done; whether to go on."""
        with self._lock:
            if phase in self._tasks:
                self._shown.update(self._tasks[phase][0], completed=step + 1)
        return not self.cancelled

    def finish(self, phase: str) -> None:
        """A phase ends, complete or given up."""
        with self._lock:
            if phase in self._tasks:
                self._shown.remove_task(self._tasks.pop(phase)[0])


def run_to_the_end(work: Callable[[], Any], progress: BuildProgress) -> Any:
    """Call ``work`` on another thread and wait for it, so that Ctrl-C is seen while TensorRT computes.

    Ctrl-C raises nothing while it lasts: it sets `BuildProgress.cancelled`, which asks ``work`` to end.

    Returns:
        What it returned.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed, and ``work`` has ended.
    """
    answer: list[Any] = []
    failure: list[BaseException] = []

    def call() -> None:
        try:
            answer.append(work())
        except BaseException as error:
            failure.append(error)

    def cancel(number: int, frame: object) -> None:
        progress.cancelled = True

    # Only the main thread may handle signals; in another one somebody else does.
    handles = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, cancel) if handles else None
    try:
        thread = threading.Thread(target=call, name="layoutrt-build")
        thread.start()
        thread.join()
    finally:
        if handles:
            signal.signal(signal.SIGINT, before)
    if progress.cancelled:
        raise KeyboardInterrupt
    if failure:
        raise failure[0]
    return answer[0]


def _monitor(trt: Any, progress: BuildProgress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]
        """Forward the builder's reports; this must not raise."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            progress.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return progress.step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            progress.finish(phase_name)

    return Monitor()
