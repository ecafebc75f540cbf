"""The variance floor is far below the variance of features that vary, and positive for uniform ones."""

import numpy as np
import pytest
import torch

from core.objective.variance_floor import variance_floor


def test_features_without_variance_have_a_positive_bound_that_grows_with_them() -> None:
    assert variance_floor(0.0) > 0
    assert variance_floor(4e6) / variance_floor(1e6) == pytest.approx(4)


def test_the_bound_is_far_below_the_variance_of_features_with_contrast() -> None:
    features = np.random.default_rng(0).random(1000)
    assert variance_floor((features**2).mean()) < features.var() / 100


def test_numbers_arrays_and_tensors_have_equal_bounds() -> None:
    values = [0.0, 1e-6, 3.0]
    expected = [variance_floor(value) for value in values]
    np.testing.assert_allclose(variance_floor(np.array(values)), expected, rtol=1e-15)
    np.testing.assert_allclose(variance_floor(torch.tensor(values, dtype=torch.float64)), expected, rtol=1e-15)
