"""The least variance bounds that of uniform features, and leaves that of others alone."""

import numpy as np
import pytest
import torch

from core.objective.least_variance import least_variance


def test_features_without_variance_have_a_positive_bound_that_grows_with_them() -> None:
    assert least_variance(0.0) > 0
    assert least_variance(4e6) / least_variance(1e6) == pytest.approx(4)


def test_the_bound_is_far_below_the_variance_of_features_with_contrast() -> None:
    features = np.random.default_rng(0).random(1000)
    assert least_variance((features**2).mean()) < features.var() / 100


def test_numbers_arrays_and_tensors_have_equal_bounds() -> None:
    values = [0.0, 1e-6, 3.0]
    expected = [least_variance(value) for value in values]
    np.testing.assert_allclose(least_variance(np.array(values)), expected, rtol=1e-15)
    np.testing.assert_allclose(least_variance(torch.tensor(values, dtype=torch.float64)), expected, rtol=1e-15)
