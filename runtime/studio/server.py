"""Serving the studio on a port of this machine."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from layoutrt.errors import LayoutRTError, require
from layoutrt.models import DEFAULT_GENERATOR
from layoutrt.runtime.streaming.demo_models import DemoModels
from layoutrt.runtime.streaming.playback import play
from layoutrt.runtime.streaming.sources import open_source

_GRACE_S = 5
"""Time that open connections have to finish when the server is told to stop."""


def run_studio(
    generator: str | Path = DEFAULT_GENERATOR,
    *,
    source: str = "drive:",
    segmenter: str | Path | None = None,
    mapping: Path | None = None,
    smooth: int = 1,
    host: str = "127.0.0.1",
    port: int = 8000,
    threads: int | None = None,
    most_clients: int = 16,
    most_pixels: int = 1 << 20,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve the studio until Ctrl-C or SIGTERM.

    Args:
        generator: shipped name or ONNX file.
        source: source of the second tab, see `open_source`.
        segmenter: segmenter for a source of frames; by default the shipped one of the generator's classes.
        mapping: file that maps each class, if the label sets differ.
        smooth: layouts that vote on each pixel of the second tab.
        host: address to listen at; others than the loopback let other machines in.
        port: 0 for any that is free.
        threads: threads of one run; None for one per processor.
        most_clients: browsers that paint, and as many that watch.
        most_pixels: largest number of pixels of a layout.
        announce: is told the address.

    Raises:
        LayoutRTError: the port is in use, or a model or the source cannot be used.
    """
    uvicorn = require_server()
    from layoutrt.runtime.studio.app import Studio
    from layoutrt.runtime.studio.live import HubSink, LiveHub, LiveShow
    from layoutrt.runtime.studio.logs import log, log_to_stderr
    from layoutrt.runtime.studio.painter import Painter

    if most_clients < 1 or most_pixels < 1:
        raise LayoutRTError("--max-clients and --max-pixels must be 1 or more")
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(listen(host, port))
        painter = Painter(generator, threads=threads, most_pixels=most_pixels)
        stack.callback(painter.close)
        studio = Studio(painter=painter, most_clients=most_clients)

        @contextlib.contextmanager
        def connected() -> Iterator[Any]:
            with DemoModels(generator, threads=threads, browser=True) as models:
                opened = open_source(source, size=models.size, label_set=models.label_set, paced=True)
                try:
                    yield models, opened, models.feed(opened, segmenter, mapping=mapping, smooth=smooth)
                finally:
                    opened.close()

        def show(ended: threading.Event) -> None:
            with connected() as (models, opened, feed):
                over = threading.Event()

                def stop_when_ended() -> None:
                    while not over.is_set() and not ended.wait(0.05):
                        pass
                    opened.stop()

                threading.Thread(target=stop_when_ended, daemon=True).start()
                try:
                    play(
                        opened,
                        feed,
                        models.images(feed, opened),
                        HubSink(hub, models.label_set, studio.metrics, ended),
                    )
                finally:
                    over.set()

        if not painter.synthesizer.needs_instances:
            # What cannot be shown is said now, not to the first who looks.
            with connected() as (_, opened, _):
                studio.live_source = opened.name
            hub = LiveHub()
            studio.hub = hub
            studio.show = LiveShow(hub, show, studio.metrics)
        log_to_stderr()
        server = make_server(uvicorn, studio, host, listening, most_pixels)
        address = address_of(listening)
        log("studio started", address=address, model=painter.synthesizer.name, source=studio.live_source)
        announce(address)
        # The server takes the signals, and raises them again when it has stopped.
        before = {
            number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            server.run(sockets=[listening])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        log("studio stopped")


def require_server() -> ModuleType:
    """Uvicorn, once all that the studio needs is there.

    Raises:
        LayoutRTError: the extra ``studio`` is not installed.
    """
    for package in ("fastapi", "websockets", "prometheus_client"):
        require(package, extra="studio", purpose="the studio")
    return require("uvicorn", extra="studio", purpose="the studio")


@contextlib.contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens, before anything is loaded for it.

    Raises:
        LayoutRTError: the port is in use or not allowed, or this machine does not have the address.
    """
    if not 0 <= port <= 65535:
        raise LayoutRTError(f"--port is {port}; give 1 to 65535, or 0 for any that is free")
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise LayoutRTError(f"'{host}' is not an address of this machine; use 127.0.0.1 or 0.0.0.0") from None
    with listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
            listening.listen(128)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise LayoutRTError(
                    f"port {port} of {host} is in use; stop what uses it, or choose another port"
                ) from None
            raise LayoutRTError(
                f"cannot listen at {host}, port {port} ({error.strerror}); choose others (--host, --port)"
            ) from None
        yield listening


def address_of(listening: socket.socket) -> str:
    """URL to open in a browser."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def make_server(
    uvicorn: ModuleType, studio: Any, host: str, listening: socket.socket, most_pixels: int
) -> Any:
    """A ``uvicorn.Server`` of a studio that ``listening`` was opened for at ``host``."""
    from layoutrt.runtime.studio.app import create_app
    from layoutrt.runtime.studio.middleware import LOOPBACK
    from layoutrt.runtime.studio.protocol import paint_bytes

    address = listening.getsockname()[0]
    # Not only 127.0.0.1: a machine's own name often stands for 127.0.1.1.
    local = ipaddress.ip_address(address.partition("%")[0]).is_loopback
    config = uvicorn.Config(
        create_app(studio, hosts=(*LOOPBACK, host.lower(), address) if local else None),
        log_config=None,
        access_log=False,
        server_header=False,
        # Ours answers up to twice the limit with a sentence; beyond that the connection is cut (1009).
        ws_max_size=2 * paint_bytes(most_pixels),
        ws_per_message_deflate=False,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return uvicorn.Server(config)
