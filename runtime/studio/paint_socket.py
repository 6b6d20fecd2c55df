"""One browser that paints: its messages in, its images out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Hashable
from functools import partial
from itertools import count

from fastapi import WebSocket

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.studio.logs import log
from layoutrt.runtime.studio.metrics import Metrics
from layoutrt.runtime.studio.painter import Painter
from layoutrt.runtime.studio.protocol import PaintMessage, image_message, message_id, parse_paint
from layoutrt.runtime.studio.render_queue import Job, Rendered, RenderQueue
from layoutrt.runtime.studio.websocket_handler import POLICY_VIOLATION, run_until_one_ends, send

MOST_BAD_MESSAGES = 10
"""Bad messages in a row after which a client is disconnected."""
SEND_TIMEOUT_S = 15.0
"""A client that does not take a message for so long is disconnected."""

_numbers = count(1)


class PaintSocket:
    """Talks to one browser.

    What waits to be sent has one place for the image and one for each style, so a client that reads slowly
    costs no memory and holds nobody up.

    Args:
        websocket: accepted.
        painter: checks layouts and renders them.
        queue: whose turn it is.
        metrics: counts.
    """

    def __init__(self, websocket: WebSocket, painter: Painter, queue: RenderQueue, metrics: Metrics) -> None:
        self.number = next(_numbers)
        self._websocket = websocket
        self._painter = painter
        self._queue = queue
        self._metrics = metrics
        self._outgoing: OrderedDict[Hashable, bytes | str] = OrderedDict()
        self._ready = asyncio.Event()
        self._bad = 0

    async def serve(self) -> None:
        """Answer messages until the browser leaves, or has to."""
        try:
            await run_until_one_ends(self._receive(), self._send())
        finally:
            self._queue.forget(self)

    async def _receive(self) -> None:
        while True:
            event = await self._websocket.receive()
            if event["type"] == "websocket.disconnect":
                return
            data = event.get("bytes")
            try:
                if data is None:
                    raise LayoutRTError("the message is text; send a layout as a binary message")
                message = parse_paint(data, self._painter.most_pixels)
                self._painter.synthesizer.check(message.labels)
            except LayoutRTError as error:
                self._refuse(str(error), None if data is None else message_id(data))
                if self._bad >= MOST_BAD_MESSAGES:
                    # Nothing more is read; `_send` closes when the answers are out.
                    await asyncio.sleep(SEND_TIMEOUT_S)
                    return
                continue
            self._bad = 0
            self._take(message)

    def _take(self, message: PaintMessage) -> None:
        if message.styles == 0:
            # Styles of an older layout are of no use any more.
            self._queue.forget(self, extras_only=True)
        for offset in range(max(1, message.styles)):
            seed = (message.seed + offset) & 0xFFFFFFFF
            slot = f"style {offset}" if message.styles else "stroke"
            run = partial(self._painter.image, message.labels, seed)
            done = partial(self._rendered, message, seed, slot)
            self._queue.put(self, slot, Job("style" if message.styles else "stroke", run, done))

    def _rendered(self, message: PaintMessage, seed: int, slot: str, rendered: Rendered) -> None:
        if rendered.image is None:
            self._put(slot, json.dumps({"error": rendered.error, "id": message.id}))
            return
        style = message.styles > 0
        self._put(
            slot, image_message(message.id, seed, style, rendered.image, rendered.wait_ms, rendered.render_ms)
        )

    def _refuse(self, sentence: str, number: int | None) -> None:
        self._bad += 1
        self._metrics.error("message")
        log("bad message", logging.WARNING, client=self.number, error=sentence)
        if self._bad >= MOST_BAD_MESSAGES:
            sentence += f"; this was bad message {self._bad} in a row, so the connection is closed"
        self._put(f"error {self._bad}", json.dumps({"error": sentence, "id": number}))

    def _put(self, slot: Hashable, message: bytes | str) -> None:
        self._outgoing[slot] = message
        self._ready.set()

    async def _send(self) -> None:
        while True:
            if not self._outgoing:
                if self._bad >= MOST_BAD_MESSAGES:
                    await self._websocket.close(POLICY_VIOLATION, "too many bad messages")
                    return
                self._ready.clear()
                await self._ready.wait()
                continue
            _, message = self._outgoing.popitem(last=False)
            try:
                await asyncio.wait_for(send(self._websocket, message), SEND_TIMEOUT_S)
            except asyncio.TimeoutError:
                self._metrics.error("client")
                log("client does not read", logging.WARNING, client=self.number)
                return
