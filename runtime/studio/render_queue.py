"""Queue of renderings: round-robin over clients, with only the newest stroke of each."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.studio.logs import log
from layoutrt.runtime.studio.metrics import Metrics

_EXTRA_TURN = 4
"""Number of strokes in a row after which a waiting style or frame of a clip is rendered."""


@dataclass(frozen=True, eq=False)
class Rendered:
    """Result of a job: an image, or the sentence of its failure."""

    image: NDArray[np.uint8] | None = field(repr=False)
    error: str | None
    wait_ms: float
    render_ms: float


@dataclass(frozen=True, eq=False)
class Job:
    """A run of the generator that waits in the queue."""

    kind: str
    """``stroke``, ``style`` or ``clip``."""
    run: Callable[[], NDArray[np.uint8]] = field(repr=False)
    """Function that renders, on the queue's thread: uint8 [H,W,3] RGB."""
    done: Callable[[Rendered], None] = field(repr=False)
    """Callback for the result, on the event loop."""
    queued_s: float = field(default_factory=time.monotonic)


class RenderQueue:
    """Queue that runs jobs one at a time on a thread of its own.

    A new job replaces a waiting job of the same client and slot, and takes its place in the queue. Clients
    are served round-robin. Strokes come before styles and clips, which get every fifth run while strokes
    keep coming. Used on one event loop.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._strokes: OrderedDict[Hashable, OrderedDict[Hashable, Job]] = OrderedDict()
        self._extras: OrderedDict[Hashable, OrderedDict[Hashable, Job]] = OrderedDict()
        self._waiting = asyncio.Event()
        self._strokes_in_a_row = 0
        self._executor = ThreadPoolExecutor(1, "layoutrt studio")
        self._worker: asyncio.Task[None] | None = None
        metrics.gauge("queue_depth", "Jobs that wait for the generator.", lambda: float(len(self)))

    def __len__(self) -> int:
        return sum(len(slots) for line in (self._strokes, self._extras) for slots in line.values())

    @property
    def alive(self) -> bool:
        """True if jobs are being run."""
        return self._worker is not None and not self._worker.done()

    def start(self) -> None:
        """Begin to run jobs."""
        self._worker = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Finish the job under way, and forget the others."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        self._executor.shutdown(wait=True, cancel_futures=True)

    def put(self, client: Hashable, slot: Hashable, job: Job) -> None:
        """Let a job wait for its turn, in the place of the one that waits in this slot of the client."""
        line = self._strokes if job.kind == "stroke" else self._extras
        slots = line.setdefault(client, OrderedDict())
        if slot in slots and job.kind == "stroke":
            self._metrics.superseded()
        slots[slot] = job
        self._waiting.set()

    async def render(
        self, client: Hashable, slot: Hashable, kind: str, run: Callable[[], NDArray[np.uint8]]
    ) -> Rendered:
        """Let a job wait for its turn, and wait for its result."""
        future: asyncio.Future[Rendered] = asyncio.get_running_loop().create_future()
        self.put(
            client,
            slot,
            Job(kind, run, lambda rendered: None if future.done() else future.set_result(rendered)),
        )
        return await future

    def forget(self, client: Hashable, *, extras_only: bool = False) -> None:
        """Drop what waits of a client."""
        self._extras.pop(client, None)
        if not extras_only:
            self._strokes.pop(client, None)

    def _next(self) -> Job | None:
        extra_is_due = self._strokes_in_a_row >= _EXTRA_TURN
        for line in (self._extras, self._strokes) if extra_is_due else (self._strokes, self._extras):
            if line:
                client, slots = line.popitem(last=False)
                _, job = slots.popitem(last=False)
                if slots:
                    line[client] = slots
                self._strokes_in_a_row = self._strokes_in_a_row + 1 if line is self._strokes else 0
                return job
        return None

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            job = self._next()
            if job is None:
                self._waiting.clear()
                await self._waiting.wait()
                continue
            started = time.monotonic()
            image, error = None, None
            try:
                image = await loop.run_in_executor(self._executor, job.run)
            except LayoutRTError as problem:
                error = str(problem)
            except Exception as problem:
                log("render failed", logging.ERROR, kind=job.kind, error=repr(problem))
                error = "the image could not be made; the studio's log says why"
            now = time.monotonic()
            if error is None:
                self._metrics.frame(job.kind, now - job.queued_s if job.kind == "stroke" else None)
            else:
                self._metrics.error("render")
            job.done(Rendered(image, error, (started - job.queued_s) * 1e3, (now - started) * 1e3))
