import numpy as np
import pytest
import torch

from core.arrays import Array, converted, empty, on_host, size_of

LIKE = [np.zeros(2, np.float32), torch.zeros(2, dtype=torch.float32)]


@pytest.mark.parametrize("like", LIKE, ids=["numpy", "torch"])
def test_empty_has_the_type_of_like(like: Array) -> None:
    created = empty((2, 3), like)
    assert (type(created), created.dtype, tuple(created.shape)) == (type(like), like.dtype, (2, 3))


@pytest.mark.parametrize("like", LIKE, ids=["numpy", "torch"])
def test_converted_and_on_host_are_inverse(like: Array) -> None:
    values = np.array([[0.5, -2.0]])
    there = converted(values, like)
    assert (type(there), there.dtype) == (type(like), like.dtype)
    back = on_host(there)
    assert back.dtype == np.float64
    np.testing.assert_array_equal(back, values)


def test_size_of_is_width_and_height() -> None:
    assert size_of(np.zeros((1, 3, 20, 30), np.float32)) == (30, 20)
