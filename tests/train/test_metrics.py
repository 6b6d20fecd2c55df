"""Metrics of synthesized images, against cases that are worked out by hand or another way."""

import math

import numpy as np
import pytest
import torch

from layoutrt.errors import LayoutRTError
from layoutrt.train.metrics.diversity import pairwise_distance
from layoutrt.train.metrics.features import SegmenterFeatures, open_features
from layoutrt.train.metrics.frechet import frechet_distance
from layoutrt.train.networks.segmenter import Segmenter, SegmenterConfig


def test_the_frechet_distance_of_numbers_is_that_of_their_normal_distributions() -> None:
    first, second = np.array([[0.0], [2.0]]), np.array([[5.0], [11.0]])
    # Means 1 and 8, variances 2 and 18: (8 - 1)² + (√18 - √2)².
    assert frechet_distance(first, second) == pytest.approx(49 + (math.sqrt(18) - math.sqrt(2)) ** 2)


@pytest.mark.parametrize("counts", [(300, 200), (6, 40), (5, 4)])
def test_the_frechet_distance_is_that_of_the_matrix_root(counts) -> None:
    random = np.random.default_rng(0)
    mix = random.normal(size=(12, 12))
    first, second = random.normal(size=(counts[0], 12)), random.normal(size=(counts[1], 12)) @ mix + 1
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    values, vectors = np.linalg.eigh(one)
    half = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    root = np.sqrt(np.linalg.eigvalsh(half @ two @ half).clip(0)).sum()
    shift = np.square(first.mean(0) - second.mean(0)).sum()
    wanted = shift + np.trace(one) + np.trace(two) - 2 * root
    assert frechet_distance(first, second) == pytest.approx(wanted, rel=1e-6)
    assert frechet_distance(second, first) == pytest.approx(wanted, rel=1e-6)


def test_equal_sets_are_at_no_distance_even_in_many_dimensions() -> None:
    vectors = np.random.default_rng(1).normal(size=(7, 500)).astype(np.float32)
    assert 0 <= frechet_distance(vectors, vectors.copy()) < 1e-9


def test_a_shift_alone_is_the_square_of_its_length() -> None:
    vectors = np.random.default_rng(2).normal(size=(50, 8))
    assert frechet_distance(vectors, vectors + 2) == pytest.approx(8 * 4)


def test_one_vector_has_no_frechet_distance() -> None:
    with pytest.raises(LayoutRTError, match="two feature vectors or more on each side, got 1"):
        frechet_distance(np.zeros((5, 2)), np.zeros((1, 2)))


def test_diversity_is_the_mean_over_pairs_and_ignores_the_length_of_features() -> None:
    # Three samples of 1x2 positions: two equal up to length, one orthogonal at the first position only.
    layer = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[5.0, 0.0], [0.0, 2.0]], [[0.0, 0.0], [3.0, 1.0]]])
    layer = layer.view(3, 2, 1, 2)
    # Pairs: 0; and twice |(1,0) - (0,1)|² = 2 at one of two positions.
    assert pairwise_distance([layer]) == pytest.approx((0 + 1 + 1) / 3)
    assert pairwise_distance([layer, layer]) == pytest.approx(2 * 2 / 3)
    assert pairwise_distance([layer[:1].expand(4, -1, -1, -1)]) == 0


def test_segmenter_features_are_means_over_a_grid_of_cells() -> None:
    torch.manual_seed(0)
    segmenter = Segmenter(SegmenterConfig(12, width=6)).eval()
    features = SegmenterFeatures(segmenter, "s", "0")
    images = torch.rand(2, 3, 96, 128) * 2 - 1
    vectors = features.vectors(images)
    with torch.no_grad():
        deepest = segmenter.features(images)[-1].numpy()
    assert deepest.shape[2:] == (6, 8)
    assert vectors.shape == (24, deepest.shape[1])
    np.testing.assert_allclose(
        vectors[12 + 4 + 1], deepest[1, :, 2:4, 2:4].mean((1, 2)), rtol=1e-5, atol=1e-6
    )


def test_only_inception_is_called_fid(tmp_path) -> None:
    own = SegmenterFeatures(Segmenter(SegmenterConfig(12, width=6)), "s", "0")
    assert open_features("segmenter", own).metric == "frechet_segmenter"
    for text in ("vgg", "inception", "inception:", "segmenter:x"):
        with pytest.raises(LayoutRTError, match=f"no features '{text}'; use segmenter, or inception:PATH"):
            open_features(text, own)
    with pytest.raises(
        LayoutRTError, match=r"no\.pth does not exist; give the path of the weights of Incept"
    ):
        open_features(f"inception:{tmp_path / 'no.pth'}", own)
