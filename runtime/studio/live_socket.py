"""One browser that watches: the newest picture each time it asks for one."""

from __future__ import annotations

import asyncio

from fastapi import WebSocket

from layoutrt.runtime.studio.live import LiveHub
from layoutrt.runtime.studio.websocket_handler import run_until_one_ends, send


class LiveSocket:
    """Send pictures to one browser, which asks for each after the first by a message.

    A slow browser so gets fewer pictures, not older ones.

    Args:
        websocket: accepted.
        hub: has the pictures.
    """

    def __init__(self, websocket: WebSocket, hub: LiveHub) -> None:
        self._websocket = websocket
        self._hub = hub
        self._asked = asyncio.Event()
        self._asked.set()

    async def serve(self) -> None:
        """Send pictures until the browser leaves."""
        await run_until_one_ends(self._receive(), self._send())

    async def _receive(self) -> None:
        while (await self._websocket.receive())["type"] != "websocket.disconnect":
            self._asked.set()

    async def _send(self) -> None:
        seen = 0
        while True:
            await self._asked.wait()
            self._asked.clear()
            message, seen = await self._hub.next(seen)
            await send(self._websocket, message)
