"""Middleware of every request: access control, headers of the answer, and logging."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from layoutrt.runtime.studio.logs import log

_HEADERS = [
    # Nothing from elsewhere: a page of this studio makes no request that leaves the host.
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
        b"form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-cache"),
]
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class StudioMiddleware:
    """Middleware that refuses pages of other sites, adds security headers to answers, and logs requests.

    A page of another site can make a browser open a WebSocket to this machine, and a name of another site can
    be made to point to it. So the ``Origin`` of a WebSocket, and of a request that sends something, must be
    this host; and while the studio listens on the loopback only, ``Host`` must be one of its names.

    Args:
        app: application that answers.
        hosts: names that ``Host`` may have; None for any.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] | None = LOOPBACK) -> None:
        self._app = app
        self._hosts = None if hosts is None else frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        if reason := self._objection(scope):
            log("refused", path=scope["path"], reason=reason)
            await _refuse(scope, receive, send, reason)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
                milliseconds = round((time.monotonic() - started) * 1e3, 1)
                log("request", path=scope["path"], status=message["status"], ms=milliseconds)
            await send(message)

        await self._app(scope, receive, marked)

    def _objection(self, scope: Scope) -> str | None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if self._hosts is not None and _name(host) not in self._hosts:
            return "this studio serves its own machine only; open it by 127.0.0.1 or localhost"
        origin = headers.get(b"origin")
        sends = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if sends and origin is not None and _place(origin.decode("latin-1")) != host:
            return "the request comes from a page of another site"
        return None


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _place(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


async def _refuse(scope: Scope, receive: Receive, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        # Before it was accepted: the browser sees status 403.
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
        return
    body = reason.encode()
    headers: list[Any] = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
