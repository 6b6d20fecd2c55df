"""A short video of how a layout was painted, or of one layout in changing styles."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.files import temporary_folder
from layoutrt.layouts import LabelSet, colorize
from layoutrt.runtime.streaming.video import video_writer
from layoutrt.runtime.studio.protocol import ClipMessage
from layoutrt.runtime.synthesizer import latent_from_seed

_FPS = 24.0
_FRAMES_PER_STATE = 6
_HOLD = 24
"""Frames that the last picture stays."""
_JOURNEY = 48
"""Frames from one style to the next."""
_PLEASANT_HEIGHT = 384

Render = Callable[[NDArray[np.uint8], NDArray[np.float32] | None], Awaitable[NDArray[np.uint8]]]
"""Renders a layout with a latent, when it is its turn."""


async def clip(message: ClipMessage, label_set: LabelSet, latent: int, render: Render) -> bytes:
    """Make an MP4 file of layout and image side by side.

    Several layouts are shown one after the other. One layout goes from the style of its seed to that of the
    next, where the model has a latent.

    Args:
        message: the layouts.
        label_set: label set of the layouts.
        latent: length of the model's latent; 0 for none.
        render: makes images.

    Raises:
        LayoutRTError: a layout does not fit the model, or the video cannot be written.
    """
    layouts = message.layouts
    z = latent_from_seed(message.seed, latent) if latent else None
    steps: list[tuple[NDArray[np.uint8], NDArray[np.float32] | None, int]]
    if len(layouts) == 1 and z is not None:
        target = latent_from_seed((message.seed + 1) & 0xFFFFFFFF, latent)
        angles = np.linspace(0, np.pi / 2, _JOURNEY)
        # Along a great circle: the length of the latent stays that of a random one.
        steps = [(layouts[0], (np.cos(a) * z + np.sin(a) * target).astype(np.float32), 1) for a in angles]
    else:
        steps = [(layout, z, _FRAMES_PER_STATE) for layout in layouts]
    height, width = layouts.shape[1:]
    scale = 2 if height < _PLEASANT_HEIGHT else 1
    size = (2 * (height * scale // 2), 2 * width * scale)
    with temporary_folder() as folder:
        path = Path(folder) / "clip.mp4"
        with video_writer(path, size, _FPS) as video:
            for number, (layout, latent_vector, frames) in enumerate(steps, 1):
                image = await render(layout, latent_vector)
                pair = np.concatenate([colorize(layout, label_set), image], axis=1)
                picture = cv2.resize(pair, size[::-1], interpolation=cv2.INTER_NEAREST).astype(
                    np.uint8, copy=False
                )
                for _ in range(frames + (_HOLD if number == len(steps) else 0)):
                    video.write(picture)
                    # Others' strokes pass through this thread, and encoding takes long.
                    await asyncio.sleep(0)
        return path.read_bytes()
