"""Turns in the studio: fair between clients, the newest stroke of each, styles when there is time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.studio.metrics import Metrics
from layoutrt.runtime.studio.render_queue import Job, Rendered, RenderQueue


def order_of(put: Callable[[Callable[..., None]], None], count: int) -> list[str]:
    """Names of jobs in the order in which they were run; all were waiting before the first was."""

    async def play() -> list[str]:
        queue = RenderQueue(Metrics())
        ran: list[str] = []

        def job(client: str, name: str, kind: str = "stroke", slot: str | None = None) -> None:
            def run() -> np.ndarray:
                ran.append(name)
                return np.zeros((1, 1, 3), np.uint8)

            queue.put(client, slot or kind, Job(kind, run, lambda _: None))

        put(job)
        queue.start()
        while len(ran) < count:
            await asyncio.sleep(0.001)
        await queue.stop()
        return ran

    return asyncio.run(asyncio.wait_for(play(), 10))


def test_clients_take_turns_and_keep_their_place_when_a_newer_stroke_comes() -> None:
    def put(job: Callable[..., None]) -> None:
        job("a", "a1")
        job("b", "b1")
        job("c", "c1")
        job("a", "a2")

    assert order_of(put, 3) == ["a2", "b1", "c1"]


def test_the_styles_of_one_client_do_not_come_before_those_of_another() -> None:
    def put(job: Callable[..., None]) -> None:
        for client in "ab":
            for index in range(3):
                job(client, f"{client}{index}", "style", f"style {index}")

    assert order_of(put, 6) == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_styles_wait_for_strokes_but_not_for_ever() -> None:
    def put(job: Callable[..., None]) -> None:
        for index in range(3):
            job("a", f"style {index}", "style", f"style {index}")
        for client in "abcdefg":
            job(client, client)

    order = order_of(put, 10)
    assert order[:4] == list("abcd")
    assert order[4] == "style 0"
    assert order[5:8] == list("efg")
    assert order[8:] == ["style 1", "style 2"]


def test_a_job_that_fails_is_told_and_the_next_one_runs() -> None:
    async def play() -> list[Rendered]:
        queue = RenderQueue(Metrics())
        queue.start()

        def wrong() -> np.ndarray:
            raise LayoutRTError("the layout is wrong")

        def broken() -> np.ndarray:
            raise ZeroDivisionError

        made = [
            await queue.render("a", "s", "stroke", run)
            for run in (wrong, broken, lambda: np.zeros((1, 1, 3)))
        ]
        assert queue.alive
        await queue.stop()
        return made

    first, second, third = asyncio.run(play())
    assert first.error == "the layout is wrong"
    assert second.error is not None
    assert "log says why" in second.error
    assert third.error is None
    assert third.image is not None


def test_what_waits_of_a_client_that_left_is_forgotten() -> None:
    async def play() -> int:
        queue = RenderQueue(Metrics())
        for kind in ("stroke", "style"):
            queue.put("a", kind, Job(kind, lambda: np.zeros((1, 1, 3), np.uint8), lambda _: None))
        queue.put("b", "stroke", Job("stroke", lambda: np.zeros((1, 1, 3), np.uint8), lambda _: None))
        assert len(queue) == 3
        queue.forget("a")
        return len(queue)

    assert asyncio.run(play()) == 1


def test_the_histogram_counts_up_to_each_bound() -> None:
    metrics = Metrics()
    for latency in (0.001, 0.04, 0.04, 9.0):
        metrics.frame("stroke", latency)
    lines = metrics.exposition()[0].decode().splitlines()
    assert 'layoutrt_latency_seconds_bucket{le="0.005"} 1.0' in lines
    assert 'layoutrt_latency_seconds_bucket{le="0.05"} 3.0' in lines
    assert 'layoutrt_latency_seconds_bucket{le="2.5"} 3.0' in lines
    assert 'layoutrt_latency_seconds_bucket{le="+Inf"} 4.0' in lines
    assert "layoutrt_latency_seconds_count 4.0" in lines


def test_only_strokes_count_as_replaced() -> None:
    async def play() -> str:
        metrics = Metrics()
        queue = RenderQueue(metrics)
        for kind in ("stroke", "style", "style", "stroke"):
            queue.put("a", kind, Job(kind, lambda: np.zeros((1, 1, 3), np.uint8), lambda _: None))
        return metrics.exposition()[0].decode()

    assert "layoutrt_superseded_total 1.0\n" in asyncio.run(play())
