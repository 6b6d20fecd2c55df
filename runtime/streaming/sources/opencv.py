"""Opening what OpenCV can read, without its words on stderr."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError

# OpenCV reads it when it first uses FFmpeg, whose messages would stand between ours.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

OPEN_TIMEOUT_MS = 5000
READ_TIMEOUT_MS = 2000
"""Time that OpenCV waits for a packet; after three such waits a stream counts as lost."""


class Capture(Protocol):
    """Methods of ``cv2.VideoCapture`` that the sources use."""

    def grab(self) -> bool:
        """Wait for the next frame."""

    def retrieve(self) -> tuple[bool, NDArray[np.uint8]]:
        """Decode what was grabbed: uint8 [H,W,3], BGR."""

    def get(self, propId: int) -> float:
        """A property, 0 if it is not known."""

    def release(self) -> None:
        """Close the device or file."""


def open_capture(target: int | str, backend: int, options: Sequence[int] = ()) -> Capture | None:
    """``cv2.VideoCapture``, or None if it cannot be opened.

    Args:
        target: number of a camera, or file, address or pipeline.
        backend: a ``cv2.CAP_`` constant.
        options: properties and their values in turns.
    """
    logging: Any = getattr(cv2.utils, "logging", None)
    level = logging.getLogLevel() if logging else None
    if logging:
        logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        capture = cv2.VideoCapture(target, backend, list(options))
    finally:
        if logging:
            logging.setLogLevel(level)
    return cast(Capture, capture) if capture.isOpened() else None


def open_camera(device: int | str) -> Capture:
    """A camera of Video4Linux, by number or by its path ``/dev/video…``.

    Raises:
        LayoutRTError: there is none, or it gives no frames.
    """
    path = Path(f"/dev/video{device}") if isinstance(device, int) else Path(device)
    if not path.exists():
        found = sorted(str(other) for other in Path("/dev").glob("video[0-9]*"))
        there = f"this machine has {', '.join(found)}" if found else "this machine has none"
        raise LayoutRTError(f"the camera {path} does not exist; {there}: plug one in, or use --source drive:")
    # The newest frame matters; a driver's queue of four would be 130 ms of lag at 30 frames a second.
    capture = open_capture(device, cv2.CAP_V4L2, [cv2.CAP_PROP_BUFFERSIZE, 1])
    if capture is None:
        raise LayoutRTError(
            f"the camera {path} cannot be opened; close what else uses it, and see that your user is in the "
            "group 'video'"
        )
    return capture


def open_stream(url: str, shown: str) -> Capture:
    """A network camera, by RTSP over TCP.

    Args:
        url: URL of the stream.
        shown: the same without its password, for messages.

    Raises:
        LayoutRTError: nothing answers at this URL, or the answer is not a video.
    """
    timeouts = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        OPEN_TIMEOUT_MS,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        READ_TIMEOUT_MS,
    ]
    capture = open_capture(url, cv2.CAP_FFMPEG, timeouts)
    # It would tell of every wait for a packet, while `LiveCamera` tells what becomes of it.
    if hasattr(cv2.utils, "logging"):
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    if capture is None:
        raise LayoutRTError(
            f"no video comes from {shown}; check the address, the password, and that the camera is on"
        )
    return capture


def csi_pipeline(sensor: int, *, height: int = 720, width: int = 1280, fps: int = 30) -> str:
    """The GStreamer pipeline of a Jetson's CSI camera, as NVIDIA's guide "Accelerated GStreamer" has it.

    The image processor scales in hardware, and a full queue drops its oldest frame.
    """
    return (
        f"nvarguscamerasrc sensor-id={sensor} ! "
        f"video/x-raw(memory:NVMM), width={width}, height={height}, framerate={fps}/1, format=NV12 ! "
        "nvvidconv ! video/x-raw, format=BGRx ! videoconvert ! video/x-raw, format=BGR ! "
        "appsink drop=true max-buffers=1 sync=false"
    )


def open_csi(sensor: int) -> Capture:
    """A CSI camera of a Jetson.

    Raises:
        LayoutRTError: OpenCV has no GStreamer, or the camera does not exist.
    """
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        raise LayoutRTError(
            f"csi:{sensor} needs an OpenCV with GStreamer, which OpenCV {cv2.__version__} here lacks; "
            "use JetPack's OpenCV, or a USB camera (camera:0)"
        )
    capture = open_capture(csi_pipeline(sensor), cv2.CAP_GSTREAMER)
    if capture is None:
        raise LayoutRTError(
            f"the CSI camera {sensor} cannot be opened; check its cable, and restart nvargus-daemon"
        )
    return capture
