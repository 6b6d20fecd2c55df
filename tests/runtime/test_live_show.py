"""The studio's live show: what becomes of it is told to those who watch."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

pytest.importorskip("fastapi", reason="the extra 'studio' is not installed")


def test_a_show_that_fails_unexpectedly_is_told_and_counted() -> None:
    from layoutrt.runtime.studio.live import LiveHub, LiveShow
    from layoutrt.runtime.studio.metrics import Metrics

    metrics = Metrics()

    def broken(_: threading.Event) -> None:
        raise ZeroDivisionError

    async def watch() -> str:
        hub = LiveHub()
        hub.open()
        show = LiveShow(hub, broken, metrics)
        show.watch()
        message, _ = await asyncio.wait_for(hub.next(0), 20)
        show.leave()
        show.close()
        return str(message)

    assert "log says why" in json.loads(asyncio.run(watch()))["error"]
    assert 'layoutrt_errors_total{kind="live"} 1.0' in metrics.exposition()[0].decode()
