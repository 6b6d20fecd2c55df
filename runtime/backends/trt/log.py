"""TensorRT's messages: kept, because its calls answer only with "failed", and the reason is in the log."""

from __future__ import annotations

import functools
import re
from collections import deque
from collections.abc import Callable
from typing import Any

from layoutrt.errors import LayoutRTError
from layoutrt.operators import plugin_names

_KEPT = 50
_OUT_OF_MEMORY = re.compile(
    r"out ?of ?memory|insufficient memory|memory ?allocation|MemAlloc|failed to allocate", re.IGNORECASE
)
# What TensorRT puts before a message: "[graph.cpp::optimize::152] Error Code 2: OutOfMemory (…)".
_PLACE = re.compile(r"^\d+: |\[[\w./]+::\w+::\d+\] ?|Error Code \d+: ?")


def _plain(message: str) -> str:
    """Put a message on one line, without its place in TensorRT's source."""
    return " ".join(_PLACE.sub("", message).split()).rstrip(".")


def created(log: Any, make: Any, *arguments: Any) -> Any:
    """An object of TensorRT's.

    Args:
        log: log that `message_log` returned.
        make: ``tensorrt.Builder``, ``tensorrt.Runtime`` or ``tensorrt.OnnxParser``.
        arguments: its arguments without the logger, which is the last.

    Raises:
        LayoutRTError: TensorRT gave none, mostly because it finds no GPU that it can use.
    """
    log.clear()
    try:
        return make(*arguments, log)
    except TypeError as error:
        # pybind11's answer to a null pointer: "factory function returned nullptr".
        if "nullptr" not in str(error):
            raise
        raise LayoutRTError(
            f"TensorRT cannot be started: {log.reason()}; see layoutrt doctor (error 35 is a driver that is "
            "too old for it, 100 no GPU)"
        ) from None


@functools.cache
def message_log(trt: Any) -> Any:
    """The one logger of this process: TensorRT keeps the first that it is given for all its parts.

    Args:
        trt: the module ``tensorrt``.
    """

    class MessageLog(trt.ILogger):  # type: ignore[misc, name-defined]
        """Log of TensorRT that keeps the last errors and warnings.

        Attributes:
            tell: called with each message and True if it is an error; None for silence.
            verbose: pass messages that are neither errors nor warnings to `tell`, too.
        """

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.tell: Callable[[str, bool], None] | None = None
            self.verbose = False
            self.errors: deque[str] = deque(maxlen=_KEPT)
            self.warnings: deque[str] = deque(maxlen=_KEPT)

        def log(self, severity: Any, msg: str) -> None:
            error = severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR)
            warning = severity == trt.ILogger.Severity.WARNING
            if error:
                self.errors.append(msg)
            elif warning:
                self.warnings.append(msg)
            if self.tell is not None and self.verbose:
                self.tell(msg, error)

        def clear(self) -> None:
            self.errors.clear()
            self.warnings.clear()

        def of_plugins(self) -> list[str]:
            """Messages of our plugins, in whole sentences."""
            # How they begin: `log_error` in runtime/native/tensorrt/plugins.
            ours = tuple(f"{name} '" for name in plugin_names())
            return [_plain(message) for message in self.errors if message.startswith(ours)]

        def reason(self) -> str:
            """The last two errors, shortened; "TensorRT gave no reason" without errors.

            A message of our plugins comes first: TensorRT follows it with more general errors.
            """
            found = [*self.of_plugins()[-1:], *map(_plain, list(self.errors)[-2:])]
            return "; ".join(dict.fromkeys(found)) or "TensorRT gave no reason"

        def is_out_of_memory(self) -> bool:
            """True if memory ran out. A tactic that is skipped for it causes only a warning."""
            return any(_OUT_OF_MEMORY.search(message) for message in (*self.errors, *self.warnings))

    return MessageLog()
