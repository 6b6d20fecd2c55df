"""Parser of source names: ``camera:``, ``rtsp:``, files, folders, ``drive:``."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from layoutrt.errors import LayoutRTError
from layoutrt.inputs import is_image, parse_drive
from layoutrt.layouts import LabelSet
from layoutrt.runtime.streaming.sources.files import ImageFolder, VideoFile
from layoutrt.runtime.streaming.sources.layouts import DriveSource, LabelFolder
from layoutrt.runtime.streaming.sources.live_camera import LiveCamera
from layoutrt.runtime.streaming.sources.opencv import open_camera, open_csi, open_stream
from layoutrt.runtime.streaming.sources.paced import Paced
from layoutrt.runtime.streaming.sources.source import Source

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):")
KINDS = "camera:0, csi:0, rtsp://…, a video file, a folder of images, labels:FOLDER or drive:"


def open_source(
    uri: str,
    *,
    size: tuple[int, int],
    label_set: LabelSet,
    seed: int = 0,
    paced: bool = False,
    fps: float | None = None,
) -> Source:
    """Open a source by name.

    Args:
        uri: ``camera:0`` or ``camera:/dev/video2`` (Video4Linux), ``csi:0`` (a Jetson's CSI camera),
            ``rtsp://…``, a video file, images as of `find_frames`, ``labels:`` and layouts as of
            `find_layouts`, ``drive:`` without end, ``drive:N`` for N frames, ``drive:N@SEED`` or
            ``drive:@SEED``.
        size: (height, width) in pixels that what can be drawn is drawn at.
        label_set: label set of the files of ``labels:``.
        seed: seed of a drive whose name has none.
        paced: show stored and drawn frames as fast as they were meant to be; False: as fast as they are
            taken. Cameras have their own pace.
        fps: frames a second of a source that is paced; its own by default.

    Raises:
        LayoutRTError: the source does not exist, cannot be read, or needs a codec that is absent.
    """
    source = _open(uri, size, label_set, seed)
    return Paced(source, fps) if paced and not source.live else source


def without_password(url: str) -> str:
    """The address of a stream as it may be shown: ``rtsp://user:***@host/…``.

    The last ``@`` ends the password, as in FFmpeg: names and passwords may have some too.
    """
    return re.sub(r"(://[^/:]*):[^/]*@", r"\1:***@", url)


def _open(uri: str, size: tuple[int, int], label_set: LabelSet, seed: int) -> Source:
    if drawn := parse_drive(uri):
        return DriveSource(size, seed if drawn.seed is None else drawn.seed, drawn.frames)
    if match := re.fullmatch(r"camera:(\d{1,3})", uri):
        return LiveCamera(uri, partial(open_camera, int(match[1])))
    if match := re.fullmatch(r"camera:(/.+)", uri):
        return LiveCamera(uri, partial(open_camera, match[1]))
    if match := re.fullmatch(r"csi:(\d{1,2})", uri):
        return LiveCamera(uri, partial(open_csi, int(match[1])))
    if re.match(r"rtsps?://.", uri):
        shown = without_password(uri)
        return LiveCamera(shown, partial(open_stream, uri, shown))
    if uri.startswith("labels:") and len(uri) > len("labels:"):
        return LabelFolder(uri.removeprefix("labels:"), label_set)
    path = Path(uri)
    if path.is_dir() or (path.is_file() and is_image(path)):
        return ImageFolder(path)
    if path.is_file():
        return VideoFile(path)
    if _SCHEME.match(uri):
        raise LayoutRTError(f"'{without_password(uri)}' is not a source; give {KINDS}")
    raise LayoutRTError(f"the file or folder {uri} does not exist; give {KINDS}")
