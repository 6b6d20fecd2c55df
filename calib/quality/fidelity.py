"""Differences between the images of two models.

Pixels are bytes, so errors and shifts are in gray levels, 0 to 255. Sums are kept, not images: memory does
not grow with the number of frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError

LEVELS = (2, 8, 32)
"""A pixel is counted as off by more than each of these gray levels."""
_WINDOW, _SIGMA = 11, 1.5
_LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601."""
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


@dataclass(frozen=True)
class FrameFidelity:
    """One image beside its reference."""

    mean_squared_error: float
    """Over all pixels and channels, in squared gray levels."""
    max_error: int
    mean_error: float
    """Mean of the absolute differences."""
    ssim: float
    shift: tuple[float, float, float]
    """Mean of candidate - reference in red, green and blue."""
    shares_off: tuple[float, float, float]
    """Share of the pixels that are off by more than each of `LEVELS` in any channel, 0..1."""

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio in dB; infinite for equal images."""
        return peak_signal_to_noise(self.mean_squared_error)

    @property
    def largest_shift(self) -> float:
        """The color shift of the channel that is shifted most, with its sign."""
        return max(self.shift, key=abs)


@dataclass(frozen=True)
class Fidelity:
    """All images beside their references."""

    frames: int
    psnr: float
    """PSNR of the mean squared error over all pixels of all frames, in dB; infinite for equal images."""
    worst_psnr: float
    """PSNR of the worst frame, in dB."""
    max_error: int
    mean_error: float
    ssim: float
    """Mean over the frames."""
    worst_ssim: float
    shift: tuple[float, float, float]
    """Mean of candidate - reference in red, green and blue, over all pixels of all frames."""
    worst_shift: float
    """The largest of a single frame and channel, with its sign."""
    shares_off: tuple[float, float, float]
    """Share of all pixels that are off by more than each of `LEVELS` in any channel, 0..1."""

    @property
    def identical(self) -> bool:
        """True where every byte is the same."""
        return self.max_error == 0

    @property
    def largest_shift(self) -> float:
        """The color shift over all frames of the channel that is shifted most, with its sign."""
        return max(self.shift, key=abs)


class FidelityMeter:
    """Adds up the differences between images and their references.

    Attributes:
        frames: images seen so far.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._pixels = 0
        self._squares = self._errors = self._ssims = 0.0
        self._max_error = 0
        self._worst_squares, self._worst_ssim, self._worst_shift = 0.0, math.inf, 0.0
        self._shifts, self._off = np.zeros(3), np.zeros(len(LEVELS))

    def add(self, reference: NDArray[np.uint8], candidate: NDArray[np.uint8]) -> FrameFidelity:
        """Compare two images, uint8 [H,W,3] RGB of one size, and count them.

        Raises:
            LayoutRTError: they are no such images, or smaller than the window of SSIM, 11x11.
        """
        frame = compare_images(reference, candidate)
        pixels = reference.shape[0] * reference.shape[1]
        self.frames += 1
        self._pixels += pixels
        self._squares += frame.mean_squared_error * pixels
        self._errors += frame.mean_error * pixels
        self._ssims += frame.ssim
        self._shifts += np.multiply(frame.shift, pixels)
        self._off += np.multiply(frame.shares_off, pixels)
        self._max_error = max(self._max_error, frame.max_error)
        self._worst_squares = max(self._worst_squares, frame.mean_squared_error)
        self._worst_ssim = min(self._worst_ssim, frame.ssim)
        self._worst_shift = max(self._worst_shift, frame.largest_shift, key=abs)
        return frame

    def result(self) -> Fidelity:
        """Fidelity over the frames seen so far.

        Raises:
            LayoutRTError: nothing was.
        """
        if not self.frames:
            raise LayoutRTError("there are no images to compare; give data with at least one frame")
        red, green, blue = (self._shifts / self._pixels).tolist()
        two, eight, thirty_two = (self._off / self._pixels).tolist()
        return Fidelity(
            frames=self.frames,
            psnr=peak_signal_to_noise(self._squares / self._pixels),
            worst_psnr=peak_signal_to_noise(self._worst_squares),
            max_error=self._max_error,
            mean_error=self._errors / self._pixels,
            ssim=self._ssims / self.frames,
            worst_ssim=self._worst_ssim,
            shift=(red, green, blue),
            worst_shift=self._worst_shift,
            shares_off=(two, eight, thirty_two),
        )


def compare_images(reference: NDArray[np.uint8], candidate: NDArray[np.uint8]) -> FrameFidelity:
    """One image beside its reference.

    Args:
        reference: uint8 [H,W,3], RGB.
        candidate: images of the same shape.

    Raises:
        LayoutRTError: they are no such images, or smaller than the window of SSIM, 11x11.
    """
    if reference.shape != candidate.shape or reference.ndim != 3 or reference.shape[2] != 3:
        raise LayoutRTError(
            f"images {list(reference.shape)} and {list(candidate.shape)} cannot be compared; "
            "give two of one size, uint8 [H,W,3]"
        )
    difference = candidate.astype(np.int32) - reference
    errors = np.abs(difference)
    highest = errors.max(axis=2)
    red, green, blue = difference.mean(axis=(0, 1)).tolist()
    two, eight, thirty_two = (float((highest > level).mean()) for level in LEVELS)
    return FrameFidelity(
        mean_squared_error=float(np.square(difference).mean()),
        max_error=int(highest.max()),
        mean_error=float(errors.mean()),
        ssim=structural_similarity(reference, candidate),
        shift=(red, green, blue),
        shares_off=(two, eight, thirty_two),
    )


def peak_signal_to_noise(mean_squared_error: float) -> float:
    """PSNR of bytes in dB, ``10 log10(255² / mean_squared_error)``; infinite if all bytes are equal."""
    return 10 * math.log10(255**2 / mean_squared_error) if mean_squared_error else math.inf


def structural_similarity(reference: NDArray[np.uint8], candidate: NDArray[np.uint8]) -> float:
    """SSIM of the luma (ITU-R BT.601) of two images; 1 for equal ones.

    Wang et al., "Image quality assessment: from error visibility to structural similarity" (IEEE TIP 2004):
    an 11x11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, averaged over the places where the whole
    window lies in the image.

    Args:
        reference: uint8 [H,W,3], RGB; H and W at least 11.
        candidate: images of the same shape.

    Raises:
        LayoutRTError: the images are smaller than the window.
    """
    if min(reference.shape[:2]) < _WINDOW:
        height, width = reference.shape[:2]
        raise LayoutRTError(f"SSIM needs images of 11x11 and more, got {height}x{width}; use a larger size")
    x, y = reference @ _LUMA, candidate @ _LUMA
    mean_x, mean_y = _blurred(x), _blurred(y)
    variance_x, variance_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return float((luminance * (2 * covariance + _C2) / (variance_x + variance_y + _C2)).mean())


def _blurred(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted means over the window, where all of it lies in the image."""
    edge = _WINDOW // 2
    blurred = cv2.GaussianBlur(image, (_WINDOW, _WINDOW), _SIGMA)
    return np.asarray(blurred[edge:-edge, edge:-edge], np.float64)
