"""The demo in a browser: the studio's page without painting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.streaming.demo_models import DemoModels
from layoutrt.runtime.streaming.playback import Sink
from layoutrt.runtime.streaming.sources import Source
from layoutrt.runtime.studio.server import address_of, listen, make_server, require_server

_SMALL = 1 << 16
_START_S = 10.0


@contextmanager
def web_sink(
    models: DemoModels, source: Source, *, host: str, port: int, announce: Callable[[str], None]
) -> Iterator[Sink]:
    """Serve the demo's pictures while the block runs.

    Args:
        models: models of the demo.
        source: source of the demo.
        host: address to listen at.
        port: 0 for any that is free.
        announce: is told the address.

    Raises:
        LayoutRTError: the extra ``studio`` is not installed, or the port is in use.
    """
    uvicorn = require_server()
    from layoutrt.runtime.studio.app import Studio
    from layoutrt.runtime.studio.live import HubSink, LiveHub

    with listen(host, port) as listening:
        studio = Studio(hub=LiveHub(), live_source=source.name)
        assert studio.hub is not None
        server = make_server(uvicorn, studio, host, listening, _SMALL)
        thread = threading.Thread(target=server.run, args=([listening],), name="layoutrt web", daemon=True)
        thread.start()
        deadline = time.monotonic() + _START_S
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise LayoutRTError(
                    f"the web server did not start at {address_of(listening)}; choose another port"
                )
            time.sleep(0.01)
        announce(f"watch    {address_of(listening)}")
        try:
            yield HubSink(studio.hub, models.label_set, studio.metrics)
        finally:
            server.should_exit = True
            thread.join(timeout=10.0)
