"""Tensors that artifacts may describe: views of distinct elements of their storage, checked against PyTorch."""

from contextlib import suppress
from itertools import product

import pytest
import torch

from core.artifacts.bounds import MAX_INTEGER, MAX_SIDE, check_view, is_small_integer


def test_views_of_a_storage_are_accepted() -> None:
    whole = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    views = (whole, whole.permute(0, 2, 3, 1), whole[1:, :, 1:3], whole[0, 0], whole.flatten()[7:8], whole[1, 2, 3, 4])
    for view in views:
        check_view(view.shape, view.stride(), view.storage_offset(), whole.numel())


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((4, 4), (0, 1), 0),  # four equal rows
        ((100, 100), (0, 0), 0),  # one number, 10 000 times
        ((12,), (1,), 1),  # the last element is missing
        ((3, 4), (4, 1), 1),
        ((2,), (-1,), 5),
        ((2,), (1,), -1),
        ((0, 4), (4, 1), 0),
        ((1, 1, 1, 1, 12), (12, 12, 12, 12, 1), 0),
        ((3, 4), (4,), 0),
        ((MAX_SIDE + 1,), (0,), 0),
    ],
)
def test_other_views_are_refused(size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> None:
    with pytest.raises(ValueError, match=r"storage of 12 elements|expected up to four sides"):
        check_view(size, stride, offset, 12)


def test_accepted_views_are_those_of_pytorch_that_are_no_larger_than_their_storage() -> None:
    stored, accepted = torch.zeros(6), 0
    for rows, columns, step, offset in product(range(1, 4), range(1, 4), range(1, 4), range(4)):
        size, stride = (rows, columns), (step, 1)
        with suppress(RuntimeError):  # the storage ends before the last element
            stored.as_strided(size, stride, offset)
            if rows * columns <= 6:
                check_view(size, stride, offset, 6)
                accepted += 1
                continue
        with pytest.raises(ValueError, match="is not in its storage"):
            check_view(size, stride, offset, 6)
    assert accepted > 20


@pytest.mark.parametrize("value", [0, 1, -MAX_INTEGER, MAX_INTEGER])
def test_small_integers_are_accepted(value: int) -> None:
    assert is_small_integer(value)


@pytest.mark.parametrize("value", [MAX_INTEGER + 1, -MAX_INTEGER - 1, 2**70, 1.0, "1", None, [1]])
def test_other_arguments_are_no_small_integers(value: object) -> None:
    assert not is_small_integer(value)
