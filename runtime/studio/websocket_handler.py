"""The two directions of a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

# RFC 6455, section 7.4.1, and its registry.
POLICY_VIOLATION, TRY_AGAIN_LATER = 1008, 1013


async def run_until_one_ends(*directions: Coroutine[Any, Any, None]) -> None:
    """Run both directions until one ends, then cancel the other. A client may disconnect at any time."""
    tasks = [asyncio.create_task(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        # Starlette raises one of these for a message to a client that has disconnected.
        left = (asyncio.CancelledError, WebSocketDisconnect, RuntimeError)
        if isinstance(result, BaseException) and not isinstance(result, left):
            raise result


async def send(websocket: WebSocket, message: bytes | str) -> None:
    """Send a binary or a text message."""
    if isinstance(message, str):
        await websocket.send_text(message)
    else:
        await websocket.send_bytes(message)
