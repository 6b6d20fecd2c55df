"""Metrics of images beside their references, against cases worked out by hand or another way."""

import math

import numpy as np
import pytest

from layoutrt.calib.quality.fidelity import FidelityMeter, compare_images, structural_similarity
from layoutrt.errors import LayoutRTError


def noise(height: int, width: int, seed: int = 0, low: int = 0, high: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, (height, width, 3), dtype=np.uint8)


def test_a_constant_shift_is_found_as_such() -> None:
    reference = noise(24, 32, high=200)
    found = compare_images(reference, reference + np.array([3, 3, 3], np.uint8))
    assert found.shift == (3, 3, 3)
    assert found.psnr == pytest.approx(10 * math.log10(255**2 / 9))
    assert (found.max_error, found.mean_error) == (3, 3)
    assert found.shares_off == (1, 0, 0)


def test_a_shift_has_a_sign_and_a_channel() -> None:
    reference = noise(16, 16, low=50, high=200)
    found = compare_images(reference, reference + np.array([0, 256 - 40, 1], np.uint8))
    assert found.shift == (0, -40, 1)
    assert found.largest_shift == -40
    assert found.shares_off == (1, 1, 1)


def test_a_pixel_is_off_when_any_of_its_channels_is() -> None:
    reference = np.full((20, 20, 3), 100, np.uint8)
    candidate = reference.copy()
    candidate[0, 0] += np.array([0, 3, 0], np.uint8)
    candidate[0, 1] += np.array([9, 0, 9], np.uint8)
    candidate[0, 2] += np.array([0, 0, 33], np.uint8)
    candidate[0, 3] += np.array([2, 2, 2], np.uint8)
    assert compare_images(reference, candidate).shares_off == (3 / 400, 2 / 400, 1 / 400)


def test_equal_images_are_identical_and_have_a_similarity_of_one() -> None:
    meter = FidelityMeter()
    meter.add(noise(16, 16), noise(16, 16))
    found = meter.result()
    assert found.identical
    assert (found.ssim, found.worst_ssim) == (pytest.approx(1, abs=1e-12), pytest.approx(1, abs=1e-12))
    assert found.psnr == found.worst_psnr == math.inf
    assert found.shift == (0, 0, 0)


def similarity_window_by_window(reference: np.ndarray, candidate: np.ndarray) -> float:
    """SSIM straight from the paper's sums, one window after another."""
    places = np.arange(11) - 5
    weights = np.exp(-(places[:, None] ** 2 + places**2) / (2 * 1.5**2))
    weights /= weights.sum()
    x, y = (image @ [0.299, 0.587, 0.114] for image in (reference, candidate))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a, b = (image[top : top + 11, left : left + 11] for image in (x, y))
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            variance_a, variance_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
            covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
            values.append(
                (2 * mean_a * mean_b + c1)
                * (2 * covariance + c2)
                / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))
            )
    return float(np.mean(values))


def test_structural_similarity_is_that_of_the_papers_sums() -> None:
    reference = noise(18, 23)
    candidate = (reference * 0.7 + noise(18, 23, seed=1) * 0.3 + 5).clip(0, 255).astype(np.uint8)
    wanted = similarity_window_by_window(reference, candidate)
    assert 0.3 < wanted < 0.95
    assert structural_similarity(reference, candidate) == pytest.approx(wanted, rel=1e-9)


def test_many_frames_are_pooled_and_the_worst_is_kept() -> None:
    meter = FidelityMeter()
    reference = noise(16, 20, low=20, high=200)
    for shift in (1, 251, 2):  # 251 is -5
        meter.add(reference, reference + np.uint8(shift))
    found = meter.result()
    assert found.frames == 3
    assert found.psnr == pytest.approx(10 * math.log10(255**2 / ((1 + 25 + 4) / 3)))
    assert found.worst_psnr == pytest.approx(10 * math.log10(255**2 / 25))
    assert found.shift == pytest.approx((-2 / 3,) * 3)
    assert found.worst_shift == -5
    assert (found.max_error, found.mean_error) == (5, pytest.approx(8 / 3))
    assert found.shares_off == pytest.approx((1 / 3, 0, 0))
    assert found.worst_ssim <= found.ssim


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(LayoutRTError, match=r"images \[16, 16, 3\] and \[16, 17, 3\] cannot be compared"):
        compare_images(noise(16, 16), noise(16, 17))
    with pytest.raises(LayoutRTError, match="SSIM needs images of 11x11 and more, got 10x16"):
        compare_images(noise(10, 16), noise(10, 16))
    with pytest.raises(LayoutRTError, match="no images to compare"):
        FidelityMeter().result()
