"""Logs with a line of JSON for each event, on stderr."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

LOGGER = logging.getLogger("layoutrt.studio")


def log(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Write an event with its fields, which JSON must be able to hold."""
    LOGGER.log(level, event, extra={"fields": fields})


def log_to_stderr() -> None:
    """Send the studio's, the sources' and the server's events to stderr."""
    handler = _Stderr()
    handler.setFormatter(_JsonLines())
    for name, level in (("layoutrt", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    """A handler of whatever stderr is when an event comes: a program may replace it and close the old one."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        """The stream of the next event."""
        return sys.stderr


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {"time": f"{stamp}.{int(record.msecs):03}Z", "level": record.levelname.lower()}
        entry |= {"event": record.getMessage()} | getattr(record, "fields", {})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)
