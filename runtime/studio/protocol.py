"""The binary messages between the page and the studio. All numbers are little-endian.

- paint, from the page: ``LRTp``, id u32, seed u32, height u16, width u16, styles u8, 3 zero bytes, then
  labels u8 [H,W]. ``styles`` 0 asks for the image of ``seed``; 1 to 6 for images of so many
  seeds from ``seed`` on.
- image, from the studio: ``LRTi``, id u32, seed u32, height u16, width u16, style u8, 3 zero bytes, wait ms
  f32, render ms f32, then RGB u8 [H,W,3]. ``style`` is 1 where the image
  was asked for as one of several styles.
- clip, from the page: ``LRTc``, seed u32, height u16, width u16, count u16, 2 zero bytes, then labels u8
  [count,H,W].

A paint message replaces what waits of the same connection: only its newest stroke is rendered. What is wrong
with a message comes back as text, ``{"error": …, "id": …}``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError

MOST_STYLES = 6
MOST_CLIP_FRAMES = 48
_PAINT = struct.Struct("<4sIIHHB3x")
_IMAGE = struct.Struct("<4sIIHHB3xff")
_CLIP = struct.Struct("<4sIHHH2x")
PAINT_MAGIC, IMAGE_MAGIC, CLIP_MAGIC = b"LRTp", b"LRTi", b"LRTc"


@dataclass(frozen=True, eq=False)
class PaintMessage:
    """A layout to render."""

    id: int
    """The page's number for it, which the image brings back."""
    seed: int
    """Seed of the latent."""
    styles: int
    """0 for the image; else images of so many seeds."""
    labels: NDArray[np.uint8] = field(repr=False)
    """uint8 [H,W]."""


@dataclass(frozen=True, eq=False)
class ClipMessage:
    """Layouts to make a video of."""

    seed: int
    layouts: NDArray[np.uint8] = field(repr=False)
    """uint8 [count,H,W]."""


def paint_bytes(most_pixels: int) -> int:
    """Size of the largest paint message."""
    return _PAINT.size + most_pixels


def clip_bytes(most_pixels: int) -> int:
    """Size of the largest clip message."""
    return _CLIP.size + MOST_CLIP_FRAMES * most_pixels


def message_id(data: bytes) -> int | None:
    """The id of a paint message that may be damaged, for the error's reply."""
    return int(_PAINT.unpack_from(data)[1]) if len(data) >= _PAINT.size and data[:4] == PAINT_MAGIC else None


def parse_paint(data: bytes, most_pixels: int) -> PaintMessage:
    """Read a paint message.

    Args:
        data: the message.
        most_pixels: largest height x width.

    Raises:
        LayoutRTError: it is not such a message, or too large.
    """
    if len(data) > paint_bytes(most_pixels):
        raise LayoutRTError(f"the message has {len(data)} bytes; at most {most_pixels} pixels are taken")
    if len(data) < _PAINT.size or data[:4] != PAINT_MAGIC:
        raise LayoutRTError(
            "the message is not a layout; send LRTp, id, seed, height, width, styles and labels"
        )
    _, number, seed, height, width, styles = _PAINT.unpack_from(data)
    labels = _labels(data, _PAINT.size, (height, width), most_pixels)
    if styles > MOST_STYLES:
        raise LayoutRTError(f"the message asks for {styles} styles; ask for at most {MOST_STYLES}")
    return PaintMessage(number, seed, styles, labels)


def parse_clip(data: bytes, most_pixels: int) -> ClipMessage:
    """Read a clip message.

    Raises:
        LayoutRTError: it is not such a message, or too large.
    """
    if len(data) < _CLIP.size or data[:4] != CLIP_MAGIC:
        raise LayoutRTError("the message is not a clip; send LRTc, seed, height, width, count and labels")
    _, seed, height, width, count = _CLIP.unpack_from(data)
    if not 1 <= count <= MOST_CLIP_FRAMES:
        raise LayoutRTError(f"the clip has {count} layouts; send 1 to {MOST_CLIP_FRAMES}")
    return ClipMessage(seed, _labels(data, _CLIP.size, (count, height, width), most_pixels))


def image_message(
    number: int, seed: int, style: bool, image: NDArray[np.uint8], wait_ms: float, render_ms: float
) -> bytes:
    """Write an image message; ``image`` is uint8 [H,W,3] RGB."""
    height, width = image.shape[:2]
    return _IMAGE.pack(IMAGE_MAGIC, number, seed, height, width, style, wait_ms, render_ms) + image.tobytes()


def _labels(data: bytes, start: int, shape: tuple[int, ...], most_pixels: int) -> NDArray[np.uint8]:
    height, width = shape[-2:]
    if not height or not width or height * width > most_pixels:
        raise LayoutRTError(f"the layout is {height}x{width}; give 1 to {most_pixels} pixels")
    expected = int(np.prod(shape))
    if len(data) - start != expected:
        raise LayoutRTError(
            f"the message says {'x'.join(map(str, shape))} and so {expected} labels, "
            f"but brings {len(data) - start}; send one byte for each pixel"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
