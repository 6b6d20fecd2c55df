"""Intersection over union, against cases that are worked out by hand."""

import math

import numpy as np
import pytest

from layoutrt.layouts.confusion import ConfusionMatrix


def bytes_of(*values: int) -> np.ndarray:
    return np.array(values, np.uint8)


def test_intersection_over_union_is_of_the_whole_set_and_leaves_dont_care_out() -> None:
    matrix = ConfusionMatrix(4, dont_care=3)
    matrix.add(bytes_of(0, 0, 0, 1), bytes_of(0, 0, 1, 1))
    matrix.add(bytes_of(1, 3, 3, 3), bytes_of(0, 0, 1, 1))
    # Class 0: two hits of three pixels and one false alarm; class 1: one hit of two, one false alarm.
    assert matrix.class_iou == [2 / 4, 1 / 3, None, None]
    assert matrix.mean_iou == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert matrix.pixel_accuracy == 3 / 5
    assert matrix.counts.sum() == 5


def test_a_class_that_is_predicted_and_never_there_counts_as_zero() -> None:
    matrix = ConfusionMatrix(3, dont_care=None)
    matrix.add(bytes_of(0, 0), bytes_of(0, 2))
    assert matrix.class_iou == [0.5, None, 0.0]
    assert matrix.mean_iou == 0.25


def test_a_set_of_dont_care_alone_has_no_score() -> None:
    matrix = ConfusionMatrix(2, dont_care=1)
    matrix.add(bytes_of(1, 1), bytes_of(0, 0))
    assert math.isnan(matrix.mean_iou)
    assert math.isnan(matrix.pixel_accuracy)
