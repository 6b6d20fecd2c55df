"""The studio's addresses.

| address | answers |
|---|---|
| ``/`` | the page |
| ``/api/info`` | model, classes, sizes, limits |
| ``/api/drive/N`` | layout of frame N of the drive, bytes [H,W] |
| ``/api/layout`` | POST a PNG: its layout, bytes [H,W] |
| ``/api/clip`` | POST a clip message: an MP4 file |
| ``/ws/paint`` | WebSocket: paint messages in, image messages out (`protocol`) |
| ``/ws/live`` | WebSocket: the demo's pictures (`live.HubSink`); the page asks for each by a text message |
| ``/healthz``, ``/metrics`` | for who looks after it |
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.requests import ClientDisconnect

from layoutrt import __version__
from layoutrt.errors import LayoutRTError
from layoutrt.runtime.studio import layout_files
from layoutrt.runtime.studio.clip import clip
from layoutrt.runtime.studio.live import LiveHub, LiveShow
from layoutrt.runtime.studio.live_socket import LiveSocket
from layoutrt.runtime.studio.logs import log
from layoutrt.runtime.studio.metrics import Metrics
from layoutrt.runtime.studio.middleware import LOOPBACK, StudioMiddleware
from layoutrt.runtime.studio.paint_socket import PaintSocket
from layoutrt.runtime.studio.painter import Painter
from layoutrt.runtime.studio.protocol import MOST_CLIP_FRAMES, MOST_STYLES, clip_bytes, parse_clip
from layoutrt.runtime.studio.render_queue import RenderQueue
from layoutrt.runtime.studio.websocket_handler import TRY_AGAIN_LATER

MOST_CLIENTS = 16


@dataclass
class Studio:
    """State that all addresses share.

    Attributes:
        painter: renderer of layouts; None with a live demo only.
        hub: pictures of the live demo; None without one.
        show: runs the demo while there are watchers; None if it runs by itself.
        live_source: its name, for the page.
        most_clients: browsers that paint, and as many that watch.
        metrics: counts.
        clients: those that paint.
    """

    painter: Painter | None = None
    hub: LiveHub | None = None
    show: LiveShow | None = None
    live_source: str | None = None
    most_clients: int = MOST_CLIENTS
    metrics: Metrics = field(default_factory=Metrics)
    clients: set[PaintSocket] = field(default_factory=set)
    queue: RenderQueue | None = None

    def info(self) -> dict[str, Any]:
        """Settings that the page needs."""
        live = None if self.hub is None else {"source": self.live_source}
        about: dict[str, Any] = {"version": __version__, "live": live, "paint": None}
        if self.painter is None:
            return about
        synthesizer = self.painter.synthesizer
        labels = synthesizer.label_set
        things = [label.thing for label in labels.labels] + [False]
        about["paint"] = {
            "model": synthesizer.name,
            "backend": synthesizer.backend,
            "label_set": labels.name,
            "classes": [
                {"name": name, "color": list(color), "thing": thing}
                for name, color, thing in zip(labels.names, labels.colors, things, strict=False)
            ],
            "dont_care": labels.dont_care,
            "latent": synthesizer.latent,
            "sizes": [list(size) for size in self.painter.sizes],
            "styles": MOST_STYLES,
            "clip_frames": MOST_CLIP_FRAMES,
            "drive": labels.name == "camvid",
        }
        return about


def create_app(studio: Studio, *, hosts: Iterable[str] | None = LOOPBACK) -> StudioMiddleware:
    """The application; see the module for its addresses.

    Args:
        studio: state of the studio.
        hosts: names by which it may be asked; None for any.
    """

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        if studio.hub is not None:
            studio.hub.open()
        if studio.painter is not None:
            studio.queue = RenderQueue(studio.metrics)
            studio.queue.start()
        studio.metrics.gauge("clients", "Browsers that paint.", lambda: float(len(studio.clients)))
        if (hub := studio.hub) is not None:
            studio.metrics.gauge("watchers", "Browsers that watch.", lambda: float(hub.watchers))
        try:
            yield
        finally:
            if studio.show is not None:
                await asyncio.to_thread(studio.show.close)
            if studio.queue is not None:
                await studio.queue.stop()

    # Its documentation pages would load scripts from elsewhere.
    app = FastAPI(title="layoutrt studio", docs_url=None, redoc_url=None, openapi_url=None, lifespan=running)
    app.add_exception_handler(LayoutRTError, _sentence)
    _add_pages(app, studio)
    if studio.painter is not None:
        _add_painting(app, studio, studio.painter)
    if studio.hub is not None:
        _add_live(app, studio, studio.hub)
    static = Path(str(resources.files("layoutrt.runtime.studio"))) / "static"
    app.mount("/", StaticFiles(directory=static, html=True), name="static")
    return StudioMiddleware(app, hosts)


async def _sentence(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": " ".join(str(error).split())}, status_code=400)


def _add_pages(app: FastAPI, studio: Studio) -> None:
    @app.get("/api/info")
    async def info() -> dict[str, Any]:
        return studio.info()

    @app.get("/healthz")
    async def healthz() -> Response:
        healthy = studio.queue is None or studio.queue.alive
        return JSONResponse({"status": "ok" if healthy else "stopped"}, status_code=200 if healthy else 503)

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        content, media_type = studio.metrics.exposition(request.headers.get("accept", ""))
        return Response(content, headers={"content-type": media_type})


def _add_painting(app: FastAPI, studio: Studio, painter: Painter) -> None:
    synthesizer = painter.synthesizer

    @app.get("/api/drive/{index}")
    async def drive(index: int, height: int, width: int, seed: int = 0) -> Response:
        layout = await asyncio.to_thread(
            layout_files.drive_frame, synthesizer, index, (height, width), seed, painter.most_pixels
        )
        return Response(layout.tobytes(), media_type="application/octet-stream")

    @app.post("/api/layout")
    async def layout(request: Request, height: int, width: int) -> Response:
        data = await _body(request, 16 * painter.most_pixels)
        labels = await asyncio.to_thread(
            layout_files.from_png, synthesizer, data, (height, width), painter.most_pixels
        )
        return Response(labels.tobytes(), media_type="application/octet-stream")

    @app.post("/api/clip")
    async def make_clip(request: Request) -> Response:
        message = parse_clip(await _body(request, clip_bytes(painter.most_pixels)), painter.most_pixels)
        synthesizer.check(message.layouts)
        owner = object()

        async def render(labels: Any, z: Any) -> Any:
            assert studio.queue is not None
            rendered = await studio.queue.render(
                owner, "clip", "clip", lambda: painter.image_of_latent(labels, z)
            )
            if rendered.image is None:
                raise LayoutRTError(rendered.error or "the image could not be rendered")
            return rendered.image

        data = await clip(message, synthesizer.label_set, synthesizer.latent, render)
        return Response(data, media_type="video/mp4")

    @app.websocket("/ws/paint")
    async def paint(websocket: WebSocket) -> None:
        await websocket.accept()
        if len(studio.clients) >= studio.most_clients:
            await _turn_away(websocket, studio)
            return
        assert studio.queue is not None
        client = PaintSocket(websocket, painter, studio.queue, studio.metrics)
        studio.clients.add(client)
        log("client came", client=client.number, clients=len(studio.clients))
        try:
            await client.serve()
        finally:
            studio.clients.discard(client)
            log("client left", client=client.number, clients=len(studio.clients))


def _add_live(app: FastAPI, studio: Studio, hub: LiveHub) -> None:
    @app.websocket("/ws/live")
    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        if hub.watchers >= studio.most_clients:
            await _turn_away(websocket, studio)
            return
        if studio.show is not None:
            studio.show.watch()
        else:
            hub.watchers += 1
        try:
            await LiveSocket(websocket, hub).serve()
        finally:
            if studio.show is not None:
                studio.show.leave()
            else:
                hub.watchers -= 1


async def _turn_away(websocket: WebSocket, studio: Studio) -> None:
    studio.metrics.error("client")
    sentence = f"the studio has its {studio.most_clients} clients already; try again when one has left"
    await websocket.send_text(json.dumps({"error": sentence}))
    await websocket.close(TRY_AGAIN_LATER, "too many clients")


async def _body(request: Request, most_bytes: int) -> bytes:
    """Body of a request; one that is too large is refused before all of it has arrived."""
    data = bytearray()
    try:
        async for part in request.stream():
            data += part
            if len(data) > most_bytes:
                raise LayoutRTError(f"what was sent has more than {most_bytes} bytes; send less")
    except ClientDisconnect:
        # A client that disconnects is not an error of the studio; nobody reads the answer.
        raise LayoutRTError("the connection ended before all was sent; send it again") from None
    return bytes(data)
